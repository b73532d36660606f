/* A micro-batch's tiles and a GPU's multiprocessors. */
#include "train/occupancy.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "train/memory.h"

enum { TILE = 128 }; /* rows of a block of the products' kernels (cuda/product.h, cuda/chain.h) */

static int64_t tiles_of(const fd_config *config, int64_t virtual_ranks, int tokens) {
  return (config->train.batch / virtual_ranks * tokens + TILE - 1) / TILE;
}

/* The fewest virtual ranks, a power of two and one for each rank at least, whose micro-batches fit. */
static int64_t fewest(const fd_config *config, const fd_network *network, fd_form form, int ranks, int tokens, double room) {
  fd_config changed = *config;
  int64_t v = ranks;
  for (; v < config->train.virtual_ranks; v *= 2) {
    int64_t rows = config->train.batch / v * tokens;
    changed.train.virtual_ranks = v;
    if (rows <= INT_MAX / 16 && (double)fd_trainer_memory(&changed, network, form, 1, ranks, (int)rows) <= room) break;
  }
  return v;
}

int fd_trainer_occupancy(const fd_config *config, const fd_network *network, fd_form form, int ranks, int tokens,
                         int multiprocessors, double room, char *text, size_t size) {
  int64_t own = config->train.virtual_ranks, tiles = tiles_of(config, own, tokens), v = own;
  char more[160] = "";
  if (tiles < multiprocessors) {
    v = fewest(config, network, form, ranks, tokens, room);
    snprintf(more, sizeof more, "%s",
             ranks < own ? "; larger ones do not fit its memory" : "; a larger train.batch would use more of them");
  }
  if (v < own)
    snprintf(more, sizeof more,
             "; with train.virtual_ranks=%" PRId64 " it has %" PRId64
             " (another result: choose it before the first step; ranks must divide it)",
             v, tiles_of(config, v, tokens));
  snprintf(text, size, "a micro-batch has %" PRId64 " tile%s of %d tokens for the GPU's %d multiprocessor%s%s", tiles,
           tiles > 1 ? "s" : "", TILE, multiprocessors, multiprocessors > 1 ? "s" : "", more);
  return tiles >= multiprocessors;
}
