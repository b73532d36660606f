/* Causal depthwise convolutions on the CPU. */
#include <string.h>

#include "cpu/backend.h"

enum { ROWS_PER_ITEM = 32, COLUMNS_PER_ITEM = 64 };

typedef struct conv_call {
  const fd_cpu_kernels *kernels;
  const fd_seqs *seqs;
  int width, taps, reverse;
  fd_mat x, y, dy;
  float *w; /* [taps, width] */
} conv_call;

/* Transposes w[width, taps] to [taps, width], or back. */
static void transpose(int down, int across, const float *from, float *to) {
  for (int i = 0; i < down; i++)
    for (int j = 0; j < across; j++) to[(size_t)j * (size_t)down + (size_t)i] = from[(size_t)i * (size_t)across + (size_t)j];
}

static void conv_item(void *context, int item, int thread) {
  (void)thread;
  const conv_call *c = context;
  int first = item * ROWS_PER_ITEM, last = fd_smaller(first + ROWS_PER_ITEM, fd_seqs_rows(c->seqs)),
      s = fd_sequence_of(c->seqs->start, c->seqs->count, first);
  for (int r = first; r < last; r++) {
    const float *from[FD_TAPS_MAX];
    while (c->seqs->start[s + 1] <= r) s++;
    for (int k = 0; k < c->taps; k++) {
      int at = c->reverse ? r + (c->taps - 1) - k : r - (c->taps - 1) + k;
      from[k] = at >= c->seqs->start[s] && at < c->seqs->start[s + 1] ? fd_cpu_row(c->x, at) : NULL;
    }
    c->kernels->conv(c->width, c->taps, from, c->w, fd_cpu_row(c->y, r));
  }
}

void fd_cpu_causal_conv(fd_device *dev, const fd_seqs *seqs, int width, int taps, int reverse, const float *w, fd_mat x,
                        fd_mat y) {
  fd_cpu *cpu = fd_cpu_of(dev);
  float *transposed = fd_cpu_scratch(cpu, FD_SLOT_W1, (size_t)width * (size_t)taps);
  conv_call call = {cpu->kernels, seqs, width, taps, reverse, x, y, {0}, transposed};
  if (!transposed) return;
  transpose(width, taps, w, transposed);
  fd_pool_run(cpu->pool, fd_parts(fd_seqs_rows(seqs), ROWS_PER_ITEM), conv_item, &call);
}

/* Gradients of some columns of w, summed over the sequences in order. */
static void conv_weights_item(void *context, int item, int thread) {
  (void)thread;
  const conv_call *c = context;
  int first = item * COLUMNS_PER_ITEM, columns = fd_smaller(COLUMNS_PER_ITEM, c->width - first);
  for (int k = 0; k < c->taps; k++) memset(c->w + (size_t)k * (size_t)c->width + first, 0, (size_t)columns * sizeof *c->w);
  for (int s = 0; s < c->seqs->count; s++) {
    int at = c->seqs->start[s], rows = c->seqs->start[s + 1] - at;
    c->kernels->conv_weights(rows, columns, c->taps, c->reverse, fd_cpu_row(c->x, at) + first, (size_t)c->x.stride,
                             fd_cpu_row(c->dy, at) + first, (size_t)c->dy.stride, c->w + first, (size_t)c->width);
  }
}

void fd_cpu_causal_conv_weights(fd_device *dev, const fd_seqs *seqs, int width, int taps, int reverse, fd_mat x, fd_mat dy,
                                float *dw) {
  fd_cpu *cpu = fd_cpu_of(dev);
  float *transposed = fd_cpu_scratch(cpu, FD_SLOT_W1, (size_t)width * (size_t)taps);
  conv_call call = {cpu->kernels, seqs, width, taps, reverse, x, {0}, dy, transposed};
  if (!transposed) return;
  fd_pool_run(cpu->pool, fd_parts(width, COLUMNS_PER_ITEM), conv_weights_item, &call);
  transpose(taps, width, transposed, dw);
}
