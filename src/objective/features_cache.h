/* A frozen teacher's features of sequences that it has seen, in host memory: it is asked once for each. Each rank has its own,
 * which fills as its batches come; features are kept with the bits that the teacher left, so what is computed of them is the same
 * as without. */
#ifndef FD_OBJECTIVE_FEATURES_CACHE_H
#define FD_OBJECTIVE_FEATURES_CACHE_H

#include "data/view.h"

typedef struct fd_features_cache fd_features_cache;

/* For sequences with keys (fd_view.key) below `keys`, of up to `rows` rows each. */
typedef struct fd_features_shape {
  int64_t keys;
  int rows;
  size_t row; /* bytes of a row of features on the device */
} fd_features_shape;

/* Bytes of host memory. */
double fd_features_cache_memory(const fd_features_shape *shape);

/* For batches of up to `count` sequences. */
fd_status fd_features_cache_create(fd_features_cache **cache, fd_device *dev, const fd_features_shape *shape,
                                   int count) FD_MUST_CHECK;
void fd_features_cache_destroy(fd_features_cache **cache);

/* Takes a batch. *known: the features of all its sequences are there, and now in `rows`, the device's memory, for the rows of the
 * view. */
fd_status fd_features_cache_take(fd_features_cache *cache, const fd_view *view, void *rows, int *known) FD_MUST_CHECK;

/* Keeps what the teacher left for the batch that was taken last. */
fd_status fd_features_cache_keep(fd_features_cache *cache, const void *features) FD_MUST_CHECK;

#endif
