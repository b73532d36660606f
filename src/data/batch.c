/* Micro-batches of training draws and of held-out windows. */
#include "data/batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/augment.h"

/* Scratch bytes per row: label, mask, teacher's token, entry masks, and two for fd_augment_view; the rest is for its random
 * DNA. */
enum { SCRATCH_PER_ROW = 3 + FD_SYMBOLS + 2, SCRATCH_MORE = 2 * 65536 };

fd_status fd_batch_create(fd_batch **batch, fd_device *dev, int count, int rows, int cls) {
  fd_status status = FD_OK;
  size_t n = (size_t)rows;
  FD_TRY(fd_alloc(batch, 1, sizeof **batch, "micro-batch"));
  fd_batch *b = *batch;
  b->dev = dev;
  FD_GO(fd_seqs_create(&b->seqs, dev, count, cls));
  FD_GO(fd_alloc(&b->windows, (size_t)count, sizeof *b->windows, "micro-batch"));
  FD_GO(fd_alloc(&b->tokens, n, 1, "micro-batch"));
  FD_GO(fd_alloc(&b->scratch, SCRATCH_PER_ROW * n + SCRATCH_MORE, 1, "micro-batch"));
  FD_GO(dev->alloc(dev, &b->device_tokens, n, "micro-batch"));
  FD_GO(dev->alloc(dev, &b->labels, n, "micro-batch"));
  FD_GO(dev->alloc(dev, &b->mask, n * FD_SYMBOLS, "micro-batch"));
  FD_GO(dev->alloc(dev, &b->student, n * FD_SYMBOLS * sizeof(float), "micro-batch"));
  FD_GO(dev->alloc(dev, &b->teacher, n * FD_SYMBOLS * sizeof(float), "micro-batch"));
  FD_GO(fd_alloc(&b->host_target, 2 * n, sizeof *b->host_target, "micro-batch"));
  FD_GO(dev->alloc(dev, &b->target, n * sizeof *b->target, "micro-batch"));
  FD_GO(dev->alloc(dev, &b->weight, n * sizeof *b->weight, "micro-batch"));
done:
  if (status != FD_OK) fd_batch_destroy(batch);
  return status;
}

fd_status fd_batch_add(fd_batch *b, const fd_beside *beside, int count) {
  size_t values = (size_t)beside->logits * (size_t)count;
  if (beside->tokens) FD_TRY(fd_view_create(&b->taught, b->dev, beside, count));
  if (beside->aligned) {
    FD_TRY(fd_alloc(&b->host_aligned, (size_t)beside->aligned * (size_t)count, sizeof *b->host_aligned, "micro-batch"));
    FD_TRY(b->dev->alloc(b->dev, &b->aligned, (size_t)beside->aligned * (size_t)count * sizeof *b->aligned, "micro-batch"));
  }
  if (!values) return FD_OK;
  FD_TRY(fd_alloc(&b->host_logits, values, sizeof *b->host_logits, "micro-batch"));
  return b->dev->alloc(b->dev, &b->logits, values * sizeof *b->logits, "micro-batch");
}

void fd_batch_destroy(fd_batch **batch) {
  fd_batch *b = *batch;
  if (!b) return;
  fd_seqs_destroy(&b->seqs, b->dev);
  b->dev->release(b->dev, b->device_tokens);
  b->dev->release(b->dev, b->labels);
  b->dev->release(b->dev, b->mask);
  b->dev->release(b->dev, b->student);
  b->dev->release(b->dev, b->teacher);
  b->dev->release(b->dev, b->target);
  b->dev->release(b->dev, b->weight);
  b->dev->release(b->dev, b->logits);
  fd_view_destroy(&b->taught);
  b->dev->release(b->dev, b->aligned);
  free(b->host_aligned);
  free(b->host_logits);
  free(b->host_target);
  free(b->windows);
  free(b->tokens);
  free(b->scratch);
  free(b);
  *batch = NULL;
}

