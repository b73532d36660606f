/* Architecture `dnabert_2`: DNABERT-2 (post-LN, ALiBi, gated GELU), with the published tensor names. */
#include <stdio.h>

#include "model/network.h"

static const char *named(char name[FD_NAME_MAX], int layer, const char *part) {
  snprintf(name, FD_NAME_MAX, "bert.encoder.layer.%d.%s", layer, part);
  return name;
}

/* x = LN(x + W_o attention(x)), then LN(x + W_2 (GELU(a) * b)), [a; b] = W_1 x. */
static fd_value add_layer(fd_graph *g, const fd_config *config, int layer, fd_value slopes, fd_value x) {
  char name[FD_NAME_MAX];
  int channels = x.width, hidden = (int)config->model.hidden;
  const fd_attention_settings settings = fd_attention_of(config, FD_POSITIONS_ALIBI, layer);
  fd_value a = fd_linear(g, named(name, layer, "attention.self.Wqkv"), x, 3 * channels, 0);
  a = fd_attend(g, named(name, layer, "attention.self"), a, slopes, &settings);
  a = fd_linear(g, named(name, layer, "attention.output.dense"), a, channels, 0);
  a = fd_train_dropout(g, named(name, layer, "attention.output.dropout"), a, config, 2 * layer + 1);
  x = fd_add(g, named(name, layer, "attention.output"), x, a);
  x = fd_normalize(g, named(name, layer, "attention.output.LayerNorm"), x, 0, (float)config->model.epsilon);
  fd_value h = fd_linear_act(g, named(name, layer, "mlp.gated_layers"), x, hidden,
                             &(fd_linear_act_settings){.act = FD_ACT_GELU, .gated = 1, .unbiased = 1});
  h = fd_train_dropout(g, named(name, layer, "mlp.dropout"), h, config, 2 * layer + 2);
  h = fd_linear(g, named(name, layer, "mlp.wo"), h, channels, 0);
  x = fd_add(g, named(name, layer, "mlp"), x, h);
  return fd_normalize(g, named(name, layer, "mlp.layernorm"), x, 0, (float)config->model.epsilon);
}

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  fd_graph *g = &net->graph;
  int channels = (int)config->model.channels;
  (void)window;
  fd_value x = fd_lookup(g, "bert.embeddings.word_embeddings", ids, FD_BY_ID, (int)config->model.vocabulary, channels);
  net->words = x;
  fd_value type = fd_lookup(g, "bert.embeddings.token_type_embeddings", ids, FD_BY_TYPE, FD_TOKEN_TYPES, channels);
  x = fd_add(g, "bert.embeddings", x, type);
  x = fd_normalize(g, "bert.embeddings.LayerNorm", x, 0, (float)config->model.epsilon);
  x = fd_train_dropout(g, "bert.embeddings.dropout", x, config, 0);
  fd_value slopes = fd_alibi_slopes(g, "alibi", (int)config->model.heads);
  for (int i = 0; i < config->model.layers; i++) x = add_layer(g, config, i, slopes, x);
  return x;
}

static fd_value head(fd_network *net, const fd_config *config, fd_value latent) {
  static const fd_lm_head_names names = {"cls.predictions.transform.dense", "cls.predictions.transform.act",
                                         "cls.predictions.transform.LayerNorm", "cls.predictions.decoder",
                                         "cls.predictions.decoder"};
  return fd_lm_head(net, config, latent, &names);
}

const fd_arch fd_arch_dnabert_2 = {.name = "dnabert_2", .build = build, .head = head, .describe = fd_describe_blocks};
