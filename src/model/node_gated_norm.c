/* Node kind `gated_norm`: RMSNorm of each head, times SiLU of a gate. */
#include "model/nodes.h"

typedef struct settings {
  int heads;
  float epsilon;
  size_t weight; /* offset of the parameter */
} settings;

enum { X, GATE };

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  return fd_params_add(params, prefix, "weight", node->out.width / s->heads, 0, FD_START_ONE, 0, &s->weight);
}

static void keeps(const fd_node *node, fd_keep *keep) {
  (void)node;
  keep->inputs = keep->again = 1u << X | 1u << GATE;
}

static fd_norm norm_of(const fd_node *node, const float *params) {
  const settings *s = node->own;
  return (fd_norm){node->out.width / s->heads, 1, s->epsilon, params + s->weight, NULL};
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  fd_norm norm = norm_of(node, pass->params);
  pass->dev->ops.gated_norm_forward(pass->dev, fd_pass_rows(pass, node->out.space), s->heads, &norm, m->in[X], m->in[GATE],
                                    m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *rows = pass->spaces->of[node->out.space];
  fd_norm norm = norm_of(node, pass->params);
  pass->dev->ops.gated_norm_backward(pass->dev, fd_seqs_rows(rows), rows->micro_batches, s->heads, &norm, m->in[X], m->in[GATE],
                                     m->dout, m->din[X], m->din[GATE], pass->grads + s->weight);
}

const fd_node_kind fd_node_gated_norm = {.name = "gated_norm",
                                         .own = sizeof(settings),
                                         .declare = declare,
                                         .keeps = keeps,
                                         .forward = forward,
                                         .backward = backward,
                                         .again = forward};

fd_value fd_gated_norm(fd_graph *graph, const char *name, fd_value x, fd_value gate, int heads, float epsilon) {
  return fd_graph_add(graph, &fd_node_gated_norm, name, &(settings){.heads = heads, .epsilon = epsilon},
                      (const fd_value[FD_INPUTS]){x, gate, FD_NONE}, (fd_room){x.space, x.width, 0});
}
