/* Node kind `linear`. */
#include "model/nodes.h"

typedef struct settings {
  size_t weight, bias; /* places of the parameters */
} settings;

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  int in = node->in[0].width, out = node->out.width;
  FD_TRY(fd_params_add(params, prefix, "weight", out, in, FD_START_FAN_IN, in, &s->weight));
  return fd_params_add(params, prefix, "bias", out, 0, FD_START_FAN_IN, in, &s->bias);
}

static void keeps(const fd_node *node, fd_keep *keep) {
  (void)node;
  keep->inputs = 1;
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  pass->dev->ops.linear_forward(pass->dev, fd_pass_rows(pass, node->out.space), node->in[0].width, node->out.width, m->in[0],
                                pass->params + s->weight, pass->params + s->bias, m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *rows = pass->spaces->of[node->out.space];
  pass->dev->ops.linear_backward(pass->dev, fd_seqs_rows(rows), rows->parts, node->in[0].width, node->out.width, m->in[0],
                                 pass->params + s->weight, m->dout, m->din[0], pass->grads + s->weight, pass->grads + s->bias);
}

const fd_node_kind fd_node_linear = {"linear", sizeof(settings), 0, declare, keeps, forward, backward};

fd_value fd_linear(fd_graph *graph, const char *name, fd_value x, int out, int dense) {
  return fd_graph_add(graph, &fd_node_linear, name, &(settings){0}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, out, dense});
}
