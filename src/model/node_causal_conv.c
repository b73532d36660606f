/* Node kind `causal_conv`: depthwise causal convolutions, side by side. */
#include <stdio.h>

#include "model/nodes.h"

typedef struct settings {
  const char *part[FD_LINEAR_PARTS];
  int width[FD_LINEAR_PARTS], taps, reverse;
  size_t weight; /* offset of the first part's weight; the others follow: together they are one matrix */
} settings;

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  for (int i = 0; i < FD_LINEAR_PARTS && s->part[i]; i++) {
    char name[FD_NAME_MAX];
    size_t at;
    snprintf(name, sizeof name, "%s.weight", s->part[i]);
    FD_TRY(fd_params_add(params, prefix, name, s->width[i], s->taps, FD_START_FAN_IN, s->taps, &at));
    if (i == 0) s->weight = at;
  }
  return FD_OK;
}

static void keeps(const fd_node *node, fd_keep *keep) {
  (void)node;
  keep->inputs = 1;
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  pass->dev->ops.causal_conv(pass->dev, pass->spaces->of[node->out.space], node->out.width, s->taps, s->reverse,
                             pass->params + s->weight, m->in[0], m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *rows = pass->spaces->of[node->out.space];
  int width = node->out.width;
  if (m->din[0].at)
    pass->dev->ops.causal_conv(pass->dev, rows, width, s->taps, !s->reverse, pass->params + s->weight, m->dout, m->din[0]);
  pass->dev->ops.causal_conv_weights(pass->dev, rows, width, s->taps, s->reverse, m->in[0], m->dout, pass->grads + s->weight);
}

static double products(const fd_node *node, const double rows[FD_SPACES]) {
  return rows[node->out.space] * ((const settings *)node->own)->taps * node->out.width;
}

const fd_node_kind fd_node_causal_conv = {.name = "causal_conv",
                                          .own = sizeof(settings),
                                          .declare = declare,
                                          .keeps = keeps,
                                          .forward = forward,
                                          .backward = backward,
                                          .products = products};

fd_value fd_causal_conv(fd_graph *graph, const char *name, const char *const parts[FD_LINEAR_PARTS], fd_value x,
                        const int widths[FD_LINEAR_PARTS], int taps, int reverse) {
  settings s = {.taps = taps, .reverse = reverse};
  for (int i = 0; i < FD_LINEAR_PARTS && parts[i]; i++) s.part[i] = parts[i], s.width[i] = widths[i];
  return fd_graph_add(graph, &fd_node_causal_conv, name, &s, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, x.width, 0});
}