void fd_loader_init(fd_loader *loader, const fd_config *config, const fd_windows *windows) {
  uint64_t seed = (uint64_t)config->run.seed;
  *loader = (fd_loader){config, windows, fd_rng_key_of(seed, FD_RNG_AUGMENT), fd_rng_key_of(seed, FD_RNG_NOISE)};
}

uint64_t fd_loader_window(const fd_loader *loader, uint64_t draw) {
  uint64_t n = (uint64_t)loader->windows->count;
  return fd_permute((uint64_t)loader->config->run.seed, draw / n, n, draw % n);
}

uint64_t fd_loader_key(const fd_loader *loader, uint64_t draw) {
  return loader->config->aug.refresh == FD_REFRESH_ONCE ? fd_loader_window(loader, draw) : draw;
}

void fd_loader_views(const fd_loader *loader, uint64_t draw, uint8_t *student, uint8_t *labels, uint8_t *mask, uint8_t *teacher,
                     uint8_t *scratch) {
  int length = loader->windows->length;
  const uint8_t *window = loader->windows->symbols + fd_loader_window(loader, draw) * (uint64_t)length;
  uint64_t key = fd_loader_key(loader, draw);
  fd_augment_view(loader->config, loader->augment, key, FD_VIEW_STUDENT, window, length, student, labels, mask, scratch);
  fd_augment_view(loader->config, loader->augment, key, FD_VIEW_TEACHER, window, length, teacher, NULL, NULL, scratch);
}

/* Lays out the sequences of a batch of windows of equal length. */
static void equal_rows(fd_batch *batch, int count, int length) {
  batch->seqs.count = count;
  for (int i = 0; i <= count; i++) batch->seqs.start[i] = i * (length + batch->seqs.cls);
  batch->rows = batch->seqs.start[count];
  batch->masked = 0;
  batch->entry_mask = 0;
}

fd_status fd_batch_expand(fd_batch *batch, const uint8_t *tokens, float noise, fd_rng_key key, int view, float *x) {
  fd_device *dev = batch->dev;
  FD_TRY(dev->copy(dev, batch->device_tokens, tokens, (size_t)batch->rows));
  dev->ops.expand(dev, &batch->seqs, batch->device_tokens, noise, key, view, x);
  return FD_OK;
}

void fd_batch_scramble(const fd_batch *batch, const uint8_t *mask, uint8_t *entries, int length) {
  int positions = batch->seqs.count * length, stride = length + batch->seqs.cls;
  memset(entries, 0, (size_t)batch->rows * FD_SYMBOLS);
  for (int e = 0; e < positions * FD_SYMBOLS; e++) {
    int from = e % positions, to = e / FD_SYMBOLS;
    entries[(to / length * stride + to % length) * FD_SYMBOLS + e % FD_SYMBOLS] = mask[from / length * stride + from % length];
  }
}

/* Parts of a batch's scratch memory between `make` and `upload`. */
typedef struct staging {
  uint8_t *labels, *mask, *teacher, *entries, *rest;
} staging;

static staging staging_of(const fd_batch *batch) {
  size_t rows = (size_t)batch->rows;
  uint8_t *at = batch->scratch;
  return (staging){at, at + rows, at + 2 * rows, at + 3 * rows, at + (3 + FD_SYMBOLS) * rows};
}

