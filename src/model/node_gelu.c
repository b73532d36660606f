/* Node kind `gelu`: exact GELU of fp32 rows without padding. */
#include "model/nodes.h"

static size_t size_of(const fd_node *node, const fd_pass *pass) {
  return (size_t)fd_pass_rows(pass, node->out.space) * (size_t)node->out.width;
}

static void keeps(const fd_node *node, fd_keep *keep) {
  (void)node;
  keep->inputs = keep->again = 1;
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  pass->dev->ops.gelu_forward(pass->dev, size_of(node, pass), m->in[0].at, m->out.at);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  pass->dev->ops.gelu_backward(pass->dev, size_of(node, pass), m->in[0].at, m->dout.at, m->din[0].at);
}

const fd_node_kind fd_node_gelu = {.name = "gelu", .keeps = keeps, .forward = forward, .backward = backward, .again = forward};

fd_value fd_gelu(fd_graph *graph, const char *name, fd_value x) {
  return fd_graph_add(graph, &fd_node_gelu, name, NULL, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, x.width, 1});
}
