/* Node kind `lookup`: rows of an embedding table. */
#include "model/nodes.h"

typedef struct settings {
  fd_lookup_by by;
  int size;
  size_t table; /* offset of the parameter */
} settings;

static fd_status declare(fd_node *node, const char *prefix, fd_params *params) {
  settings *s = node->own;
  return fd_params_add(params, prefix, "weight", s->size, node->out.width, FD_START_FAN_IN, node->out.width, &s->table);
}

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static const int *ids_of(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  return s->by == FD_BY_ID ? m->in[0].at : s->by == FD_BY_TYPE ? pass->spaces->type : pass->spaces->position[node->out.space];
}

/* Rows of the table before the first that can be looked up. */
static int skipped(const settings *s) { return s->by == FD_BY_LATER_POSITION ? FD_LATER : 0; }

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const float *table = pass->params + s->table + (size_t)skipped(s) * (size_t)node->out.width;
  pass->dev->ops.lookup(pass->dev, fd_pass_rows(pass, node->out.space), node->out.width, table, ids_of(node, pass, m), 0, m->out);
}

static void backward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  const fd_seqs *rows = pass->spaces->of[node->out.space];
  size_t before = (size_t)skipped(s) * (size_t)node->out.width;
  float *grads = pass->grads + s->table;
  if (before && !pass->begun) pass->dev->ops.zero(pass->dev, before * sizeof *grads, grads);
  pass->dev->ops.lookup_backward(pass->dev, fd_seqs_rows(rows), rows->micro_batches, node->out.width, s->size - skipped(s),
                                 ids_of(node, pass, m), pass->begun, m->dout, grads + before);
}

const fd_node_kind fd_node_lookup = {.name = "lookup",
                                     .own = sizeof(settings),
                                     .spaces = 1u << FD_POSITIONS,
                                     .declare = declare,
                                     .keeps = keeps,
                                     .forward = forward,
                                     .backward = backward};

fd_value fd_lookup(fd_graph *graph, const char *name, fd_value ids, fd_lookup_by by, int size, int width) {
  return fd_graph_add(graph, &fd_node_lookup, name, &(settings){.by = by, .size = size},
                      (const fd_value[FD_INPUTS]){by == FD_BY_ID ? ids : FD_NONE, FD_NONE, FD_NONE},
                      (fd_room){ids.space, width, 0});
}
