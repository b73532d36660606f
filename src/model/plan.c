/* Lifetimes of all matrices of a pass, and their places. */
#include "model/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ALIGN = 256 };

typedef struct planning {
  fd_plan *plan;
  const fd_graph *graph;
  const fd_ends *ends;
  fd_form form;
  fd_extent extent;
} planning;

static int backward_time(const planning *p, int node) { return 2 * p->graph->nodes - node; }

static size_t row_bytes(fd_form form, fd_room room) {
  return room.dense ? (size_t)room.width * sizeof(float) : fd_form_row(form, room.width);
}

static fd_status add_buffer(const planning *p, fd_room room, int from, int to, int *index) {
  fd_plan *plan = p->plan;
  size_t bytes = row_bytes(p->form, room) * (size_t)fd_extent_rows(p->extent, room.space);
  FD_TRY(fd_grow(&plan->buffer, &plan->room, (size_t)plan->buffers + 1, sizeof *plan->buffer, "a memory plan"));
  *index = plan->buffers++;
  plan->buffer[*index] = (fd_buffer){.room = room, .from = from, .to = to, .bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN};
  return FD_OK;
}

static fd_room room_of(const fd_graph *g, fd_value v) { return (fd_room){v.space, v.width, g->dense[v.id]}; }

static void extend(int *to, int time) {
  if (*to < time) *to = time;
}

/* Which nodes run: those behind a wanted value; which learn: those before a value whose gradient is given. */
static void mark(const planning *p) {
  const fd_graph *g = p->graph;
  fd_node_plan *plan = p->plan->node;
  for (int i = g->nodes - 1; i >= 0; i--) {
    const fd_node *node = &g->node[i];
    int out = node->out.id;
    plan[i].runs |= p->ends->wanted[out] || p->ends->given[out];
    plan[i].learns |= p->ends->given[out];
    for (int k = 0; k < FD_INPUTS && node->in[k].id != FD_NO_VALUE; k++) {
      int from = g->producer[node->in[k].id];
      if (from < 0) continue;
      plan[from].runs |= plan[i].runs;
      plan[from].learns |= plan[i].learns && g->node[from].kind->backward;
    }
  }
}

/* A value lives until the last node that reads it, forward or backward. */
static fd_status plan_values(const planning *p) {
  const fd_graph *g = p->graph;
  int to[g->values + 1];
  for (int v = 0; v < g->values; v++) to[v] = p->ends->wanted[v] || p->ends->given[v] ? g->nodes : g->producer[v];
  for (int i = 0; i < g->nodes; i++) {
    const fd_node *node = &g->node[i];
    fd_keep keep = {0};
    if (!p->plan->node[i].runs) continue;
    node->kind->keeps(node, &keep);
    if (keep.work.width) FD_TRY(add_buffer(p, keep.work, i, i, &p->plan->node[i].work));
    if (!p->plan->node[i].learns) keep = (fd_keep){0};
    for (int k = 0; k < FD_INPUTS && node->in[k].id != FD_NO_VALUE; k++)
      extend(&to[node->in[k].id], keep.inputs >> k & 1 ? backward_time(p, i) : i);
    if (keep.output) extend(&to[node->out.id], backward_time(p, i));
    for (int k = 0; k < FD_EXTRAS; k++) {
      if (keep.saved[k].width) FD_TRY(add_buffer(p, keep.saved[k], i, backward_time(p, i), &p->plan->node[i].saved[k]));
      if (keep.scratch[k].width)
        FD_TRY(add_buffer(p, keep.scratch[k], backward_time(p, i), backward_time(p, i), &p->plan->node[i].scratch[k]));
    }
  }
  for (int i = 0; i < g->nodes; i++) {
    fd_value out = g->node[i].out;
    if (p->plan->node[i].runs) FD_TRY(add_buffer(p, room_of(g, out), i, to[out.id], &p->plan->value[out.id]));
  }
  return FD_OK;
}

/* The gradient of input k of node i: the last node that reads a value is the first to know its gradient. */
static fd_status plan_gradient(const planning *p, int i, int k) {
  const fd_graph *g = p->graph;
  const fd_node *node = &g->node[i];
  fd_node_plan *plan = &p->plan->node[i];
  fd_value in = node->in[k];
  int now = backward_time(p, i), from = g->producer[in.id], *gradient = &p->plan->gradient[in.id],
      adds = node->kind->adds >> k & 1;
  if (from < 0 || !g->node[from].kind->backward) return FD_OK;
  if (*gradient == FD_NO_BUFFER) {
    plan->flow[k] = adds ? FD_FLOW_ZERO : FD_FLOW_WRITE;
    return add_buffer(p, room_of(g, in), now, backward_time(p, from), gradient);
  }
  plan->flow[k] = adds ? FD_FLOW_ADD : FD_FLOW_SUM;
  return adds ? FD_OK : add_buffer(p, room_of(g, in), now, now, &plan->own[k]);
}

/* The last node but `but` that reads a value and learns, or -1. */
static int last_reader(const planning *p, fd_value v, int but) {
  for (int i = p->graph->nodes - 1; i >= 0; i--)
    for (int k = 0; k < FD_INPUTS; k++)
      if (i != but && p->plan->node[i].learns && p->graph->node[i].in[k].id == v.id) return i;
  return -1;
}

