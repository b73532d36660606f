/* The summation tree: a binary counter of buffers within the rank, recursive halving between ranks, one bucket at a time. */
#include "train/gradients.h"

#include <sched.h>
#include <stdlib.h>

#include "base/memory.h"

enum { LEVELS = 34 };

typedef struct node {
  float *gradient;
  double *statistics;
} node;

struct fd_gradients {
  fd_device *dev;
  fd_comm *comm;
  fd_link *link;
  fd_gradients_shape shape;
  int taken, buffers, free_count;
  node level[LEVELS], free_node[LEVELS], leaf; /* level[i]: a complete subtree of 2^i leaves */
  size_t open;                                 /* the leaf's range [0, open) is not in the tree yet */
  float *receive;                              /* device: receive buffer */
  double *statistics, *receive_statistics;     /* host */
  uint64_t sent;                               /* bytes sent by the link that are already added to the communicator's count */
  fd_status failed;                            /* status of the link */
};

int fd_gradients_needed(int leaves) {
  int buffers = 1;
  while (1 << (buffers - 1) < leaves) buffers++;
  return buffers;
}

fd_status fd_gradients_create(fd_gradients **gradients, fd_device *dev, fd_comm *comm, fd_link *link,
                              const fd_gradients_shape *shape) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(gradients, 1, sizeof **gradients, "gradients"));
  fd_gradients *g = *gradients;
  *g = (fd_gradients){.dev = dev, .comm = comm, .link = link, .shape = *shape, .open = shape->size};
  g->buffers = fd_gradients_needed(shape->leaves);
  for (; g->free_count < g->buffers; g->free_count++) {
    node *n = &g->free_node[g->free_count];
    n->gradient = shape->leaf;
    if (!shape->leaf) FD_GO(dev->alloc(dev, &n->gradient, shape->size * sizeof(float), "gradients"));
    FD_GO(dev->alloc(dev, &n->statistics, shape->statistics * sizeof(double), "gradients"));
  }
  /* A bucket ends at a layer boundary, so it may span the whole gradient, of which a peer sends half. */
  if (link && !shape->fast) FD_GO(dev->alloc(dev, &g->receive, (shape->size / 2 + 1) * sizeof(float), "gradients of a peer"));
  FD_GO(fd_alloc(&g->statistics, shape->statistics, sizeof(double), "gradients"));
  FD_GO(fd_alloc(&g->receive_statistics, shape->statistics / 2 + 1, sizeof(double), "gradients of a peer"));
done:
  if (status != FD_OK) fd_gradients_destroy(gradients);
  return status;
}

static void free_node(fd_gradients *g, node *n) {
  if (!g->shape.leaf) g->dev->release(g->dev, n->gradient);
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
  g->dev->release(g->dev, g->receive);
  free(g->statistics);
  free(g->receive_statistics);
  free(g);
  *gradients = NULL;
}

int fd_gradients_buffers(const fd_gradients *g) { return (g->shape.leaf ? 0 : g->buffers) + (g->receive != NULL); }

static node pop_free(fd_gradients *g) {
  node n = g->free_node[--g->free_count];
  g->free_node[g->free_count] = (node){NULL, NULL};
  return n;
}

float *fd_gradients_leaf(fd_gradients *g, double **statistics) {
  if (!g->leaf.gradient) g->leaf = pop_free(g);
  *statistics = g->leaf.statistics;
  g->dev->ops.zero(g->dev, g->shape.statistics * sizeof(double), *statistics);
  g->open = g->shape.size;
  return g->leaf.gradient;
}

static int is_last(const fd_gradients *g) { return g->taken == g->shape.leaves - 1; }

int fd_gradients_sends(const fd_gradients *g) { return g->link && is_last(g); }

/* Starts the sum of data[count] over the ranks. */
static fd_status send_bucket(fd_gradients *g, float *data, size_t count) {
  int idle;
  FD_TRY(g->link->follow(g->link));
  FD_TRY(g->shape.fast ? g->link->sum(g->link, data, count) : fd_link_tree_sum(g->link, data, count, g->receive));
  return g->link->progress(g->link, &idle);
}

/* Adds the leaf's values from `from` on to the tree: to the levels whose subtrees it completes, with the earlier leaves as the
 * left operand. The last leaf completes the rank's tree, and the sum over the ranks can start. */
static void add_range(fd_gradients *g, size_t from) {
  size_t count = g->open - from;
  float *sum = g->leaf.gradient + from;
  int level = 0;
  for (int n = g->taken; n & 1; n >>= 1, level++) {
    float *left = g->level[level].gradient + from;
    g->dev->ops.add(g->dev, count, left, sum, left);
    sum = left;
  }
  g->open = from;
  if (g->link && is_last(g) && g->failed == FD_OK && count) g->failed = send_bucket(g, sum, count);
}

void fd_gradients_ready(fd_gradients *g, size_t from) {
  int idle;
  if (!fd_gradients_sends(g)) return;
  if (g->open - from >= g->shape.bucket) add_range(g, from);
  else if (g->failed == FD_OK) g->failed = g->link->progress(g->link, &idle);
}

void fd_gradients_add(fd_gradients *g) {
  node sum = g->leaf;
  int level = 0;
  add_range(g, 0);
  g->leaf = (node){NULL, NULL};
  for (int count = g->taken++; count & 1; count >>= 1, level++) {
    node left = g->level[level];
    g->dev->ops.add_sums(g->dev, g->shape.statistics, left.statistics, sum.statistics);
    g->free_node[g->free_count++] = sum;
    g->level[level] = (node){NULL, NULL};
    sum = left;
  }
  g->level[level] = sum;
}

/* Waits until the ranks have exchanged everything. The watchdog ends a wait without progress. */
static fd_status wait_for_ranks(fd_gradients *g) {
  fd_watch *watch = &g->comm->watch;
  double since = fd_seconds();
  uint64_t done = g->link->done;
  int idle = 0;
  atomic_store(&watch->waiting_since, since);
  atomic_store(&watch->waiting, "the sum of gradients");
  while (g->failed == FD_OK && !idle) {
    g->failed = g->link->progress(g->link, &idle);
    if (g->link->done != done) atomic_store(&watch->waiting_since, fd_seconds()); /* a slow network is not a stuck one */
    done = g->link->done;
    if (!idle) sched_yield();
  }
  atomic_store(&watch->waiting, NULL);
  watch->waited += fd_seconds() - since;
  g->comm->bytes_sent += g->link->bytes_sent - g->sent;
  g->sent = g->link->bytes_sent;
  return g->failed == FD_OK ? g->link->lead(g->link) : g->failed;
}

fd_status fd_gradients_finish(fd_gradients *g, float **sum, double **statistics) {
  int top = 0;
  while (!g->level[top].gradient) top++;
  /* The result is kept as a free node, which is not reused before the next step. */
  node result = g->level[top];
  g->level[top] = (node){NULL, NULL};
  g->free_node[g->free_count++] = result;
  g->taken = 0;
  *sum = result.gradient;
  *statistics = g->statistics;
  FD_TRY(g->dev->copy(g->dev, g->statistics, result.statistics, g->shape.statistics * sizeof(double)));
  FD_TRY(g->dev->sync(g->dev));
  if (g->link) FD_TRY(wait_for_ranks(g));
  return fd_comm_tree_sum_f64(g->comm, g->statistics, g->shape.statistics, g->receive_statistics);
}
