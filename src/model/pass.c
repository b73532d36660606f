/* Runs the nodes of a graph, forward and backward. */
#include "model/pass.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static fd_mat mat_of(const fd_pass *pass, int buffer) {
  if (buffer == FD_NO_BUFFER) return (fd_mat){0};
  const fd_buffer *b = &pass->plan.buffer[buffer];
  void *at = pass->memory + b->offset;
  return b->room.dense ? fd_dense(at, b->room.width) : fd_form_mat(pass->dev->form, at, b->room.width);
}

/* The buffer in which node i leaves the gradient of input k. */
static int input_gradient(const fd_pass *pass, int i, int k) {
  const fd_node_plan *plan = &pass->plan.node[i];
  int value = pass->graph->node[i].in[k].id;
  switch (plan->flow[k]) {
    case FD_FLOW_NONE: return FD_NO_BUFFER;
    case FD_FLOW_SUM: return plan->own[k];
    case FD_FLOW_THROUGH: return pass->plan.node[pass->graph->producer[value]].saved[0];
    default: return pass->plan.gradient[value];
  }
}

static void find_mats(fd_pass *pass) {
  const fd_plan *plan = &pass->plan;
  for (int i = 0; i < pass->graph->nodes; i++) {
    const fd_node *node = &pass->graph->node[i];
    fd_mats *m = &pass->mats[i];
    m->out = mat_of(pass, plan->value[node->out.id]);
    m->dout = mat_of(pass, plan->gradient[node->out.id]);
    m->work = mat_of(pass, plan->node[i].work);
    for (int k = 0; k < FD_INPUTS && node->in[k].id != FD_NO_VALUE; k++) {
      m->in[k] = mat_of(pass, plan->value[node->in[k].id]);
      m->din[k] = mat_of(pass, input_gradient(pass, i, k));
      if (plan->node[i].flow[k] == FD_FLOW_THROUGH) m->through = &pass->graph->node[pass->graph->producer[node->in[k].id]];
    }
    for (int k = 0; k < FD_EXTRAS; k++) {
      m->saved[k] = mat_of(pass, plan->node[i].saved[k]);
      m->scratch[k] = mat_of(pass, plan->node[i].scratch[k]);
    }
  }
}

fd_status fd_pass_create(fd_pass **pass, const fd_graph *graph, fd_device *dev, const fd_ends *ends, fd_extent extent) {
  fd_plan plan;
  *pass = NULL;
  FD_TRY(fd_plan_make(&plan, graph, ends, dev->form, extent));
  return fd_pass_of_plan(pass, graph, dev, &plan, ends);
}

fd_status fd_pass_of_plan(fd_pass **pass, const fd_graph *graph, fd_device *dev, fd_plan *plan, const fd_ends *ends) {
  fd_status status = fd_alloc(pass, 1, sizeof **pass, "activations");
  fd_pass *p = *pass;
  if (status != FD_OK) {
    fd_plan_free(plan);
    return status;
  }
  p->dev = dev;
  p->graph = graph;
  p->plan = *plan;
  FD_GO(fd_alloc(&p->mats, (size_t)graph->nodes, sizeof *p->mats, "activations"));
  FD_GO(fd_alloc(&p->given, (size_t)graph->values, 1, "activations"));
  memcpy(p->given, ends->given, (size_t)graph->values);
  int learns = memchr(ends->given, 1, (size_t)graph->values) != NULL;
  FD_GO(
      dev->alloc(dev, &p->memory, p->plan.bytes,
                 learns ? "activations of a micro-batch (smaller train.batch / train.virtual_ranks needs less)" : "activations"));
  if (ends->holds) p->held = (float *)(void *)p->memory;
  find_mats(p);
done:
  if (status != FD_OK) fd_pass_destroy(pass);
  return status;
}

void fd_pass_destroy(fd_pass **pass) {
  fd_pass *p = *pass;
  if (!p) return;
  p->dev->release(p->dev, p->memory);
  fd_plan_free(&p->plan);
  free(p->mats);
  free(p->given);
  free(p);
  *pass = NULL;
}

unsigned fd_pass_spaces(const fd_pass *pass) {
  unsigned used = 0;
  for (int i = 0; i < pass->graph->nodes; i++)
    if (pass->plan.node[i].runs) used |= 1u << pass->graph->node[i].out.space | pass->graph->node[i].kind->spaces;
  return used;
}

