/* Node kind `attention`: self-attention over packed sequences. */
#include <math.h>

#include "model/nodes.h"

typedef struct settings {
  int heads;
  fd_positions kind;
} settings;

enum { X, POSITIONS };

static int dim_of(const fd_node *node) {
  const settings *s = node->own;
  return node->out.width / s->heads;
}

/* The logarithm of each query's sum of exponentials. */
static void keeps(const fd_node *node, fd_keep *keep) {
  const settings *s = node->own;
  keep->inputs = 1u << X | 1u << POSITIONS;
  keep->output = 1;
  keep->saved[0] = (fd_room){node->out.space, s->heads, 1};
}

/* Queries, keys or values: columns of x. */
static fd_mat part(const fd_node *node, fd_mat x, int which) {
  size_t column = (size_t)which * (size_t)node->out.width, element = x.type == FD_BF16 ? 2 : sizeof(float);
  return (fd_mat){x.at ? (char *)x.at + column * element : NULL, x.stride, x.type};
}

/* Turns queries and keys, or the gradients by them back. */
static void turn(const fd_node *node, const fd_pass *pass, const fd_mats *m, fd_mat x, int inverse) {
  const settings *s = node->own;
  if (s->kind != FD_POSITIONS_ROTARY) return;
  pass->dev->ops.rotary(pass->dev, fd_pass_rows(pass, node->out.space), 2 * s->heads, dim_of(node), pass->spaces->position,
                        m->in[POSITIONS].at, inverse, x);
}

static fd_attention attention_of(const fd_node *node, const fd_mats *m) {
  const settings *s = node->own;
  return (fd_attention){.heads = s->heads,
                        .dim = dim_of(node),
                        .scale = 1.0f / sqrtf((float)dim_of(node)),
                        .slopes = s->kind == FD_POSITIONS_ALIBI ? m->in[POSITIONS].at : NULL};
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  fd_attention a = attention_of(node, m);
  fd_mat x = m->in[X];
  turn(node, pass, m, x, 0);
  pass->dev->ops.attention_forward(pass->dev, seqs, seqs, &a, part(node, x, 0), part(node, x, 1), part(node, x, 2), m->out,
                                   m->saved[0].at);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  fd_attention a = attention_of(node, m);
  fd_mat x = m->in[X], dx = m->din[X];
  pass->dev->ops.attention_backward(pass->dev, seqs, seqs, &a, part(node, x, 0), part(node, x, 1), part(node, x, 2), m->out,
                                    m->saved[0].at, m->dout, part(node, dx, 0), part(node, dx, 1), part(node, dx, 2));
  turn(node, pass, m, dx, 1);
}

const fd_node_kind fd_node_attention = {
    .name = "attention", .own = sizeof(settings), .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_self_attention(fd_graph *graph, const char *name, fd_value x, fd_positions kind, fd_value positions, int heads) {
  return fd_graph_add(graph, &fd_node_attention, name, &(settings){heads, kind},
                      (const fd_value[FD_INPUTS]){x, positions, FD_NONE}, (fd_room){x.space, x.width / 3, 0});
}
