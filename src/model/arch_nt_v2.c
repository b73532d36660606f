/* Architecture `nt_v2`: Nucleotide Transformer v2 (ESM with gated feed-forward layers), with the published tensor names. */
#include <stdio.h>

#include "model/network.h"

static const char *const query_key_value[FD_LINEAR_PARTS] = {"query", "key", "value", NULL};
static const double base = 10000;

static const char *named(char name[FD_NAME_MAX], int layer, const char *part) {
  snprintf(name, FD_NAME_MAX, "esm.encoder.layer.%d.%s", layer, part);
  return name;
}

/* x + W_o attention(LN(x)), then x + W_2 (SiLU(a) * b), [a; b] = W_1 LN(x). */
static fd_value add_layer(fd_graph *g, const fd_config *config, int layer, fd_value table, fd_value x) {
  char name[FD_NAME_MAX];
  int channels = x.width, hidden = (int)config->model.hidden;
  const fd_attention_settings settings = fd_attention_of(config, FD_POSITIONS_ROTARY, layer);
  fd_value a = fd_normalize(g, named(name, layer, "attention.LayerNorm"), x, 0, (float)config->model.epsilon);
  a = fd_linears(g, named(name, layer, "attention.self"), query_key_value, a, channels);
  a = fd_attend(g, named(name, layer, "attention.heads"), a, table, &settings);
  a = fd_linear(g, named(name, layer, "attention.output.dense"), a, channels, 0);
  a = fd_train_dropout(g, named(name, layer, "attention.output.dropout"), a, config, 2 * layer + 1);
  x = fd_add(g, named(name, layer, "attention"), x, a);
  fd_value h = fd_normalize(g, named(name, layer, "LayerNorm"), x, 0, (float)config->model.epsilon);
  h = fd_linear_act(g, named(name, layer, "intermediate.dense"), h, hidden,
                    &(fd_linear_act_settings){.act = FD_ACT_SILU, .gated = 1, .unbiased = 1});
  h = fd_linear_unbiased(g, named(name, layer, "output.dense"), h, channels, 0);
  h = fd_train_dropout(g, named(name, layer, "output.dropout"), h, config, 2 * layer + 2);
  return fd_add(g, named(name, layer, "output"), x, h);
}

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  fd_graph *g = &net->graph;
  int channels = (int)config->model.channels;
  (void)window;
  fd_value x = fd_lookup(g, "esm.embeddings.word_embeddings", ids, FD_BY_ID, (int)config->model.vocabulary, channels);
  net->words = x;
  fd_value table = fd_rotary_table(g, "rotary", channels / (int)config->model.heads, base);
  for (int i = 0; i < config->model.layers; i++) x = add_layer(g, config, i, table, x);
  return fd_normalize(g, "esm.encoder.emb_layer_norm_after", x, 0, (float)config->model.epsilon);
}

static fd_value head(fd_network *net, const fd_config *config, fd_value latent) {
  static const fd_lm_head_names names = {"lm_head.dense", "lm_head.act", "lm_head.layer_norm", "lm_head.decoder", "lm_head"};
  return fd_lm_head(net, config, latent, &names);
}

const fd_arch fd_arch_nt_v2 = {.name = "nt_v2", .build = build, .head = head, .describe = fd_describe_blocks};
