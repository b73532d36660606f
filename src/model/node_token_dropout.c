/* Node kind `token_dropout`: zeroes the rows of masked tokens and scales the others (ESM). */
#include "model/nodes.h"

typedef struct settings {
  int mask; /* id of a masked token */
} settings;

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static void scale(const fd_node *node, const fd_pass *pass, const fd_mats *m, fd_mat x, fd_mat y) {
  const settings *s = node->own;
  pass->dev->ops.token_dropout(pass->dev, pass->spaces->of[node->out.space], node->out.width, m->in[1].at, s->mask, x, y);
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) { scale(node, pass, m, m->in[0], m->out); }

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  if (m->din[0].at) scale(node, pass, m, m->dout, m->din[0]);
}

const fd_node_kind fd_node_token_dropout = {
    .name = "token_dropout", .own = sizeof(settings), .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_token_dropout(fd_graph *graph, const char *name, fd_value x, fd_value ids, int mask) {
  return fd_graph_add(graph, &fd_node_token_dropout, name, &(settings){mask}, (const fd_value[FD_INPUTS]){x, ids, FD_NONE},
                      (fd_room){x.space, x.width, fd_graph_dense(graph, x)});
}
