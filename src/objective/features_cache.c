/* Caches a frozen teacher's features in host memory. */
#include "objective/features_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct fd_features_cache {
  fd_device *dev;
  fd_features_shape shape;
  char *features; /* [keys, rows] */
  uint8_t *known; /* [keys] */
  int count, *start;
  int64_t *key; /* [count] keys of the current batch's sequences; start: bounds of their rows */
};

static size_t size_of(const fd_features_shape *s) { return (size_t)s->rows * s->row; }

double fd_features_cache_memory(const fd_features_shape *s) { return (double)s->keys * ((double)size_of(s) + 1); }

fd_status fd_features_cache_create(fd_features_cache **cache, fd_device *dev, const fd_features_shape *shape, int count) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(cache, 1, sizeof **cache, "a cache of features"));
  fd_features_cache *c = *cache;
  c->dev = dev;
  c->shape = *shape;
  FD_GO(fd_alloc(&c->features, (size_t)shape->keys, size_of(shape), "a cache of features (teacher.cache)"));
  FD_GO(fd_alloc(&c->known, (size_t)shape->keys, 1, "a cache of features"));
  FD_GO(fd_alloc(&c->key, (size_t)count, sizeof *c->key, "a cache of features"));
  FD_GO(fd_alloc(&c->start, (size_t)count + 1, sizeof *c->start, "a cache of features"));
done:
  if (status != FD_OK) fd_features_cache_destroy(cache);
  return status;
}

void fd_features_cache_destroy(fd_features_cache **cache) {
  fd_features_cache *c = *cache;
  if (!c) return;
  free(c->features);
  free(c->known);
  free(c->key);
  free(c->start);
  free(c);
  *cache = NULL;
}

/* Features of sequence i of the batch: their place in the cache, their bytes, and their byte offset in the rows of the batch. */
static char *kept_at(const fd_features_cache *c, int i) { return c->features + (size_t)c->key[i] * size_of(&c->shape); }
static size_t bytes_of(const fd_features_cache *c, int i) { return (size_t)(c->start[i + 1] - c->start[i]) * c->shape.row; }
static size_t place_of(const fd_features_cache *c, int i) { return (size_t)c->start[i] * c->shape.row; }

fd_status fd_features_cache_take(fd_features_cache *c, const fd_view *view, void *rows, int *known) {
  *known = 1;
  c->count = view->seqs.count;
  memcpy(c->key, view->key, (size_t)c->count * sizeof *c->key);
  memcpy(c->start, view->seqs.start, ((size_t)c->count + 1) * sizeof *c->start);
  for (int i = 0; i < c->count; i++) *known &= c->known[c->key[i]];
  for (int i = 0; i < c->count && *known; i++)
    FD_TRY(c->dev->copy(c->dev, (char *)rows + place_of(c, i), kept_at(c, i), bytes_of(c, i)));
  return FD_OK;
}

fd_status fd_features_cache_keep(fd_features_cache *c, const void *features) {
  for (int i = 0; i < c->count; i++) {
    FD_TRY(c->dev->copy(c->dev, kept_at(c, i), (const char *)features + place_of(c, i), bytes_of(c, i)));
    c->known[c->key[i]] = 1;
  }
  return c->dev->sync(c->dev);
}
