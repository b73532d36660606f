/* Node kind `alibi_slopes`: the slope by which the scores of each head fall with distance. */
#include <math.h>

#include "model/nodes.h"

enum { HEADS_MAX = 256 };

typedef struct settings {
  float slope[HEADS_MAX];
} settings;

/* 2^(-8 i / p), i = 1 .. p, for the largest power of two p <= heads; then every other slope, from the first, of the list for 2
 * p. */
static void fill(float *slope, int heads) {
  int p = 1;
  while (2 * p <= heads) p *= 2;
  for (int h = 0; h < heads; h++) slope[h] = (float)(h < p ? exp2(-8.0 * (h + 1) / p) : exp2(-4.0 * (2 * (h - p) + 1) / p));
}

static void keeps(const fd_node *node, fd_keep *keep) { (void)node, (void)keep; }

static void forward(const fd_node *node, const fd_pass *pass, const fd_mats *m) {
  const settings *s = node->own;
  fd_device *dev = pass->dev;
  fd_status status = dev->copy(dev, m->out.at, s->slope, (size_t)node->out.width * sizeof(float));
  if (dev->found == FD_OK) dev->found = status;
}

const fd_node_kind fd_node_alibi_slopes = {.name = "alibi_slopes", .own = sizeof(settings), .keeps = keeps, .forward = forward};

/* The slopes are in the first row of the space of positions, which has at least one row in every batch. */
fd_value fd_alibi_slopes(fd_graph *graph, const char *name, int heads) {
  settings s = {{0}};
  fill(s.slope, heads < HEADS_MAX ? heads : HEADS_MAX);
  return fd_graph_add(graph, &fd_node_alibi_slopes, name, &s, (const fd_value[FD_INPUTS]){FD_NONE, FD_NONE, FD_NONE},
                      (fd_room){FD_POSITIONS, heads, 1});
}
