/* Architecture `transformer`: embedding with learned [CLS] rows, blocks of attention and MLP, final norm. FinDNA-T's backbone.
 * The paper leaves its form and sizes open, so the place and kind of normalization, the activation, and gating are options. */
#include <stdio.h>

#include "model/network.h"

static const char *const query_key_value[FD_LINEAR_PARTS] = {"q", "k", "v", NULL};

static const char *named(char name[FD_NAME_MAX], int block, const char *part) {
  snprintf(name, FD_NAME_MAX, "blocks.%d.%s", block, part);
  return name;
}

/* Dropout of a residual branch in fine-tuning: of the output of attn.o (`which` 0) or fc2 (1). */
static fd_value thin(fd_graph *g, const fd_config *config, int block, int which, fd_value x) {
  char name[FD_NAME_MAX];
  return fd_train_dropout(g, named(name, block, which ? "fc2.drop" : "attn.drop"), x, config, 2 * block + which + 1);
}

/* Adds the norm of this name if the config normalizes at `place`; else returns x. */
static fd_value normalize(fd_graph *g, const fd_config *config, int place, const char *name, fd_value x) {
  if (config->model.norm_at != place) return x;
  return fd_normalize(g, name, x, config->model.norm == FD_NORM_RMS, (float)config->model.epsilon);
}

/* W_2 act(W_1 h), gated: W_2 (act(a) * b), [a; b] = W_1 h. */
static fd_value add_mlp(fd_graph *g, const fd_config *config, int block, fd_value h) {
  char name[FD_NAME_MAX];
  int channels = h.width;
  const fd_linear_act_settings settings = {.act = (fd_act)config->model.activation, .gated = config->model.gated};
  h = fd_linear_act(g, named(name, block, "fc1"), h, (int)config->model.hidden, &settings);
  return fd_linear(g, named(name, block, "fc2"), h, channels, 0);
}

/* Pre: x + W_o attention(norm(x)), then x + MLP(norm(x)). Post: norm(x + W_o attention(x)), then norm(x + MLP(x)). */
static fd_value add_block(fd_graph *g, const fd_config *config, int block, fd_value table, fd_value x) {
  char name[FD_NAME_MAX];
  int channels = x.width;
  const fd_attention_settings settings = fd_attention_of(config, FD_POSITIONS_ROTARY, block);
  fd_value a = normalize(g, config, FD_NORM_PRE, named(name, block, "norm1"), x);
  a = fd_linears(g, named(name, block, "attn"), query_key_value, a, channels);
  a = fd_attend(g, named(name, block, "attn.heads"), a, table, &settings);
  a = fd_linear(g, named(name, block, "attn.o"), a, channels, 0);
  x = fd_add(g, named(name, block, "sum1"), x, thin(g, config, block, 0, a));
  x = normalize(g, config, FD_NORM_POST, named(name, block, "norm1"), x);
  fd_value h = normalize(g, config, FD_NORM_PRE, named(name, block, "norm2"), x);
  h = add_mlp(g, config, block, h);
  x = fd_add(g, named(name, block, "sum2"), x, thin(g, config, block, 1, h));
  return normalize(g, config, FD_NORM_POST, named(name, block, "norm2"), x);
}

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value x) {
  fd_graph *g = &net->graph;
  int channels = (int)config->model.channels;
  (void)window;
  x = config->model.cls_tokens == FD_CLS_LEARNED ? fd_embedding(g, "embedding", x, channels, (int)config->model.cls)
                                                 : fd_linear(g, "embedding", x, channels, 0);
  fd_value table = fd_rotary_table(g, "rotary", channels / (int)config->model.heads);
  for (int i = 0; i < config->model.layers; i++) x = add_block(g, config, i, table, x);
  return normalize(g, config, FD_NORM_PRE, "norm", x);
}

const fd_arch fd_arch_transformer = {
    .name = "transformer", .build = build, .head = fd_symbol_head, .describe = fd_describe_blocks};
