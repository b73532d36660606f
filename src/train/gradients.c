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
  float *sum;             /* host: of a device with memory of its own, what the ranks exchange */
  double *statistics_sum; /* host */
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
    FD_GO(dev->alloc(dev, &n->statistics, statistics * sizeof(double), "gradients"));
  }
  if (comm->size > 1 && !fast) FD_GO(fd_alloc(&g->exchange, size / 2 + 1, sizeof(float), "gradients of a peer"));
  if (comm->size > 1 && dev->own_memory) FD_GO(fd_alloc(&g->sum, size, sizeof(float), "gradients"));
  FD_GO(fd_alloc(&g->statistics_sum, statistics, sizeof(double), "gradients"));
  FD_GO(fd_alloc(&g->exchange_statistics, statistics / 2 + 1, sizeof(double), "gradients of a peer"));
done:
  if (status != FD_OK) fd_gradients_destroy(gradients);
  return status;
}

static void free_node(fd_gradients *g, node *n) {
  g->dev->release(g->dev, n->gradient);
  g->dev->release(g->dev, n->statistics);
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
  free(g->sum);
  free(g->statistics_sum);
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
  g->dev->ops.zero(g->dev, g->statistics * sizeof(double), *statistics);
  return g->leaf.gradient;
}

void fd_gradients_add(fd_gradients *g) {
  node sum = g->leaf;
  int level = 0;
  g->leaf = (node){NULL, NULL};
  for (int count = g->taken++; count & 1; count >>= 1, level++) {
    node left = g->level[level]; /* the earlier micro-batches are the left operand */
    g->dev->ops.add(g->dev, g->size, left.gradient, sum.gradient, left.gradient);
    g->dev->ops.add_sums(g->dev, g->statistics, left.statistics, sum.statistics);
    g->free_node[g->free_count++] = sum;
    g->level[level] = (node){NULL, NULL};
    sum = left;
  }
  g->level[level] = sum;
}

/* The gradient over all ranks, in place; through host memory where the device has its own. */
static fd_status sum_over_ranks(fd_gradients *g, float *gradient) {
  fd_device *dev = g->dev;
  float *data = g->sum ? g->sum : gradient;
  size_t bytes = g->size * sizeof(float);
  if (g->sum) FD_TRY(dev->copy(dev, data, gradient, bytes));
  FD_TRY(dev->sync(dev));
  if (g->fast) FD_TRY(g->comm->ops->sum_f32(g->comm, data, g->size));
  else FD_TRY(fd_comm_tree_sum_f32(g->comm, data, g->size, g->exchange));
  return g->sum ? dev->copy(dev, gradient, data, bytes) : FD_OK;
}

fd_status fd_gradients_finish(fd_gradients *g, float **sum, double **statistics) {
  int top = 0;
  while (!g->level[top].gradient) top++;
  /* The result stays with us as a free node: nobody takes it before the next step. */
  node result = g->level[top];
  g->level[top] = (node){NULL, NULL};
  g->free_node[g->free_count++] = result;
  g->taken = 0;
  *sum = result.gradient;
  *statistics = g->statistics_sum;
  FD_TRY(g->dev->copy(g->dev, g->statistics_sum, result.statistics, g->statistics * sizeof(double)));
  FD_TRY(sum_over_ranks(g, result.gradient));
  return fd_comm_tree_sum_f64(g->comm, g->statistics_sum, g->statistics, g->exchange_statistics);
}
