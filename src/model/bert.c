/* Adds BERT's embeddings and layers to a graph. */
#include "model/bert.h"

#include <stdio.h>

static const char *const query_key_value[FD_LINEAR_PARTS] = {"query", "key", "value", NULL};

static const char *named(char name[FD_NAME_MAX], const fd_bert *bert, const char *part) {
  snprintf(name, FD_NAME_MAX, "%s.embeddings%s", bert->prefix, part);
  return name;
}

static const char *of_layer(char name[FD_NAME_MAX], const fd_bert *bert, int layer, const char *part) {
  snprintf(name, FD_NAME_MAX, "%s.encoder.layer.%d.%s", bert->prefix, layer, part);
  return name;
}

/* Number of a dropout: one for the embeddings, two for each layer. */
static int place(const fd_bert *bert, int layer, int which) { return 2 * (bert->number + layer) + which; }

static fd_value attend(fd_graph *g, const fd_config *config, const fd_bert *bert, int layer, fd_value x) {
  char name[FD_NAME_MAX];
  fd_attention_settings settings = fd_attention_of(config, FD_POSITIONS_NONE, bert->number + layer);
  settings.visible = bert->visible;
  fd_value a = fd_linears(g, of_layer(name, bert, layer, "attention.self"), query_key_value, x, x.width);
  a = fd_attend(g, of_layer(name, bert, layer, "attention.heads"), a, FD_NONE, &settings);
  a = fd_linear(g, of_layer(name, bert, layer, "attention.output.dense"), a, x.width, 0);
  return fd_train_dropout(g, of_layer(name, bert, layer, "attention.output.dropout"), a, config, place(bert, layer, 1));
}

/* x = LN(x + W_o attention(x)), then LN(x + W_2 GELU(W_1 x)). */
static fd_value add_layer(fd_graph *g, const fd_config *config, const fd_bert *bert, int layer, fd_value x) {
  char name[FD_NAME_MAX];
  float epsilon = (float)config->model.epsilon;
  x = fd_add(g, of_layer(name, bert, layer, "attention.output"), x, attend(g, config, bert, layer, x));
  x = fd_normalize(g, of_layer(name, bert, layer, "attention.output.LayerNorm"), x, 0, epsilon);
  fd_value h = fd_linear_act(g, of_layer(name, bert, layer, "intermediate.dense"), x, (int)config->model.hidden,
                             &(fd_linear_act_settings){.act = FD_ACT_GELU});
  h = fd_linear(g, of_layer(name, bert, layer, "output.dense"), h, x.width, 0);
  h = fd_train_dropout(g, of_layer(name, bert, layer, "output.dropout"), h, config, place(bert, layer, 2));
  x = fd_add(g, of_layer(name, bert, layer, "output"), x, h);
  return fd_normalize(g, of_layer(name, bert, layer, "output.LayerNorm"), x, 0, epsilon);
}

fd_value fd_bert_encode(fd_graph *g, const fd_config *config, const fd_bert *bert, fd_value x) {
  char name[FD_NAME_MAX];
  fd_value type = fd_lookup(g, named(name, bert, ".token_type_embeddings"), x, FD_BY_TYPE, FD_TOKEN_TYPES, x.width);
  x = fd_add(g, named(name, bert, ".words"), x, type);
  fd_value at = fd_lookup(g, named(name, bert, ".position_embeddings"), x, FD_BY_POSITION, (int)config->model.positions, x.width);
  x = fd_add(g, named(name, bert, ""), x, at);
  x = fd_normalize(g, named(name, bert, ".LayerNorm"), x, 0, (float)config->model.epsilon);
  x = fd_train_dropout(g, named(name, bert, ".dropout"), x, config, place(bert, 0, 0));
  for (int i = 0; i < bert->layers; i++) x = add_layer(g, config, bert, i, x);
  return x;
}
