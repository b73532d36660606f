/* Node kind `norm`: LayerNorm and RMSNorm. */
#include "model/nodes.h"

typedef struct settings {
  int rms;
  float epsilon;
  size_t weight, bias; /* offsets of the parameters */
} settings;

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  FD_TRY(fd_params_add(params, prefix, "weight", node->out.width, 0, FD_START_ONE, 0, &s->weight));
  return s->rms ? FD_OK : fd_params_add(params, prefix, "bias", node->out.width, 0, FD_START_ZERO, 0, &s->bias);
}

/* Saves mean and 1 / standard deviation of each row. */
static void keeps(const fd_node *node, fd_keep *keep) {
  keep->inputs = keep->again = 1;
  keep->saved[0] = (fd_room){node->out.space, 2, 1};
}

static fd_norm norm_of(const fd_node *node, const float *params) {
  const settings *s = node->own;
  return (fd_norm){node->out.width, s->rms, s->epsilon, params + s->weight, s->rms ? NULL : params + s->bias};
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  fd_norm norm = norm_of(node, pass->params);
  pass->dev->ops.norm_forward(pass->dev, fd_pass_rows(pass, node->out.space), &norm, m->in[0], m->out, m->saved[0].at);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *rows = pass->spaces->of[node->out.space];
  fd_norm norm = norm_of(node, pass->params);
  pass->dev->ops.norm_backward(pass->dev, fd_seqs_rows(rows), rows->micro_batches, &norm, m->in[0], m->saved[0].at, m->dout,
                               m->din[0], pass->grads + s->weight, s->rms ? NULL : pass->grads + s->bias);
}

const fd_node_kind fd_node_norm = {.name = "norm",
                                   .own = sizeof(settings),
                                   .declare = declare,
                                   .keeps = keeps,
                                   .forward = forward,
                                   .backward = backward,
                                   .again = forward};

fd_value fd_normalize(fd_graph *graph, const char *name, fd_value x, int rms, float epsilon) {
  return fd_graph_add(graph, &fd_node_norm, name, &(settings){.rms = rms, .epsilon = epsilon},
                      (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE}, (fd_room){x.space, x.width, 0});
}
