/* Adds ESM's layers and language-model head to a graph. */
#include "model/esm.h"

#include <stdio.h>

static const char *const query_key_value[FD_LINEAR_PARTS] = {"query", "key", "value", NULL};

static const char *named(char name[FD_NAME_MAX], int layer, const char *part) {
  snprintf(name, FD_NAME_MAX, "esm.encoder.layer.%d.%s", layer, part);
  return name;
}

static fd_value feed_forward(fd_graph *g, const fd_config *config, const fd_esm *esm, int layer, fd_value h) {
  char name[FD_NAME_MAX];
  int channels = h.width;
  const fd_linear_act_settings up = {.act = esm->gated ? FD_ACT_SILU : FD_ACT_GELU, .gated = esm->gated, .unbiased = esm->gated};
  h = fd_linear_act(g, named(name, layer, "intermediate.dense"), h, (int)config->model.hidden, &up);
  named(name, layer, "output.dense");
  return esm->gated ? fd_linear_unbiased(g, name, h, channels, 0) : fd_linear(g, name, h, channels, 0);
}

/* x + W_o attention(LN(x)), then x + feed_forward(LN(x)). */
static fd_value add_layer(fd_graph *g, const fd_config *config, const fd_esm *esm, int layer, fd_value x) {
  char name[FD_NAME_MAX];
  int channels = x.width;
  const fd_attention_settings settings = fd_attention_of(config, esm->kind, layer);
  fd_value a = fd_normalize(g, named(name, layer, "attention.LayerNorm"), x, 0, (float)config->model.epsilon);
  a = fd_linears(g, named(name, layer, "attention.self"), query_key_value, a, channels);
  a = fd_attend(g, named(name, layer, "attention.heads"), a, esm->positions, &settings);
  a = fd_linear(g, named(name, layer, "attention.output.dense"), a, channels, 0);
  a = fd_train_dropout(g, named(name, layer, "attention.output.dropout"), a, config, 2 * layer + 1);
  x = fd_add(g, named(name, layer, "attention"), x, a);
  fd_value h = fd_normalize(g, named(name, layer, "LayerNorm"), x, 0, (float)config->model.epsilon);
  h = feed_forward(g, config, esm, layer, h);
  h = fd_train_dropout(g, named(name, layer, "output.dropout"), h, config, 2 * layer + 2);
  return fd_add(g, named(name, layer, "output"), x, h);
}

fd_value fd_esm_encode(fd_graph *g, const fd_config *config, const fd_esm *esm, fd_value x) {
  for (int i = 0; i < config->model.layers; i++) x = add_layer(g, config, esm, i, x);
  return fd_normalize(g, "esm.encoder.emb_layer_norm_after", x, 0, (float)config->model.epsilon);
}

fd_value fd_esm_head(fd_network *network, const fd_config *config, fd_value latent) {
  static const fd_lm_head_names names = {"lm_head.dense", "lm_head.act", "lm_head.layer_norm", "lm_head.decoder", "lm_head"};
  return fd_lm_head(network, config, latent, &names);
}
