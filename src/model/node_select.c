/* Node kind `select`: selects the rows of some tokens. */
#include "model/nodes.h"

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  fd_space to = node->out.space;
  pass->dev->ops.select_rows(pass->dev, fd_pass_rows(pass, to), node->out.width, pass->spaces->index[to], m->in[0], m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  fd_space to = node->out.space;
  if (m->din[0].at)
    pass->dev->ops.scatter_rows(pass->dev, fd_pass_rows(pass, to), fd_pass_rows(pass, FD_TOKENS), node->out.width,
                                pass->spaces->index[to], m->dout, m->din[0]);
}

const fd_node_kind fd_node_select = {.name = "select", .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_select_rows(fd_graph *graph, const char *name, fd_value x, fd_space to) {
  return fd_graph_add(graph, &fd_node_select, name, NULL, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){to, x.width, fd_graph_dense(graph, x)});
}
