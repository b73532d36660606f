/* A cache in host memory of a frozen teacher's features, so that the teacher runs once per sequence. Each rank has its own cache,
 * which fills as the rank's batches arrive. Features are stored bit for bit, so results are the same as without the cache. */
#ifndef FD_OBJECTIVE_FEATURES_CACHE_H
#define FD_OBJECTIVE_FEATURES_CACHE_H

#include "data/view.h"

typedef struct fd_features_cache fd_features_cache;

/* Capacity: sequences with keys (fd_view.key) below `keys`, up to `rows` rows each. */
typedef struct fd_features_shape {
  int64_t keys;
  int rows;
  size_t row; /* bytes of a row of features in device memory */
} fd_features_shape;

/* Bytes of host memory of such a cache. */
double fd_features_cache_memory(const fd_features_shape *shape);

/* A cache for batches of up to `count` sequences. */
fd_status fd_features_cache_create(fd_features_cache **cache, fd_device *dev, const fd_features_shape *shape,
                                   int count) FD_MUST_CHECK;
void fd_features_cache_destroy(fd_features_cache **cache);

/* Looks up a batch. *known: 1 if the features of all its sequences are cached; they are then copied to `rows` (device memory), in
 * the view's order of rows. */
fd_status fd_features_cache_take(fd_features_cache *cache, const fd_view *view, void *rows, int *known) FD_MUST_CHECK;

/* Stores the teacher's features (device memory) of the batch that was looked up last. */
fd_status fd_features_cache_keep(fd_features_cache *cache, const void *features) FD_MUST_CHECK;

#endif
