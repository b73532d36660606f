/* Node kind `linear`: one or several linear layers on the same input. */
#include <stdio.h>

#include "model/nodes.h"

typedef struct settings {
  const char *part[FD_LINEAR_PARTS]; /* names; none: one layer */
  int width[FD_LINEAR_PARTS];        /* of each part; 0: all the same */
  const char *bias_prefix;           /* NULL: that of the weight */
  int unbiased, tied;                /* tied: the weight is that of another node */
  size_t weight, bias;               /* offsets of the first part's parameters; those of the others follow */
} settings;

/* Declares the weights or biases of all parts back to back: together they are those of one layer. */
static fd_status declare_all(fd_node *node, const char *prefix, fd_params *params, const char *what, int columns, size_t *first) {
  const settings *s = node->own;
  int in = node->in[0].width, parts = 0;
  while (parts < FD_LINEAR_PARTS && s->part[parts]) parts++;
  for (int i = 0; i < (parts ? parts : 1); i++) {
    char name[FD_NAME_MAX];
    size_t at;
    snprintf(name, sizeof name, "%s%s%s", parts ? s->part[i] : "", parts ? "." : "", what);
    int rows = s->width[i] ? s->width[i] : node->out.width / (parts ? parts : 1);
    FD_TRY(fd_params_add(params, prefix, name, rows, columns, FD_START_FAN_IN, in, &at));
    if (i == 0) *first = at;
  }
  return FD_OK;
}

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  if (!s->tied) FD_TRY(declare_all(node, prefix, params, "weight", node->in[0].width, &s->weight));
  return s->unbiased ? FD_OK : declare_all(node, s->bias_prefix ? s->bias_prefix : prefix, params, "bias", 0, &s->bias);
}

static void keeps(const fd_node *node, fd_keep *keep) {
  (void)node;
  keep->inputs = 1;
}

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  pass->dev->ops.linear_forward(pass->dev, fd_pass_rows(pass, node->out.space), node->in[0].width, node->out.width, m->in[0],
                                pass->params + s->weight, s->unbiased ? NULL : pass->params + s->bias, m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *seqs = pass->spaces->of[node->out.space];
  int rows = fd_seqs_rows(seqs), in = node->in[0].width, out = node->out.width;
  const float *w = pass->params + s->weight;
  float *dw = pass->grads + s->weight, *db = s->unbiased ? NULL : pass->grads + s->bias;
  if (m->through) {
    const fd_linear_act_settings *a = fd_linear_act_of(m->through);
    pass->dev->ops.act_linear_backward(pass->dev, rows, seqs->micro_batches, in, out, a->act, a->gated, m->din[0], w, m->dout, dw,
                                       db);
  } else {
    pass->dev->ops.linear_backward(pass->dev, rows, seqs->micro_batches, in, out, m->in[0], w, m->dout, m->din[0], dw, db);
  }
}

static double products(const fd_node *node, const double rows[FD_SPACES]) {
  return rows[node->out.space] * node->in[0].width * node->out.width;
}

const fd_node_kind fd_node_linear = {.name = "linear",
                                     .own = sizeof(settings),
                                     .declare = declare,
                                     .keeps = keeps,
                                     .forward = forward,
                                     .backward = backward,
                                     .through = 1,
                                     .products = products};

fd_value fd_linear(fd_graph *graph, const char *name, fd_value x, int out, int dense) {
  return fd_graph_add(graph, &fd_node_linear, name, &(settings){0}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, out, dense});
}

fd_value fd_linear_unbiased(fd_graph *graph, const char *name, fd_value x, int out, int dense) {
  return fd_graph_add(graph, &fd_node_linear, name, &(settings){.unbiased = 1}, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, out, dense});
}

fd_value fd_linear_split(fd_graph *graph, const char *name, const char *bias, fd_value x, int out) {
  return fd_graph_add(graph, &fd_node_linear, name, &(settings){.bias_prefix = bias},
                      (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE}, (fd_room){x.space, out, 1});
}

fd_value fd_linear_tied(fd_graph *graph, const char *name, const char *bias, fd_value x, fd_value rows, int out) {
  size_t table = graph->status == FD_OK ? graph->node[graph->producer[rows.id]].first : 0;
  fd_value y = fd_graph_add(graph, &fd_node_linear, name, &(settings){.bias_prefix = bias, .tied = 1, .weight = table},
                            (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE}, (fd_room){x.space, out, 1});
  fd_graph_tie(graph, rows);
  return y;
}

fd_value fd_linears(fd_graph *graph, const char *name, const char *const parts[FD_LINEAR_PARTS], fd_value x, int out) {
  settings s = {0};
  int n = 0;
  for (; n < FD_LINEAR_PARTS && parts[n]; n++) s.part[n] = parts[n];
  return fd_graph_add(graph, &fd_node_linear, name, &s, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, n * out, 0});
}

fd_value fd_linears_unbiased(fd_graph *graph, const char *name, const char *const parts[FD_LINEAR_PARTS], fd_value x,
                             const int widths[FD_LINEAR_PARTS]) {
  settings s = {.unbiased = 1};
  int out = 0;
  for (int n = 0; n < FD_LINEAR_PARTS && parts[n]; n++) s.part[n] = parts[n], out += s.width[n] = widths[n];
  return fd_graph_add(graph, &fd_node_linear, name, &s, (const fd_value[FD_INPUTS]){x, FD_NONE, FD_NONE},
                      (fd_room){x.space, out, 0});
}
