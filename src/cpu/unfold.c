/* Unfolding for convolutions (im2col) on the CPU: puts the rows around each row of a sequence side by side; and its reverse. */
#include <string.h>

#include "cpu/backend.h"

enum { ROWS_PER_ITEM = 32 };

typedef struct unfold_call {
  const fd_seqs *seqs;
  int width, taps;
  fd_mat x, y;
} unfold_call;

/* `row`, or -1 outside the sequence. */
static int row_within(const fd_seqs *seqs, int sequence, int row) {
  return row < seqs->start[sequence] || row >= seqs->start[sequence + 1] ? -1 : row;
}

static void unfold_row(const unfold_call *c, int sequence, int row) {
  float *y = fd_cpu_row(c->y, row);
  for (int j = 0; j < c->taps; j++) {
    int from = row_within(c->seqs, sequence, row + j - c->taps / 2);
    const float *x = from < 0 ? NULL : fd_cpu_row(c->x, from);
    for (int i = 0; i < c->width; i++) y[i * c->taps + j] = x ? x[i] : 0;
  }
}

/* Taps are added in order. */
static void fold_row(const unfold_call *c, int sequence, int row) {
  float *x = fd_cpu_row(c->x, row);
  memset(x, 0, (size_t)c->width * sizeof *x);
  for (int j = 0; j < c->taps; j++) {
    int from = row_within(c->seqs, sequence, row - j + c->taps / 2);
    const float *y = from < 0 ? NULL : fd_cpu_row(c->y, from) + j;
    for (int i = 0; y && i < c->width; i++) x[i] += y[i * c->taps];
  }
}

static void run_item(const unfold_call *c, int item, void (*run)(const unfold_call *, int, int)) {
  int first = item * ROWS_PER_ITEM, rows = fd_seqs_rows(c->seqs),
      sequence = fd_sequence_of(c->seqs->start, c->seqs->count, first);
  for (int r = first; r < first + ROWS_PER_ITEM && r < rows; r++) {
    while (r >= c->seqs->start[sequence + 1]) sequence++;
    run(c, sequence, r);
  }
}

static void unfold_item(void *context, int item, int thread) {
  (void)thread;
  run_item(context, item, unfold_row);
}

static void fold_item(void *context, int item, int thread) {
  (void)thread;
  run_item(context, item, fold_row);
}

static int items_of(const fd_seqs *seqs) { return fd_parts(fd_seqs_rows(seqs), ROWS_PER_ITEM); }

void fd_cpu_unfold(fd_device *dev, const fd_seqs *seqs, int width, int taps, fd_mat x, fd_mat y) {
  unfold_call call = {seqs, width, taps, x, y};
  fd_pool_run(fd_cpu_of(dev)->pool, items_of(seqs), unfold_item, &call);
}

void fd_cpu_fold(fd_device *dev, const fd_seqs *seqs, int width, int taps, fd_mat dy, fd_mat dx) {
  unfold_call call = {seqs, width, taps, dx, dy};
  fd_pool_run(fd_cpu_of(dev)->pool, items_of(seqs), fold_item, &call);
}