/* Whether the gradient of the output of node i is that of another value, too, whose node has not used it yet. */
static int is_shared(const planning *p, int i) {
  const int *gradient = p->plan->gradient, out = p->graph->node[i].out.id;
  for (int v = 0; v < p->graph->values; v++)
    if (v != out && gradient[v] == gradient[out] && p->graph->producer[v] < i) return 1;
  return 0;
}

/* Whether both inputs of a node that passes its gradient on may take that of its output as their own. The first one's grows by
 * what its other readers add: they must come before the node that computes the second, which then has used its own. */
static int can_share(const planning *p, int i) {
  const fd_graph *g = p->graph;
  fd_value a = g->node[i].in[0], b = g->node[i].in[1];
  const int *gradient = p->plan->gradient, *producer = g->producer;
  return g->node[i].kind->passes && a.id != b.id && producer[a.id] >= 0 && producer[b.id] >= 0 &&
         gradient[a.id] == FD_NO_BUFFER && gradient[b.id] == FD_NO_BUFFER && last_reader(p, b, i) < 0 &&
         last_reader(p, a, i) < producer[b.id] && !is_shared(p, i);
}

static void share(const planning *p, int i) {
  const fd_node *node = &p->graph->node[i];
  int buffer = p->plan->gradient[node->out.id];
  for (int k = 0; k < 2; k++) {
    p->plan->gradient[node->in[k].id] = buffer;
    p->plan->node[i].flow[k] = FD_FLOW_SAME;
    extend(&p->plan->buffer[buffer].to, backward_time(p, p->graph->producer[node->in[k].id]));
  }
}

static fd_status plan_gradients(const planning *p) {
  const fd_graph *g = p->graph;
  for (int i = 0; i < g->nodes; i++) {
    fd_value out = g->node[i].out;
    if (p->ends->given[out.id]) FD_TRY(add_buffer(p, room_of(g, out), g->nodes, backward_time(p, i), &p->plan->gradient[out.id]));
  }
  for (int i = g->nodes - 1; i >= 0; i--) {
    if (!p->plan->node[i].learns) continue;
    if (can_share(p, i)) {
      share(p, i);
      continue;
    }
    for (int k = 0; k < FD_INPUTS && g->node[i].in[k].id != FD_NO_VALUE; k++) FD_TRY(plan_gradient(p, i, k));
  }
  return FD_OK;
}

static int by_size(const void *a, const void *b) {
  const fd_buffer *x = *(fd_buffer *const *)a, *y = *(fd_buffer *const *)b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x < y ? -1 : x > y; /* the same plan everywhere */
}

/* The lowest place for a buffer among those placed before that are in use at the same time. */
static size_t place_for(const fd_buffer *b, fd_buffer *const *placed, int count) {
  size_t offset = 0;
  for (int again = 1; again;) {
    again = 0;
    for (int i = 0; i < count; i++) {
      const fd_buffer *o = placed[i];
      if (o->to < b->from || b->to < o->from || o->offset + o->bytes <= offset || offset + b->bytes <= o->offset) continue;
      offset = o->offset + o->bytes;
      again = 1;
    }
  }
  return offset;
}

/* The largest first, each as low as it goes. */
static fd_status place_all(fd_plan *plan) {
  fd_buffer **order;
  FD_TRY(fd_alloc(&order, (size_t)plan->buffers, sizeof(fd_buffer *), "a memory plan"));
  for (int i = 0; i < plan->buffers; i++) order[i] = &plan->buffer[i];
  qsort(order, (size_t)plan->buffers, sizeof(fd_buffer *), by_size);
  for (int i = 0; i < plan->buffers; i++) {
    order[i]->offset = place_for(order[i], order, i);
    if (plan->bytes < order[i]->offset + order[i]->bytes) plan->bytes = order[i]->offset + order[i]->bytes;
  }
  free(order);
  return FD_OK;
}

static void clear(fd_plan *plan, const fd_graph *g) {
  static const fd_node_plan none = {.own = {FD_NO_BUFFER, FD_NO_BUFFER, FD_NO_BUFFER},
                                    .saved = {FD_NO_BUFFER, FD_NO_BUFFER},
                                    .scratch = {FD_NO_BUFFER, FD_NO_BUFFER},
                                    .work = FD_NO_BUFFER};
  for (int i = 0; i < g->nodes; i++) plan->node[i] = none;
  for (int v = 0; v < g->values; v++) plan->value[v] = plan->gradient[v] = FD_NO_BUFFER;
}

fd_status fd_plan_make(fd_plan *plan, const fd_graph *g, const fd_ends *ends, fd_form form, fd_extent extent) {
  fd_status status = FD_OK;
  const planning p = {plan, g, ends, form, extent};
  memset(plan, 0, sizeof *plan);
  FD_GO(fd_alloc(&plan->node, (size_t)g->nodes, sizeof *plan->node, "a memory plan"));
  FD_GO(fd_alloc(&plan->value, (size_t)g->values, sizeof *plan->value, "a memory plan"));
  FD_GO(fd_alloc(&plan->gradient, (size_t)g->values, sizeof *plan->gradient, "a memory plan"));
  clear(plan, g);
  mark(&p);
  FD_GO(plan_values(&p));
  FD_GO(plan_gradients(&p));
  FD_GO(place_all(plan));
done:
  if (status != FD_OK) fd_plan_free(plan);
  return status;
}

void fd_plan_free(fd_plan *plan) {
  free(plan->node);
  free(plan->value);
  free(plan->gradient);
  free(plan->buffer);
  memset(plan, 0, sizeof *plan);
}
