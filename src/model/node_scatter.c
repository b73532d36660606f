/* Node kind `scatter`: puts the rows of some tokens at their places among all tokens, zeros elsewhere. */
#include "model/nodes.h"

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  fd_space from = node->in[0].space;
  pass->dev->ops.scatter_rows(pass->dev, fd_pass_rows(pass, from), fd_pass_rows(pass, FD_TOKENS), node->out.width,
                              pass->spaces->index[from], m->in[0], m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  fd_space from = node->in[0].space;
  if (m->din[0].at)
    pass->dev->ops.select_rows(pass->dev, fd_pass_rows(pass, from), node->out.width, pass->spaces->index[from], m->dout,
                               m->din[0]);
}

const fd_node_kind fd_node_scatter = {.name = "scatter", .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_scatter_rows(fd_graph *graph, const char *name, fd_value x) {
  return fd_graph_add(graph, &fd_node_scatter, name, NULL, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){FD_TOKENS, x.width, fd_graph_dense(graph, x)});
}
