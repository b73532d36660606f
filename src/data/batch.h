/* A micro-batch, in host memory and then in device memory, and the sources of micro-batches. */
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
  float *student, *teacher;  /* [rows, 5] the two views; for a model over token ids, student is [rows] int32 */
  int64_t masked, visible;   /* number of targets (of an autoencoder: hidden words); of visible words with a class */
  uint8_t *tokens, *scratch; /* host staging: [rows], and scratch memory */
  uint8_t *device_tokens;    /* [rows] expanded into the views */
  uint64_t *windows;         /* [count] indices of the windows */
  float *target, *weight;    /* device: [count] of a task; [rows] of an autoencoder's words, hidden words first */
  float *host_target;        /* host staging of `target`, then of `weight`, contiguous */
  int *aligned;              /* device: for each group (or token) the row of the teacher's features, or -1; NULL: none */
  int *host_aligned;         /* host staging */
  int64_t aligned_rows;      /* entries of `aligned` that are not -1 */
  fd_view *taught;           /* input of a frozen teacher; NULL: no teacher */
  float *logits;             /* device: [count, beside.logits] stored logits of a teacher; NULL: none */
  float *host_logits;        /* host staging */
} fd_batch;

/* [rows] the host staging of token ids: `scratch`, which models over ids do not need otherwise. */
static inline int32_t *fd_batch_ids(const fd_batch *batch) { return (int32_t *)(void *)batch->scratch; }

/* Creates a micro-batch of up to `count` sequences and `rows` tokens in total, [CLS] rows (`cls` per sequence) included. */
fd_status fd_batch_create(fd_batch **batch, fd_device *dev, int count, int rows, int cls) FD_MUST_CHECK;
void fd_batch_destroy(fd_batch **batch);

/* Allocates, for up to `count` sequences, what the source of a batch makes besides the student's input. */
fd_status fd_batch_add(fd_batch *batch, const fd_beside *beside, int count) FD_MUST_CHECK;

/* Expands `tokens` (host: [rows]) into the view x with noise of standard deviation `noise`, keyed by seqs.draws. seqs must have
 * been sent to the device. */
fd_status fd_batch_expand(fd_batch *batch, const uint8_t *tokens, float noise, fd_rng_key key, int view, float *x) FD_MUST_CHECK;

/* The authors' reshaped mask, for comparison: entry e of [count, length, 5] is masked if position e mod (count * length) is.
 * mask: [rows] -> entries: [rows, 5]; host memory; windows of equal length. */
void fd_batch_scramble(const fd_batch *batch, const uint8_t *mask, uint8_t *entries, int length);

/* A source of micro-batches. */
typedef struct fd_source {
  void *context;
  /* Makes the views of the windows of the draws first, first + 1, ... in host memory: seqs, tokens, labels, masks, `masked`. Does
   * not use the device, and allocates nothing: a thread may run it while the device is busy, and it cannot fail. */
  void (*make)(void *context, uint64_t first_draw, int count, fd_batch *batch);
  /* Copies what `make` made to the device. */
  fd_status (*upload)(void *context, fd_batch *batch);
  /* Makes held-out windows first .. first + count - 1 on the device: unaugmented, with masks that depend on a window's index
   * only. NULL: rows of a task, which are evaluated in another way. */
  fd_status (*held_out)(void *context, const fd_windows *windows, int64_t first, int count, fd_batch *batch);
  fd_beside beside; /* what the source makes for a teacher */
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

/* The key of a draw's random numbers: the draw itself, or its window with aug.refresh: once. */
uint64_t fd_loader_key(const fd_loader *loader, uint64_t draw);

/* The loader, which is borrowed, as a source. */
fd_source fd_loader_source(fd_loader *loader);

/* The token views of one draw, without noise: [length] each. Also for the benchmark and the statistics of the data path. */
void fd_loader_views(const fd_loader *loader, uint64_t draw, uint8_t *student, uint8_t *labels, uint8_t *mask, uint8_t *teacher,
                     uint8_t *scratch);

/* The mask of one held-out window, on the host: mask [length]. */
void fd_held_out_mask(const fd_config *config, const fd_windows *windows, int64_t window, uint8_t *mask);

#endif
