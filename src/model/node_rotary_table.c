/* Node kind `rotary_table`: cosines and sines of positions, computed once per pass for all layers. */
#include "model/nodes.h"

static const double base = 10000;

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  pass->dev->ops.rotary_table(pass->dev, fd_pass_rows(pass, FD_POSITIONS), node->out.width, base, m->out.at);
}

const fd_node_kind fd_node_rotary_table = {.name = "rotary_table", .keeps = keeps, .forward = forward};

fd_value fd_rotary_table(fd_graph *graph, const char *name, int dim) {
  return fd_graph_add(graph, &fd_node_rotary_table, name, NULL, (const fd_value[FD_INPUTS]){FD_NONE, FD_NONE, FD_NONE},
                      (fd_room){FD_POSITIONS, dim, 1});
}
