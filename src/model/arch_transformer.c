/* Architecture `transformer` (pre-LN): embedding with learned [CLS] rows, blocks of attention and MLP, final LayerNorm.
 * FinDNA-T's backbone; the paper leaves its form and sizes open. */
#include <stdio.h>

#include "model/network.h"

static const char *const query_key_value[FD_LINEAR_PARTS] = {"q", "k", "v", NULL};
static const double base = 10000;

static const char *named(char name[FD_NAME_MAX], int block, const char *part) {
  snprintf(name, FD_NAME_MAX, "blocks.%d.%s", block, part);
  return name;
}

/* In fine-tuning, what a residual gets is thinned: the outputs of attn.o (`which` 0) and fc2 (1). */
static fd_value thin(fd_graph *g, const fd_config *config, int block, int which, fd_value x) {
  char name[FD_NAME_MAX];
  return fd_thin(g, named(name, block, which ? "fc2.drop" : "attn.drop"), x, config, 2 * block + which + 1);
}

/* x + W_o attention(LN(x)), then x + W_2 act(W_1 LN(x)). */
static fd_value add_block(fd_graph *g, const fd_config *config, int block, fd_value table, fd_value x) {
  char name[FD_NAME_MAX];
  int channels = x.width, heads = (int)config->model.heads, hidden = (int)config->model.hidden;
  fd_value a = fd_normalize(g, named(name, block, "norm1"), x, 0, (float)config->model.epsilon);
  a = fd_linears(g, named(name, block, "attn"), query_key_value, a, channels);
  a = fd_self_attention(g, named(name, block, "attn.heads"), a, FD_POSITIONS_ROTARY, table, heads);
  a = fd_linear(g, named(name, block, "attn.o"), a, channels, 0);
  x = fd_add(g, named(name, block, "sum1"), x, thin(g, config, block, 0, a));
  fd_value h = fd_normalize(g, named(name, block, "norm2"), x, 0, (float)config->model.epsilon);
  h = fd_linear(g, named(name, block, "fc1"), h, hidden, 0);
  h = fd_activation(g, named(name, block, "act"), h, FD_ACT_GELU, 0);
  h = fd_linear(g, named(name, block, "fc2"), h, channels, 0);
  return fd_add(g, named(name, block, "sum2"), x, thin(g, config, block, 1, h));
}

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value x) {
  fd_graph *g = &net->graph;
  int channels = (int)config->model.channels;
  (void)window;
  x = config->model.cls_tokens == FD_CLS_LEARNED ? fd_embedding(g, "embedding", x, channels, (int)config->model.cls)
                                                 : fd_linear(g, "embedding", x, channels, 0);
  fd_value table = fd_rotary_table(g, "rotary", channels / (int)config->model.heads, base);
  for (int i = 0; i < config->model.layers; i++) x = add_block(g, config, i, table, x);
  return fd_normalize(g, "norm", x, 0, (float)config->model.epsilon);
}

const fd_arch fd_arch_transformer = {.name = "transformer", .build = build, .head = fd_symbol_head};
