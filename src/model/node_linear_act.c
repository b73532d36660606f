/* Node kind `linear_act`: a linear layer fused with the activation of its output. */
#include "model/nodes.h"

typedef struct settings {
  fd_linear_act_settings of;
  size_t weight, bias; /* offsets of the parameters */
} settings;

static int columns_of(const fd_node *node) { return node->out.width * (((const settings *)node->own)->of.gated ? 2 : 1); }

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  int in = node->in[0].width, out = columns_of(node);
  FD_TRY(fd_params_add(params, prefix, "weight", out, in, FD_START_FAN_IN, in, &s->weight));
  return s->of.unbiased ? FD_OK : fd_params_add(params, prefix, "bias", out, 0, FD_START_FAN_IN, in, &s->bias);
}

/* Memory for the pre-activations, in which the backward pass leaves their gradient. */
static void keeps(const fd_node *node, fd_keep *keep) {
  fd_room room = {node->out.space, columns_of(node), 0};
  keep->inputs = 1;
  keep->saved[0] = keep->work = room;
  keep->spared = 1;
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  pass->dev->ops.linear_act_forward(pass->dev, fd_pass_rows(pass, node->out.space), node->in[0].width, node->out.width, m->in[0],
                                    pass->params + s->weight, s->of.unbiased ? NULL : pass->params + s->bias, s->of.act,
                                    s->of.gated, m->saved[0].at ? m->saved[0] : m->work, m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  int rows = fd_seqs_rows(seqs);
  if (m->dout.at)
    pass->dev->ops.act_backward(pass->dev, rows, node->out.width, s->of.act, s->of.gated, m->saved[0], m->dout, m->saved[0]);
  pass->dev->ops.linear_backward(pass->dev, rows, seqs->micro_batches, node->in[0].width, columns_of(node), m->in[0],
                                 pass->params + s->weight, m->saved[0], m->din[0], pass->grads + s->weight,
                                 s->of.unbiased ? NULL : pass->grads + s->bias);
}

static double products(const fd_node *node, const double rows[FD_SPACES]) {
  return rows[node->out.space] * node->in[0].width * columns_of(node);
}

const fd_node_kind fd_node_linear_act = {.name = "linear_act",
                                         .own = sizeof(settings),
                                         .declare = declare,
                                         .keeps = keeps,
                                         .forward = forward,
                                         .backward = backward,
                                         .products = products,
                                         .defers = 1};

const fd_linear_act_settings *fd_linear_act_of(const fd_node *node) { return &((const settings *)node->own)->of; }

fd_value fd_linear_act(fd_graph *graph, const char *name, fd_value x, int width, const fd_linear_act_settings *of) {
  return fd_graph_add(graph, &fd_node_linear_act, name, &(settings){.of = *of}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, width, 0});
}
