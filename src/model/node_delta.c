/* Node kind `delta`: the gated delta rule. */
#include "model/nodes.h"

static const float length_epsilon = 1e-6f; /* for the L2 norm of keys and queries (flash-linear-attention, l2norm) */

typedef struct settings {
  fd_delta_settings of;
  size_t rate, offset; /* offsets of the parameters */
} settings;

enum { X, GATES };

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  FD_TRY(fd_params_add(params, prefix, "A_log", s->of.heads, 0, FD_START_RATE, 0, &s->rate));
  return fd_params_add(params, prefix, "dt_bias", s->of.heads, 0, FD_START_STEP, 0, &s->offset);
}

/* Saves the states before the chunks, spread over the rows of the space; this reserves somewhat more than needed. */
static void keeps(const fd_node *node, fd_keep *keep) {
  const fd_delta_settings *s = &((const settings *)node->own)->of;
  keep->inputs = 1u << X | 1u << GATES;
  keep->saved[0] = (fd_room){node->out.space, (s->heads * s->keys * s->values + FD_DELTA_CHUNK - 1) / FD_DELTA_CHUNK, 1};
}

static fd_delta delta_of(const fd_node *node, const float *params) {
  const settings *s = node->own;
  return (fd_delta){s->of.heads, s->of.keys, s->of.values, s->of.reverse, length_epsilon, params + s->rate, params + s->offset};
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  fd_delta delta = delta_of(node, pass->params);
  pass->dev->ops.delta_forward(pass->dev, pass->spaces->of[node->out.space], &delta, m->in[X], m->in[GATES], m->out,
                               m->saved[0].at);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  fd_delta delta = delta_of(node, pass->params);
  pass->dev->ops.delta_backward(pass->dev, pass->spaces->of[node->out.space], &delta, m->in[X], m->in[GATES], m->saved[0].at,
                                m->dout, m->din[X], m->din[GATES], pass->grads + s->rate, pass->grads + s->offset);
}

/* Per chunk: products of keys with keys and with queries, and two with values, over the rows of the chunk; and three with the
 * state. */
static double products(const fd_node *node, const double rows[FD_SPACES]) {
  const fd_delta_settings *s = &((const settings *)node->own)->of;
  double keys = s->keys, values = s->values;
  return rows[node->out.space] * s->heads * (2 * FD_DELTA_CHUNK * (keys + values) + 3 * keys * values);
}

const fd_node_kind fd_node_delta = {.name = "delta",
                                    .own = sizeof(settings),
                                    .declare = declare,
                                    .keeps = keeps,
                                    .forward = forward,
                                    .backward = backward,
                                    .products = products};

fd_value fd_delta_rule(fd_graph *graph, const char *name, fd_value x, fd_value gates, const fd_delta_settings *of) {
  return fd_graph_add(graph, &fd_node_delta, name, &(settings){.of = *of}, (const fd_value[FD_INPUTS]){x, gates, FD_NONE},
                      (fd_room){x.space, of->heads * of->values, 0});
}
