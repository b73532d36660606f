/* A micro-batch, in host memory and then the device's, and where micro-batches come from. */
#ifndef FD_DATA_BATCH_H
#define FD_DATA_BATCH_H

#include "config/config.h"
#include "data/shards.h"
#include "data/view.h"
#include "device/device.h"

/* Rows are the tokens of the packed sequences, [CLS] rows included. */
typedef struct fd_batch {
  fd_device *dev;
  fd_seqs seqs;
  int rows;
  uint8_t *labels; /* [rows] symbols before masking; FD_CLS on [CLS] rows */
  uint8_t *mask;   /* [rows], or [rows, 5] with entry_mask */
  int entry_mask;
  float *student, *teacher;  /* [rows, 5] the two views; of a model over ids: the student's is [rows] int32 */
  int64_t masked, visible;   /* positions to predict, hidden ones of an autoencoder; those that it sees, with a class */
  uint8_t *tokens, *scratch; /* staging: [rows] */
  uint8_t *device_tokens;    /* [rows] what is expanded into the views */
  uint64_t *windows;         /* [count] numbers of the windows */
  float *target, *weight;    /* on the device: of a task [count]; of an autoencoder's words [rows], the hidden ones first */
  float *host_target;        /* [2, rows] of both, one behind the other, staging */
  int *aligned;         /* on the device: of each group, or token, the row of the teacher's features; -1: of none. NULL: none */
  int *host_aligned;    /* staging */
  int64_t aligned_rows; /* those that have one */
  fd_view *taught;      /* what a frozen teacher sees; NULL: there is none */
  float *logits;        /* [count, beside.logits] stored ones of a teacher, on the device; NULL: none */
  float *host_logits;   /* staging */
} fd_batch;

/* A micro-batch of up to `count` sequences and `rows` tokens in all. */
fd_status fd_batch_create(fd_batch **batch, fd_device *dev, int count, int rows, int cls) FD_MUST_CHECK;
void fd_batch_destroy(fd_batch **batch);

/* Gives a batch of up to `count` sequences room for what its source makes beside the student's input. */
fd_status fd_batch_add(fd_batch *batch, const fd_beside *beside, int count) FD_MUST_CHECK;

/* Expands `tokens` (host: [rows]) into a view of noise `noise` with the keys that seqs.draws give, after seqs was sent. */
fd_status fd_batch_expand(fd_batch *batch, const uint8_t *tokens, float noise, fd_rng_key key, int view, float *x) FD_MUST_CHECK;

/* The authors' reshaped mask, for comparison: entry e of [count, length, 5] is selected when position e mod (count * length) is.
 * mask: [rows] -> entries: [rows, 5]; host memory; windows of equal length. */
void fd_batch_scramble(const fd_batch *batch, const uint8_t *mask, uint8_t *entries, int length);

/* Where micro-batches come from. */
typedef struct fd_source {
  void *context;
  /* Takes the windows of the draws first, first + 1, ... and makes their views in host memory: seqs, tokens, labels, masks,
   * `masked`. Touches no device: a thread of its own may do it while the device is busy. */
  fd_status (*make)(void *context, uint64_t first_draw, int count, fd_batch *batch);
  /* Then brings them to the device. */
  fd_status (*upload)(void *context, fd_batch *batch);
  /* Held-out windows first .. first + count - 1, on the device: unaugmented, with masks that depend on a window's number alone.
   * NULL: rows of a task, which are evaluated otherwise. */
  fd_status (*held_out)(void *context, const fd_windows *windows, int64_t first, int count, fd_batch *batch);
  fd_beside beside; /* what it makes for a teacher */
} fd_source;

/* The training windows in the order of the run: draw g is epoch g / N, position g mod N of that epoch's permutation. */
typedef struct fd_loader {
  const fd_config *config;
  const fd_windows *windows;
  fd_rng_key augment, noise;
} fd_loader;

void fd_loader_init(fd_loader *loader, const fd_config *config, const fd_windows *windows);

/* The window of draw g. */
uint64_t fd_loader_window(const fd_loader *loader, uint64_t draw);

/* What the random numbers of a draw are keyed by: the draw itself, or with aug.refresh: once the window. */
uint64_t fd_loader_key(const fd_loader *loader, uint64_t draw);

/* The loader as a source; borrowed. */
fd_source fd_loader_source(fd_loader *loader);

/* The token views of one draw, without noise: [length] each. Used by the loader, and by the data-path benchmark and statistics.
 */
void fd_loader_views(const fd_loader *loader, uint64_t draw, uint8_t *student, uint8_t *labels, uint8_t *mask, uint8_t *teacher,
                     uint8_t *scratch);

/* Held-out windows first .. first + count - 1: unaugmented, masked at aug.mask_rate with masks that depend on the window's number
 * alone; both views are the masked window. */
fd_status fd_batch_held_out(fd_batch *batch, const fd_config *config, const fd_windows *windows, int64_t first,
                            int count) FD_MUST_CHECK;

/* The same masks on the host: mask [count, length] for windows 0 .. count-1. */
void fd_held_out_mask(const fd_config *config, const fd_windows *windows, int64_t window, uint8_t *mask);

#endif
