/* The tree of sums: a binary counter of buffers within the rank, recursive halving between ranks. */
#include "train/gradients.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { LEVELS = 34 };

typedef struct node {
  float *gradient;
  double *statistics;
} node;

struct fd_gradients {
  fd_device *dev;
  fd_comm *comm;
  size_t size, statistics;
  int micro_batches, taken, buffers, free_count, fast;
  node level[LEVELS], free_node[LEVELS], leaf; /* level[i]: a whole subtree of 2^i micro-batches */
  float *exchange;                             /* half a gradient, for what a peer sends */
  double *exchange_statistics;
};

fd_status fd_gradients_create(fd_gradients **gradients, fd_device *dev, fd_comm *comm, int micro_batches, size_t size,
                              size_t statistics, int fast) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(gradients, 1, sizeof **gradients, "gradients"));
  fd_gradients *g = *gradients;
  *g = (fd_gradients){.dev = dev,
                      .comm = comm,
                      .size = size,
                      .statistics = statistics,
                      .micro_batches = micro_batches,
                      .fast = fast,
                      .buffers = 1};
  while (1 << (g->buffers - 1) < micro_batches) g->buffers++;
  for (; g->free_count < g->buffers; g->free_count++) {
    node *n = &g->free_node[g->free_count];
    FD_GO(dev->alloc(dev, &n->gradient, size * sizeof(float), "gradients"));
    FD_GO(fd_alloc(&n->statistics, statistics, sizeof(double), "gradients"));
  }
  if (comm->size > 1 && !fast) FD_GO(fd_alloc(&g->exchange, size / 2 + 1, sizeof(float), "gradients of a peer"));
  FD_GO(fd_alloc(&g->exchange_statistics, statistics / 2 + 1, sizeof(double), "gradients of a peer"));
done:
  if (status != FD_OK) fd_gradients_destroy(gradients);
  return status;
}

static void free_node(fd_gradients *g, node *n) {
  g->dev->release(g->dev, n->gradient);
  free(n->statistics);
}

void fd_gradients_destroy(fd_gradients **gradients) {
  fd_gradients *g = *gradients;
  if (!g) return;
  for (int i = 0; i < LEVELS; i++) {
    free_node(g, &g->free_node[i]);
    free_node(g, &g->level[i]);
  }
  free_node(g, &g->leaf);
  free(g->exchange);
  free(g->exchange_statistics);
  free(g);
  *gradients = NULL;
}

int fd_gradients_buffers(const fd_gradients *g) { return g->buffers + (g->exchange != NULL); }

static node take_free(fd_gradients *g) {
  node n = g->free_node[--g->free_count];
  g->free_node[g->free_count] = (node){NULL, NULL};
  return n;
}

float *fd_gradients_leaf(fd_gradients *g, double **statistics) {
  if (!g->leaf.gradient) g->leaf = take_free(g);
  *statistics = g->leaf.statistics;
  memset(*statistics, 0, g->statistics * sizeof(double));
  return g->leaf.gradient;
}

void fd_gradients_add(fd_gradients *g) {
  node sum = g->leaf;
  int level = 0;
  g->leaf = (node){NULL, NULL};
  for (int count = g->taken++; count & 1; count >>= 1, level++) {
    node left = g->level[level]; /* the earlier micro-batches are the left operand */
    g->dev->ops.add(g->dev, g->size, left.gradient, sum.gradient, left.gradient);
    for (size_t i = 0; i < g->statistics; i++) left.statistics[i] += sum.statistics[i];
    g->free_node[g->free_count++] = sum;
    g->level[level] = (node){NULL, NULL};
    sum = left;
  }
  g->level[level] = sum;
}

fd_status fd_gradients_finish(fd_gradients *g, float **sum, double **statistics) {
  int top = 0;
  while (!g->level[top].gradient) top++;
  /* The result stays with us as a free node: nobody takes it before the next step. */
  node result = g->level[top];
  g->level[top] = (node){NULL, NULL};
  g->free_node[g->free_count++] = result;
  g->taken = 0;
  FD_TRY(g->dev->sync(g->dev));
  *sum = result.gradient;
  *statistics = result.statistics;
  if (g->fast) FD_TRY(g->comm->ops->sum_f32(g->comm, result.gradient, g->size));
  else FD_TRY(fd_comm_tree_sum_f32(g->comm, result.gradient, g->size, g->exchange));
  return fd_comm_tree_sum_f64(g->comm, result.statistics, g->statistics, g->exchange_statistics);
}
