/* Node kind `batch_norm`: normalizes each column over the rows of the micro-batch in training, else with running statistics. */
#include "model/nodes.h"

typedef struct settings {
  float epsilon;
  size_t weight, bias, mean, variance; /* offsets of the parameters; the last two are statistics */
} settings;

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  int width = node->out.width;
  FD_TRY(fd_params_add(params, prefix, "weight", width, 0, FD_START_ONE, 0, &s->weight));
  FD_TRY(fd_params_add(params, prefix, "bias", width, 0, FD_START_ZERO, 0, &s->bias));
  FD_TRY(fd_params_add(params, prefix, "running_mean", width, 0, FD_RUNNING_ZERO, 0, &s->mean));
  return fd_params_add(params, prefix, "running_var", width, 0, FD_RUNNING_ONE, 0, &s->variance);
}

/* Saves mean, 1 / standard deviation and variance of each column in one row; every batch has at least one sequence. */
static void keeps(const fd_node *node, fd_keep *keep) {
  keep->inputs = 1;
  keep->saved[0] = (fd_room){FD_SEQUENCES, 3 * node->out.width, 1};
}

static fd_norm norm_of(const fd_node *node, const float *params) {
  const settings *s = node->own;
  return (fd_norm){node->out.width, 0, s->epsilon, params + s->weight, params + s->bias};
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  int rows = fd_pass_rows(pass, node->out.space);
  fd_norm norm = norm_of(node, pass->params);
  if (pass->training) pass->dev->ops.batch_norm_forward(pass->dev, rows, &norm, m->in[0], m->out, m->saved[0].at);
  else
    pass->dev->ops.batch_norm_apply(pass->dev, rows, &norm, pass->params + s->mean, pass->params + s->variance, m->in[0], m->out);
}

/* In the gradient, the entries of the running statistics receive those of this micro-batch. */
static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  fd_norm norm = norm_of(node, pass->params);
  pass->dev->ops.batch_norm_backward(pass->dev, fd_pass_rows(pass, node->out.space), &norm, m->in[0], m->saved[0].at, m->dout,
                                     m->din[0], pass->grads + s->weight, pass->grads + s->bias, pass->grads + s->mean,
                                     pass->grads + s->variance);
}

const fd_node_kind fd_node_batch_norm = {.name = "batch_norm",
                                         .own = sizeof(settings),
                                         .spaces = 1u << FD_SEQUENCES,
                                         .declare = declare,
                                         .keeps = keeps,
                                         .forward = forward,
                                         .backward = backward};

fd_value fd_batch_norm(fd_graph *graph, const char *name, fd_value x, float epsilon) {
  return fd_graph_add(graph, &fd_node_batch_norm, name, &(settings){.epsilon = epsilon},
                      (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE}, (fd_room){x.space, x.width, 0});
}
