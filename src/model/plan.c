/* Lifetimes of all matrices of a pass, and their memory offsets. */
#include "model/plan.h"

#include <limits.h>
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

/* Of each value: the end of its first lifetime; if it is recomputed, the first and last time of its second lifetime. */
typedef struct lifetime {
  int to, again_from, again_to;
} lifetime;

static int backward_time(const planning *p, int node) { return 2 * p->graph->nodes - node; }

static size_t row_bytes(fd_form form, fd_room room) {
  return room.dense ? (size_t)room.width * sizeof(float) : fd_form_row(form, room.width);
}

static size_t aligned(size_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

static fd_status push(fd_plan *plan, fd_buffer buffer) {
  FD_TRY(fd_grow(&plan->buffer, &plan->room, (size_t)plan->buffers + 1, sizeof *plan->buffer, "a memory plan"));
  plan->buffer[plan->buffers++] = buffer;
  return FD_OK;
}

static fd_status add_buffer(const planning *p, fd_room room, int from, int to, int *index) {
  size_t bytes = row_bytes(p->form, room) * (size_t)fd_extent_rows(p->extent, room.space);
  *index = p->plan->buffers;
  return push(p->plan, (fd_buffer){.room = room, .from = from, .to = to, .bytes = aligned(bytes)});
}

static fd_room room_of(const fd_graph *g, fd_value v) { return (fd_room){v.space, v.width, g->dense[v.id]}; }

static void extend(int *to, int time) {
  if (*to < time) *to = time;
}

/* Marks the nodes that run, on which a wanted value depends, and those that learn, on which a value with a given gradient
 * depends. */
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

/* The last node other than `but` that reads a value and learns, or -1. */
static int last_reader(const planning *p, fd_value v, int but) {
  for (int i = p->graph->nodes - 1; i >= 0; i--)
    for (int k = 0; k < FD_INPUTS; k++)
      if (i != but && p->plan->node[i].learns && p->graph->node[i].in[k].id == v.id) return i;
  return -1;
}

/* Whether the gradient of input 0 of node i passes through the activation that computes it: on lean devices, if no other node
 * and no caller adds to the gradient. */
static int goes_through(const planning *p, int i) {
  const fd_graph *g = p->graph;
  fd_value in = g->node[i].in[0];
  int from = in.id == FD_NO_VALUE ? -1 : g->producer[in.id];
  return p->form.lean && p->plan->node[i].learns && g->node[i].kind->through && from >= 0 && g->node[from].kind->defers &&
         !p->ends->given[in.id] && last_reader(p, in, i) < 0;
}

/* The backward pass needs a value at this time: its lifetime is extended, or it is recomputed for the first node that needs
 * it. */
static void need(const planning *p, lifetime *life, fd_value v, int time) {
  int from = p->graph->producer[v.id];
  if (!p->form.lean || from < 0 || !p->graph->node[from].kind->again) {
    extend(&life[v.id].to, time);
    return;
  }
  extend(&life[v.id].again_to, time);
  if (time < life[v.id].again_from) life[v.id].again_from = time;
}

/* Plans what node i needs in addition to its output. */
static fd_status plan_node(const planning *p, lifetime *life, int i) {
  const fd_node *node = &p->graph->node[i];
  fd_node_plan *plan = &p->plan->node[i];
  int then = backward_time(p, i);
  fd_keep keep = {0};
  node->kind->keeps(node, &keep);
  if (keep.work.width && !(keep.spared && (p->form.lean || plan->learns))) FD_TRY(add_buffer(p, keep.work, i, i, &plan->work));
  if (!plan->learns) keep = (fd_keep){0};
  for (int k = 0; k < FD_INPUTS && node->in[k].id != FD_NO_VALUE; k++) {
    extend(&life[node->in[k].id].to, i);
    if (keep.inputs >> k & 1 && !(k == 0 && goes_through(p, i))) need(p, life, node->in[k], then);
  }
  if (keep.output) extend(&life[node->out.id].to, then);
  for (int k = 0; k < FD_EXTRAS; k++) {
    if (keep.saved[k].width) FD_TRY(add_buffer(p, keep.saved[k], i, then, &plan->saved[k]));
    if (keep.scratch[k].width) FD_TRY(add_buffer(p, keep.scratch[k], then, then, &plan->scratch[k]));
  }
  return FD_OK;
}

/* Plans the output of node i, and if it is recomputed, its second buffer and the inputs for that. */
static fd_status plan_output(const planning *p, lifetime *life, int i) {
  const fd_node *node = &p->graph->node[i];
  fd_room room = room_of(p->graph, node->out);
  const lifetime *mine = &life[node->out.id];
  fd_keep keep = {0};
  FD_TRY(add_buffer(p, room, i, mine->to, &p->plan->value[node->out.id]));
  if (mine->again_from == INT_MAX) return FD_OK;
  node->kind->keeps(node, &keep);
  for (int k = 0; k < FD_INPUTS; k++)
    if (keep.again >> k & 1) need(p, life, node->in[k], mine->again_from);
  p->plan->node[i].again = 2 * p->graph->nodes - mine->again_from;
  return add_buffer(p, room, mine->again_from, mine->again_to, &p->plan->node[i].second);
}

/* A value lives until the last node that reads it, forward or backward. */
static fd_status plan_values(const planning *p) {
  const fd_graph *g = p->graph;
  lifetime life[g->values + 1];
  for (int v = 0; v < g->values; v++)
    life[v] = (lifetime){p->ends->wanted[v] || p->ends->given[v] ? g->nodes : g->producer[v], INT_MAX, 0};
  for (int i = 0; i < g->nodes; i++)
    if (p->plan->node[i].runs) FD_TRY(plan_node(p, life, i));
  for (int i = g->nodes - 1; i >= 0; i--) /* later readers must be known first */
    if (p->plan->node[i].runs) FD_TRY(plan_output(p, life, i));
  return FD_OK;
}

/* Plans the gradient of input k of node i: the last node that reads a value is the first to compute its gradient. */
static fd_status plan_gradient(const planning *p, int i, int k) {
  const fd_graph *g = p->graph;
  const fd_node *node = &g->node[i];
  fd_node_plan *plan = &p->plan->node[i];
  fd_value in = node->in[k];
  int now = backward_time(p, i), from = g->producer[in.id], *gradient = &p->plan->gradient[in.id],
      adds = node->kind->adds >> k & 1;
  if (from < 0 || !g->node[from].kind->backward) return FD_OK;
  if (k == 0 && goes_through(p, i)) {
    plan->flow[k] = FD_FLOW_THROUGH;
    return FD_OK;
  }
  if (*gradient == FD_NO_BUFFER) {
    plan->flow[k] = adds ? FD_FLOW_ZERO : FD_FLOW_WRITE;
    return add_buffer(p, room_of(g, in), now, backward_time(p, from), gradient);
  }
  plan->flow[k] = adds ? FD_FLOW_ADD : FD_FLOW_SUM;
  return adds ? FD_OK : add_buffer(p, room_of(g, in), now, now, &plan->own[k]);
}

/* Whether the gradient of the output of node i is shared with another value, whose node has not used it yet. */
static int is_shared(const planning *p, int i) {
  const int *gradient = p->plan->gradient, out = p->graph->node[i].out.id;
  for (int v = 0; v < p->graph->values; v++)
    if (v != out && gradient[v] == gradient[out] && p->graph->producer[v] < i) return 1;
  return 0;
}

/* Whether both inputs of a node that passes its gradient on may share the gradient of its output. Other readers of the first
 * input add to the shared memory, so they must precede the node that computes the second input, which has then already used
 * it. */
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

/* Plans the gradient of all parameters, which is contiguous at the beginning; a part is in use once its node has learned. */
static fd_status plan_held(const planning *p) {
  const fd_graph *g = p->graph;
  for (int i = 0; i < g->nodes; i++) {
    const fd_node *node = &g->node[i];
    int first = i; /* the first node to write there */
    for (int k = i + 1; k < g->nodes; k++)
      if (g->node[k].owner == i && p->plan->node[k].learns) first = k;
    if (node->params)
      FD_TRY(push(p->plan, (fd_buffer){.from = backward_time(p, first),
                                       .to = backward_time(p, 0),
                                       .bytes = node->params * sizeof(float),
                                       .offset = node->first * sizeof(float),
                                       .fixed = 1}));
  }
  return FD_OK;
}

static int by_size(const void *a, const void *b) {
  const fd_buffer *x = *(fd_buffer *const *)a, *y = *(fd_buffer *const *)b;
  if (x->fixed != y->fixed) return y->fixed - x->fixed;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x < y ? -1 : x > y; /* a total order: the same plan on all ranks */
}

/* The lowest offset where a buffer does not overlap the placed buffers that are in use at the same time. */
static size_t place_for(const fd_buffer *b, fd_buffer *const *placed, int count) {
  size_t offset = 0;
  for (int again = 1; again;) {
    again = 0;
    for (int i = 0; i < count; i++) {
      const fd_buffer *o = placed[i];
      if (o->to < b->from || b->to < o->from || o->offset + o->bytes <= offset || offset + b->bytes <= o->offset) continue;
      offset = aligned(o->offset + o->bytes);
      again = 1;
    }
  }
  return offset;
}

/* Places the fixed buffers, then the others, largest first, each at the lowest possible offset. */
static fd_status place_all(fd_plan *plan) {
  fd_buffer **order;
  FD_TRY(fd_alloc(&order, (size_t)plan->buffers, sizeof(fd_buffer *), "a memory plan"));
  for (int i = 0; i < plan->buffers; i++) order[i] = &plan->buffer[i];
  qsort(order, (size_t)plan->buffers, sizeof(fd_buffer *), by_size);
  for (int i = 0; i < plan->buffers; i++) {
    if (!order[i]->fixed) order[i]->offset = place_for(order[i], order, i);
    if (plan->bytes < order[i]->offset + order[i]->bytes) plan->bytes = order[i]->offset + order[i]->bytes;
  }
  free(order);
  return FD_OK;
}

static void clear(fd_plan *plan, const fd_graph *g) {
  static const fd_node_plan none = {.own = {FD_NO_BUFFER, FD_NO_BUFFER, FD_NO_BUFFER},
                                    .saved = {FD_NO_BUFFER, FD_NO_BUFFER},
                                    .scratch = {FD_NO_BUFFER, FD_NO_BUFFER},
                                    .work = FD_NO_BUFFER,
                                    .again = FD_NEVER,
                                    .second = FD_NO_BUFFER};
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
  if (ends->holds) FD_GO(plan_held(&p));
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
