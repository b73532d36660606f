/* Node kind `first`: the first row of each sequence, by itself or after the mean of all rows of the sequence. */
#include "model/nodes.h"

typedef struct settings {
  int both;
} settings;

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

/* Column of the output where the first row starts. */
static size_t offset(const fd_node *node) {
  const settings *s = node->own;
  return s->both ? (size_t)node->in[0].width : 0;
}

/* The mean over one row is that row. */
static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const fd_spaces *s = pass->spaces;
  int channels = node->in[0].width;
  size_t stride = (size_t)node->out.width;
  float *out = m->out.at;
  if (offset(node)) pass->dev->ops.pool_mean(pass->dev, s->sources[FD_SEQUENCES], channels, 0, m->in[0], stride, out);
  pass->dev->ops.pool_mean(pass->dev, &s->firsts, channels, 1, m->in[0], stride, out + offset(node));
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const fd_spaces *s = pass->spaces;
  int channels = node->in[0].width;
  size_t stride = (size_t)node->out.width;
  const float *dout = m->dout.at;
  if (offset(node)) pass->dev->ops.pool_mean_backward(pass->dev, s->sources[FD_SEQUENCES], channels, 0, dout, stride, m->din[0]);
  pass->dev->ops.pool_mean_backward(pass->dev, &s->firsts, channels, 1, dout + offset(node), stride, m->din[0]);
}

const fd_node_kind fd_node_first = {
    .name = "first", .own = sizeof(settings), .adds = 1, .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_first(fd_graph *graph, const char *name, fd_value x, int both) {
  return fd_graph_add(graph, &fd_node_first, name, &(settings){both}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){FD_SEQUENCES, both ? 2 * x.width : x.width, 1});
}
