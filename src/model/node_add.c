/* Node kind `add`: the sum of a residual and its branch. */
#include "model/nodes.h"

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  pass->dev->ops.add_rows(pass->dev, fd_pass_rows(pass, node->out.space), m->in[0], m->in[1], m->out);
}

/* Both gradients equal that of the sum: it is added to them, unless the plan makes them share its memory
 * (fd_node_kind.passes). */
static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  for (int k = 0; k < 2; k++)
    if (m->din[k].at && m->din[k].at != m->dout.at)
      pass->dev->ops.add_rows(pass->dev, fd_pass_rows(pass, node->out.space), m->din[k], m->dout, m->din[k]);
}

const fd_node_kind fd_node_add = {
    .name = "add", .adds = 3, .passes = 1, .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_add(fd_graph *graph, const char *name, fd_value a, fd_value b) {
  return fd_graph_add(graph, &fd_node_add, name, NULL, (const fd_value[FD_INPUTS]){a, b, FD_NONE},
                      (fd_room){a.space, a.width, 0});
}
