/* Node kind `attention`: self-attention of packed sequences, or cross-attention to the rows of another space. */
#include <math.h>

#include "model/nodes.h"

typedef struct settings {
  fd_attention_settings of;
  int cross; /* keys and values are a separate input */
} settings;

enum { X, KEYS };

static int is_cross(const fd_node *node) { return ((const settings *)node->own)->cross; }

static int positions_of(const fd_node *node) { return 1 + is_cross(node); }

static fd_space keys_of(const fd_node *node) { return is_cross(node) ? node->in[KEYS].space : node->out.space; }

static int dim_of(const fd_node *node) { return node->out.width / ((const settings *)node->own)->of.heads; }

/* Saves the log-sum-exp of each query. */
static void keeps(const fd_node *node, fd_keep *keep) {
  const settings *s = node->own;
  keep->inputs = (1u << FD_INPUTS) - 1;
  keep->output = 1;
  keep->saved[0] = (fd_room){node->out.space, s->of.heads, 1};
}

/* Columns of x, which may be absent, that are as wide as the output: part number `which`. */
static fd_mat part(const fd_node *node, fd_mat x, int which) { return x.at ? fd_mat_columns(x, which * node->out.width) : x; }

/* Queries, keys and values, or their gradients. */
typedef struct operands {
  fd_mat q, k, v;
} operands;

static operands operands_of(const fd_node *node, const fd_mat in[FD_INPUTS]) {
  if (is_cross(node)) return (operands){in[X], part(node, in[KEYS], 0), part(node, in[KEYS], 1)};
  return (operands){part(node, in[X], 0), part(node, in[X], 1), part(node, in[X], 2)};
}

static void rotate_rows(const fd_node *node, const fd_pass *pass, const fd_mats *m, fd_space space, int heads, fd_mat x,
                        int inverse) {
  pass->dev->ops.rotary(pass->dev, fd_pass_rows(pass, space), heads, dim_of(node), pass->spaces->position[space],
                        m->in[positions_of(node)].at, inverse, x);
}

/* Rotates queries and keys, or with `inverse` rotates their gradients back. In self-attention they are side by side. */
static void rotate(const fd_node *node, const fd_pass *pass, const fd_mats *m, operands o, int inverse) {
  const fd_attention_settings *s = &((const settings *)node->own)->of;
  if (s->kind != FD_POSITIONS_ROTARY) return;
  rotate_rows(node, pass, m, node->out.space, is_cross(node) ? s->heads : 2 * s->heads, o.q, inverse);
  if (is_cross(node)) rotate_rows(node, pass, m, keys_of(node), s->heads, o.k, inverse);
}

static fd_attention attention_of(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const fd_attention_settings *s = &((const settings *)node->own)->of;
  return (fd_attention){.heads = s->heads,
                        .dim = dim_of(node),
                        .scale = 1.0f / sqrtf((float)dim_of(node)),
                        .slopes = s->kind == FD_POSITIONS_ALIBI ? m->in[positions_of(node)].at : NULL,
                        .query_position = fd_spaces_moved(pass->spaces, node->out.space),
                        .key_position = fd_spaces_moved(pass->spaces, keys_of(node)),
                        .hidden = s->visible ? pass->spaces->hidden : NULL,
                        .dropout = pass->training ? s->dropout : 0,
                        .key = s->key,
                        .layer = s->layer};
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const fd_spaces *spaces = pass->spaces;
  fd_attention a = attention_of(node, pass, m);
  operands o = operands_of(node, m->in);
  rotate(node, pass, m, o, 0);
  pass->dev->ops.attention_forward(pass->dev, spaces->of[node->out.space], spaces->of[keys_of(node)], &a, o.q, o.k, o.v, m->out,
                                   m->saved[0].at);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const fd_spaces *spaces = pass->spaces;
  fd_attention a = attention_of(node, pass, m);
  operands o = operands_of(node, m->in), d = operands_of(node, m->din);
  pass->dev->ops.attention_backward(pass->dev, spaces->of[node->out.space], spaces->of[keys_of(node)], &a, o.q, o.k, o.v, m->out,
                                    m->saved[0].at, m->dout, d.q, d.k, d.v);
  rotate(node, pass, m, d, 1);
}

/* Products of the scores and of the weighted values. */
static double products(const fd_node *node, const double rows[FD_SPACES]) {
  return 2 * rows[node->out.space] * rows[keys_of(node)] * node->out.width;
}

const fd_node_kind fd_node_attention = {
    .name = "attention", .own = sizeof(settings), .keeps = keeps, .forward = forward, .backward = backward, .products = products};

fd_value fd_attend(fd_graph *graph, const char *name, fd_value x, fd_value positions, const fd_attention_settings *of) {
  return fd_graph_add(graph, &fd_node_attention, name, &(settings){.of = *of}, (const fd_value[FD_INPUTS]){x, positions, FD_NONE},
                      (fd_room){x.space, x.width / 3, 0});
}

fd_attention_settings fd_attention_of(const fd_config *config, fd_positions kind, int layer) {
  return (fd_attention_settings){.heads = (int)config->model.heads,
                                 .kind = kind,
                                 .dropout = (float)fd_config_attention_dropout(config),
                                 .key = fd_rng_key_of((uint64_t)config->run.seed, FD_RNG_ATTENTION),
                                 .layer = layer};
}

fd_value fd_cross_attention(fd_graph *graph, const char *name, fd_value queries, fd_value keys, fd_value positions,
                            const fd_attention_settings *of) {
  return fd_graph_add(graph, &fd_node_attention, name, &(settings){.of = *of, .cross = 1},
                      (const fd_value[FD_INPUTS]){queries, keys, positions}, (fd_room){queries.space, queries.width, 0});
}
