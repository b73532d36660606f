/* Node kind `pool`: mean or max pooling of latents. */
#include "model/nodes.h"

typedef struct settings {
  fd_features features;
  int max;
} settings;

enum { TOKENS, CLS, HALVES };

/* Whether the nucleotides (TOKENS) or the [CLS] rows (CLS) are pooled, and in which column of a row the result starts. */
static int pools(const fd_node *node, int half) {
  const settings *s = node->own;
  return s->features == FD_FEATURES_BOTH || s->features == (half == CLS ? FD_FEATURES_CLS : FD_FEATURES_TOKENS);
}

static size_t place_of(const fd_node *node, int half) {
  const settings *s = node->own;
  return half == CLS && s->features == FD_FEATURES_BOTH ? (size_t)node->in[0].width : 0;
}

/* Saves the rows of the maxima. */
static void keeps(const fd_node *node, fd_keep *keep) {
  const settings *s = node->own;
  for (int half = TOKENS; half < HALVES; half++)
    if (s->max && pools(node, half)) keep->saved[half] = (fd_room){node->out.space, node->in[0].width, 1};
}

static const fd_seqs *pooled(const fd_node *node, const fd_pass *pass) {
  fd_space from = node->in[0].space;
  return from == FD_TOKENS ? pass->spaces->sources[node->out.space] : pass->spaces->of[from];
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pooled(node, pass);
  fd_device *dev = pass->dev;
  int channels = node->in[0].width;
  size_t stride = (size_t)node->out.width;
  for (int half = TOKENS; half < HALVES; half++) {
    float *out = (float *)m->out.at + place_of(node, half);
    if (!pools(node, half)) continue;
    if (s->max) dev->ops.pool_max(dev, seqs, channels, half == CLS, m->in[0], stride, out, m->saved[half].at);
    else dev->ops.pool_mean(dev, seqs, channels, half == CLS, m->in[0], stride, out);
  }
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pooled(node, pass);
  fd_device *dev = pass->dev;
  int channels = node->in[0].width;
  size_t stride = (size_t)node->out.width;
  for (int half = TOKENS; half < HALVES; half++) {
    const float *dout = (const float *)m->dout.at + place_of(node, half);
    if (!pools(node, half)) continue;
    if (s->max) dev->ops.pool_max_backward(dev, seqs, channels, dout, stride, m->saved[half].at, m->din[0]);
    else dev->ops.pool_mean_backward(dev, seqs, channels, half == CLS, dout, stride, m->din[0]);
  }
}

const fd_node_kind fd_node_pool = {
    .name = "pool", .own = sizeof(settings), .adds = 1, .keeps = keeps, .forward = forward, .backward = backward};

static fd_value add(fd_graph *graph, const char *name, fd_value x, fd_space to, settings s) {
  int width = x.width * (s.features == FD_FEATURES_BOTH ? 2 : 1);
  return fd_graph_add(graph, &fd_node_pool, name, &s, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE}, (fd_room){to, width, 1});
}

fd_value fd_pool(fd_graph *graph, const char *name, fd_value x, fd_space to, fd_features features) {
  return add(graph, name, x, to, (settings){features, 0});
}

fd_value fd_pool_max(fd_graph *graph, const char *name, fd_value x, fd_space to, fd_features features) {
  return add(graph, name, x, to, (settings){features, 1});
}
