/* Node kind `embedding`: a linear layer with learned [CLS] rows. */
#include "model/nodes.h"

typedef struct settings {
  int cls;
  size_t weight, bias, rows; /* offsets of the parameters */
} settings;

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  int in = node->in[0].width, out = node->out.width;
  FD_TRY(fd_params_add(params, prefix, "weight", out, in, FD_START_FAN_IN, in, &s->weight));
  FD_TRY(fd_params_add(params, prefix, "bias", out, 0, FD_START_FAN_IN, in, &s->bias));
  return fd_params_add(params, prefix, "cls", s->cls, out, FD_START_FAN_IN, in, &s->rows);
}

static void keeps(const fd_node *node, fd_keep *keep) {
  (void)node;
  keep->inputs = 1;
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  pass->dev->ops.linear_forward(pass->dev, fd_seqs_rows(seqs), node->in[0].width, node->out.width, m->in[0],
                                pass->params + s->weight, pass->params + s->bias, m->out);
  if (seqs->cls) pass->dev->ops.cls_add(pass->dev, seqs, node->out.width, pass->params + s->rows, m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  float *drows = pass->grads + s->rows;
  pass->dev->ops.linear_backward(pass->dev, fd_seqs_rows(seqs), seqs->micro_batches, node->in[0].width, node->out.width, m->in[0],
                                 pass->params + s->weight, m->dout, m->din[0], pass->grads + s->weight, pass->grads + s->bias);
  if (seqs->cls) pass->dev->ops.cls_add_backward(pass->dev, seqs, node->out.width, m->dout, drows);
  else pass->dev->ops.zero(pass->dev, (size_t)s->cls * (size_t)node->out.width * sizeof(float), drows);
}

static double products(const fd_node *node, const double rows[FD_SPACES]) {
  return rows[node->out.space] * node->in[0].width * node->out.width;
}

const fd_node_kind fd_node_embedding = {.name = "embedding",
                                        .own = sizeof(settings),
                                        .declare = declare,
                                        .keeps = keeps,
                                        .forward = forward,
                                        .backward = backward,
                                        .products = products};

fd_value fd_embedding(fd_graph *graph, const char *name, fd_value x, int out, int cls) {
  return fd_graph_add(graph, &fd_node_embedding, name, &(settings){.cls = cls}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, out, 0});
}
