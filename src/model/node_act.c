/* Node kind `act`: activations. */
#include "model/nodes.h"

typedef struct settings {
  fd_act act;
} settings;

static void keeps(const fd_node *node, fd_keep *keep) {
  (void)node;
  keep->inputs = keep->again = 1;
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  pass->dev->ops.act_forward(pass->dev, fd_pass_rows(pass, node->out.space), node->out.width, s->act, 0, m->in[0], m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  pass->dev->ops.act_backward(pass->dev, fd_pass_rows(pass, node->out.space), node->out.width, s->act, 0, m->in[0], m->dout,
                              m->din[0]);
}

const fd_node_kind fd_node_act = {
    .name = "act", .own = sizeof(settings), .keeps = keeps, .forward = forward, .backward = backward, .again = forward};

fd_value fd_activation(fd_graph *graph, const char *name, fd_value x, fd_act act) {
  return fd_graph_add(graph, &fd_node_act, name, &(settings){act}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, x.width, fd_graph_dense(graph, x)});
}