void fd_pass_forward(fd_pass *pass, const fd_spaces *spaces, const float *params, const void *input) {
  pass->spaces = spaces;
  pass->params = params;
  for (int i = 0; i < pass->graph->nodes; i++) {
    const fd_node *node = &pass->graph->node[i];
    fd_mats *m = &pass->mats[i];
    if (!pass->plan.node[i].runs) continue;
    for (int k = 0; k < FD_INPUTS && node->in[k].id != FD_NO_VALUE; k++)
      if (pass->graph->producer[node->in[k].id] < 0) m->in[k] = fd_dense(input, node->in[k].width);
    node->kind->forward(node, pass, m);
    fd_device_check(pass->dev, "forward pass", node->name, fd_pass_rows(pass, node->out.space), node->out.width, m->out);
  }
}

fd_mat fd_pass_value(const fd_pass *pass, fd_value value) { return mat_of(pass, pass->plan.value[value.id]); }

fd_mat fd_pass_gradient(const fd_pass *pass, fd_value value) { return mat_of(pass, pass->plan.gradient[value.id]); }

static void zero(const fd_pass *pass, fd_mat m, fd_space space) {
  size_t row = (size_t)m.stride * (m.type == FD_BF16 ? 2 : sizeof(float));
  pass->dev->ops.zero(pass->dev, (size_t)fd_pass_rows(pass, space) * row, m.at);
}

void fd_pass_clear(fd_pass *pass) {
  for (int i = 0; i < pass->graph->nodes; i++) {
    fd_value out = pass->graph->node[i].out;
    if (pass->given[out.id]) zero(pass, fd_pass_gradient(pass, out), out.space);
  }
}

/* Whether a later node with the same weight has already written its gradient. */
static int is_begun(const fd_pass *pass, int i) {
  int begun = 0;
  for (int j = i + 1; j < pass->graph->nodes && pass->graph->tied; j++)
    begun |= pass->graph->node[j].owner == i && pass->plan.node[j].learns;
  return begun;
}

/* The matrices of a node in the backward pass, where some inputs have been recomputed. */
static fd_mats backward_mats(const fd_pass *pass, int i) {
  const fd_node *node = &pass->graph->node[i];
  fd_mats m = pass->mats[i];
  for (int k = 0; k < FD_INPUTS && node->in[k].id != FD_NO_VALUE; k++) {
    int from = pass->graph->producer[node->in[k].id];
    if (from >= 0 && pass->plan.node[from].again != FD_NEVER) m.in[k] = mat_of(pass, pass->plan.node[from].second);
  }
  return m;
}

/* Recomputes the values that node i needs and that were not kept for the backward pass. */
static void recompute_inputs(const fd_pass *pass, int i) {
  for (int from = 0; from < i; from++) {
    const fd_node *node = &pass->graph->node[from];
    if (pass->plan.node[from].again != i) continue;
    fd_mats m = backward_mats(pass, from);
    m.out = mat_of(pass, pass->plan.node[from].second);
    node->kind->again(node, pass, &m);
  }
}

static void run_backward(fd_pass *pass, int i) {
  const fd_node *node = &pass->graph->node[i];
  const fd_node_plan *plan = &pass->plan.node[i];
  recompute_inputs(pass, i);
  const fd_mats m = backward_mats(pass, i);
  pass->begun = is_begun(pass, i);
  for (int k = 0; k < FD_INPUTS; k++)
    if (plan->flow[k] == FD_FLOW_ZERO) zero(pass, m.din[k], node->in[k].space);
  node->kind->backward(node, pass, &m);
  for (int k = 0; k < FD_INPUTS; k++) {
    fd_mat sum = m.din[k];
    if (plan->flow[k] == FD_FLOW_NONE || plan->flow[k] == FD_FLOW_SAME) continue;
    int rows = fd_pass_rows(pass, node->in[k].space);
    if (plan->flow[k] == FD_FLOW_SUM) {
      sum = mat_of(pass, pass->plan.gradient[node->in[k].id]);
      pass->dev->ops.add_rows(pass->dev, rows, m.din[k], sum, sum);
    }
    int width = plan->flow[k] == FD_FLOW_THROUGH ? sum.stride : node->in[k].width;
    fd_device_check(pass->dev, "backward pass", node->name, rows, width, sum);
  }
}

void fd_pass_backward(fd_pass *pass, float *grads, const fd_backward_watch *watch) {
  pass->grads = grads;
  for (int i = pass->graph->nodes - 1; i >= 0; i--) {
    const fd_node *node = &pass->graph->node[i];
    if (pass->plan.node[i].learns) run_backward(pass, i);
    else if (node->params) pass->dev->ops.zero(pass->dev, node->params * sizeof(float), grads + node->first);
    if (watch && node->params) watch->ready(watch->context, node->first);
  }
}
