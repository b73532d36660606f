/* Node kind `conv1d`: a convolution over the rows of each sequence, zeros outside ("same"). */
#include "model/nodes.h"

typedef struct settings {
  int taps;
  size_t weight, bias; /* offsets of the parameters */
} settings;

/* The weight is [out, in, taps], as a matrix. */
static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  int in = node->in[0].width * s->taps, out = node->out.width;
  FD_TRY(fd_params_add(params, prefix, "weight", out, in, FD_START_FAN_IN, in, &s->weight));
  return fd_params_add(params, prefix, "bias", out, 0, FD_START_FAN_IN, in, &s->bias);
}

/* Memory for the rows around each row, side by side, as input of a linear layer; and for their gradient. */
static void keeps(const fd_node *node, fd_keep *keep) {
  const settings *s = node->own;
  keep->inputs = 1;
  keep->work = keep->scratch[0] = keep->scratch[1] = (fd_room){node->out.space, node->in[0].width * s->taps, 0};
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  int in = node->in[0].width;
  pass->dev->ops.unfold(pass->dev, seqs, in, s->taps, m->in[0], m->work);
  pass->dev->ops.linear_forward(pass->dev, fd_seqs_rows(seqs), in * s->taps, node->out.width, m->work, pass->params + s->weight,
                                pass->params + s->bias, m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  int in = node->in[0].width;
  pass->dev->ops.unfold(pass->dev, seqs, in, s->taps, m->in[0], m->scratch[0]);
  pass->dev->ops.linear_backward(pass->dev, fd_seqs_rows(seqs), seqs->micro_batches, in * s->taps, node->out.width, m->scratch[0],
                                 pass->params + s->weight, m->dout, m->din[0].at ? m->scratch[1] : (fd_mat){0},
                                 pass->grads + s->weight, pass->grads + s->bias);
  if (m->din[0].at) pass->dev->ops.fold(pass->dev, seqs, in, s->taps, m->scratch[1], m->din[0]);
}

static double products(const fd_node *node, const double rows[FD_SPACES]) {
  return rows[node->out.space] * node->in[0].width * ((const settings *)node->own)->taps * node->out.width;
}

const fd_node_kind fd_node_conv1d = {.name = "conv1d",
                                     .own = sizeof(settings),
                                     .declare = declare,
                                     .keeps = keeps,
                                     .forward = forward,
                                     .backward = backward,
                                     .products = products};

fd_value fd_conv1d(fd_graph *graph, const char *name, fd_value x, int out, int taps) {
  return fd_graph_add(graph, &fd_node_conv1d, name, &(settings){.taps = taps}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, out, 0});
}
