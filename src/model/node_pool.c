/* Node kind `pool`: mean latents. */
#include "model/nodes.h"

typedef struct settings {
  fd_features features;
} settings;

/* Where the mean over the [CLS] rows stands in a row. */
static size_t cls_offset(const fd_node *node) {
  const settings *s = node->own;
  return s->features == FD_FEATURES_BOTH ? (size_t)node->in[0].width : 0;
}

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *tokens = pass->spaces->sources[node->out.space];
  int channels = node->in[0].width;
  size_t stride = (size_t)node->out.width;
  float *out = m->out.at;
  if (s->features != FD_FEATURES_CLS) pass->dev->ops.pool_mean(pass->dev, tokens, channels, 0, m->in[0], stride, out);
  if (s->features != FD_FEATURES_TOKENS)
    pass->dev->ops.pool_mean(pass->dev, tokens, channels, 1, m->in[0], stride, out + cls_offset(node));
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *tokens = pass->spaces->sources[node->out.space];
  int channels = node->in[0].width;
  size_t stride = (size_t)node->out.width;
  const float *dout = m->dout.at;
  if (s->features != FD_FEATURES_CLS) pass->dev->ops.pool_mean_backward(pass->dev, tokens, channels, 0, dout, stride, m->din[0]);
  if (s->features != FD_FEATURES_TOKENS)
    pass->dev->ops.pool_mean_backward(pass->dev, tokens, channels, 1, dout + cls_offset(node), stride, m->din[0]);
}

const fd_node_kind fd_node_pool = {
    .name = "pool", .own = sizeof(settings), .adds = 1, .keeps = keeps, .forward = forward, .backward = backward};

fd_value fd_pool(fd_graph *graph, const char *name, fd_value x, fd_space to, fd_features features) {
  int width = x.width * (features == FD_FEATURES_BOTH ? 2 : 1);
  return fd_graph_add(graph, &fd_node_pool, name, &(settings){features}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){to, width, 1});
}
