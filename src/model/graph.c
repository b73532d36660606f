/* Adds nodes to a graph. */
#include "model/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static fd_value add_value(fd_graph *g, int producer, fd_room room) {
  size_t n = (size_t)g->values + 1;
  if (g->status == FD_OK) g->status = fd_grow(&g->producer, &g->producer_room, n, sizeof *g->producer, "a graph");
  if (g->status == FD_OK) g->status = fd_grow(&g->dense, &g->dense_room, n, sizeof *g->dense, "a graph");
  if (g->status != FD_OK) return (fd_value){FD_NO_VALUE, room.space, room.width};
  g->producer[g->values] = producer;
  g->dense[g->values] = room.dense;
  return (fd_value){g->values++, room.space, room.width};
}

fd_value fd_graph_begin(fd_graph *g, fd_params *params, fd_space space, int width) {
  *g = (fd_graph){.params = params, .status = FD_OK};
  return add_value(g, -1, (fd_room){space, width, 1});
}

void fd_graph_free(fd_graph *g) {
  for (int i = 0; i < g->nodes; i++) free(g->node[i].own);
  free(g->node);
  free(g->producer);
  free(g->dense);
  memset(g, 0, sizeof *g);
}

static fd_status fill_node(fd_graph *g, fd_node *node, const void *own) {
  FD_TRY(fd_alloc(&node->own, node->kind->own, 1, "a node"));
  if (node->kind->own) memcpy(node->own, own, node->kind->own);
  if (node->kind->declare) FD_TRY(node->kind->declare(node, node->name, g->params));
  node->params = g->params->size - node->first;
  return FD_OK;
}

void fd_graph_tie(fd_graph *g, fd_value value) {
  if (g->status != FD_OK) return;
  g->node[g->nodes - 1].owner = g->producer[value.id];
  g->tied++;
}

fd_value fd_graph_add(fd_graph *g, const fd_node_kind *kind, const char *name, const void *own, const fd_value in[FD_INPUTS],
                      fd_room out) {
  fd_value value = add_value(g, g->nodes, out);
  if (g->status == FD_OK) g->status = fd_grow(&g->node, &g->node_room, (size_t)g->nodes + 1, sizeof *g->node, "a graph");
  if (g->status != FD_OK) return value;
  fd_node *node = &g->node[g->nodes++];
  *node = (fd_node){.kind = kind, .out = value, .first = g->params->size, .owner = -1};
  memcpy(node->in, in, sizeof node->in);
  snprintf(node->name, sizeof node->name, "%s", name);
  g->status = fill_node(g, node, own);
  return value;
}

int fd_graph_dense(const fd_graph *g, fd_value value) {
  return g->status == FD_OK && value.id != FD_NO_VALUE && g->dense[value.id];
}
