/* Node kind `first`: the first row of each sequence. */
#include "model/nodes.h"

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static const int *places(const fd_pass *pass) {
  const fd_seqs *tokens = pass->spaces->sources[FD_SEQUENCES];
  return pass->dev->own_memory ? tokens->device_start : tokens->start;
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  pass->dev->ops.select_rows(pass->dev, fd_pass_rows(pass, FD_SEQUENCES), node->out.width, places(pass), m->in[0], m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  pass->dev->ops.scatter_rows(pass->dev, fd_pass_rows(pass, FD_SEQUENCES), fd_pass_rows(pass, FD_TOKENS), node->out.width,
                              places(pass), m->dout, m->din[0]);
}

const fd_node_kind fd_node_first = {.name = "first", .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_first(fd_graph *graph, const char *name, fd_value x) {
  return fd_graph_add(graph, &fd_node_first, name, NULL, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){FD_SEQUENCES, x.width, 1});
}