static void make_views(void *context, uint64_t first_draw, int count, fd_batch *batch) {
  const fd_loader *loader = context;
  int length = loader->windows->length;
  equal_rows(batch, count, length);
  staging s = staging_of(batch);
  size_t rows = (size_t)batch->rows;
  memset(s.labels, FD_CLS, rows);
  memset(s.mask, 0, rows);
  memset(batch->tokens, FD_CLS, rows);
  memset(s.teacher, FD_CLS, rows);
  for (int i = 0; i < count; i++) {
    uint64_t draw = first_draw + (uint64_t)i;
    int at = batch->seqs.start[i];
    fd_loader_views(loader, draw, batch->tokens + at, s.labels + at, s.mask + at, s.teacher + at, s.rest);
    batch->seqs.draws[i] = fd_loader_key(loader, draw);
    batch->windows[i] = fd_loader_window(loader, draw);
    for (int t = 0; t < length; t++) batch->masked += s.mask[at + t];
  }
  batch->entry_mask = loader->config->objective.mask_layout == FD_MASK_SCRAMBLED;
  if (batch->entry_mask) fd_batch_scramble(batch, s.mask, s.entries, length);
}

static fd_status upload_views(void *context, fd_batch *batch) {
  const fd_loader *loader = context;
  fd_device *dev = batch->dev;
  staging s = staging_of(batch);
  size_t rows = (size_t)batch->rows;
  FD_TRY(fd_seqs_send(&batch->seqs, dev));
  FD_TRY(dev->copy(dev, batch->labels, s.labels, rows));
  FD_TRY(dev->copy(dev, batch->mask, batch->entry_mask ? s.entries : s.mask, batch->entry_mask ? rows * FD_SYMBOLS : rows));
  FD_TRY(fd_batch_expand(batch, batch->tokens, fd_augment_noise(loader->config, FD_VIEW_STUDENT), loader->noise, FD_VIEW_STUDENT,
                         batch->student));
  return fd_batch_expand(batch, s.teacher, fd_augment_noise(loader->config, FD_VIEW_TEACHER), loader->noise, FD_VIEW_TEACHER,
                         batch->teacher);
}

void fd_held_out_mask(const fd_config *config, const fd_windows *windows, int64_t window, uint8_t *mask) {
  fd_rng_key key = fd_rng_key_of((uint64_t)config->run.seed, FD_RNG_EVAL);
  uint32_t word[4];
  for (int t = 0; t < windows->length; t++) {
    if (t % 4 == 0) fd_philox(word, key, (uint64_t)window, (uint64_t)(t / 4));
    mask[t] = fd_unit(word[t % 4]) < (float)config->aug.mask_rate;
  }
}

/* Both views are the masked window. */
static fd_status held_out_views(void *context, const fd_windows *windows, int64_t first, int count, fd_batch *batch) {
  const fd_config *config = ((const fd_loader *)context)->config;
  fd_device *dev = batch->dev;
  int length = windows->length;
  size_t rows = (size_t)count * (size_t)(length + batch->seqs.cls);
  uint8_t *labels = batch->scratch, *mask = labels + rows;
  equal_rows(batch, count, length);
  memset(labels, FD_CLS, rows);
  memset(mask, 0, rows);
  memset(batch->tokens, FD_CLS, rows);
  for (int i = 0; i < count; i++) {
    int at = batch->seqs.start[i];
    memcpy(labels + at, windows->symbols + (first + i) * length, (size_t)length);
    fd_held_out_mask(config, windows, first + i, mask + at);
    for (int t = at; t < at + length; t++) {
      batch->tokens[t] = mask[t] ? FD_ZERO : labels[t];
      mask[t] = mask[t] && labels[t] != FD_N; /* N is not a target */
      batch->masked += mask[t];
    }
  }
  FD_TRY(fd_seqs_send(&batch->seqs, dev));
  FD_TRY(dev->copy(dev, batch->labels, labels, rows));
  FD_TRY(dev->copy(dev, batch->mask, mask, rows));
  FD_TRY(fd_batch_expand(batch, batch->tokens, 0, fd_rng_key_of(0, FD_RNG_NOISE), 0, batch->student));
  return fd_batch_expand(batch, batch->tokens, 0, fd_rng_key_of(0, FD_RNG_NOISE), 0, batch->teacher);
}

fd_source fd_loader_source(fd_loader *loader) {
  return (fd_source){.context = loader, .make = make_views, .upload = upload_views, .held_out = held_out_views};
}
