/* Causal depthwise convolutions and the gated RMSNorm on the CPU. */
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

static int smaller(int a, int b) { return a < b ? a : b; }

/* w[width, taps] as [taps, width], or back. */
static void turn(int down, int across, const float *from, float *to) {
  for (int i = 0; i < down; i++)
    for (int j = 0; j < across; j++) to[(size_t)j * (size_t)down + (size_t)i] = from[(size_t)i * (size_t)across + (size_t)j];
}

static void conv_item(void *context, int item, int thread) {
  (void)thread;
  const conv_call *c = context;
  int first = item * ROWS_PER_ITEM, last = smaller(first + ROWS_PER_ITEM, fd_seqs_rows(c->seqs)),
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
  float *turned = fd_cpu_scratch(cpu, FD_SLOT_W1, (size_t)width * (size_t)taps);
  conv_call call = {cpu->kernels, seqs, width, taps, reverse, x, y, {0}, turned};
  if (!turned) return;
  turn(width, taps, w, turned);
  fd_pool_run(cpu->pool, (fd_seqs_rows(seqs) + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, conv_item, &call);
}

/* Some columns; sequence after sequence. */
static void conv_weights_item(void *context, int item, int thread) {
  (void)thread;
  const conv_call *c = context;
  int first = item * COLUMNS_PER_ITEM, columns = smaller(COLUMNS_PER_ITEM, c->width - first);
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
  float *turned = fd_cpu_scratch(cpu, FD_SLOT_W1, (size_t)width * (size_t)taps);
  conv_call call = {cpu->kernels, seqs, width, taps, reverse, x, {0}, dy, turned};
  if (!turned) return;
  fd_pool_run(cpu->pool, (width + COLUMNS_PER_ITEM - 1) / COLUMNS_PER_ITEM, conv_weights_item, &call);
  turn(taps, width, turned, dw);
}

typedef struct gated_call {
  const fd_cpu_kernels *kernels;
  int rows, heads;
  const fd_norm *norm;
  fd_mat x, gate, y, dy, dx, dgate;
  float *scratch; /* forward: [threads, width] normalized columns */
  /* backward: [heads, rows, 2] what norm_forward leaves; [rows, heads width] gradients by the normalized columns; [heads, width]
   * dw */
  float *stats, *dnormal, *sums;
} gated_call;

static void gated_item(void *context, int item, int thread) {
  const gated_call *c = context;
  int width = c->norm->width, first = item * ROWS_PER_ITEM;
  float stats[2], *normal = c->scratch + (size_t)thread * (size_t)width;
  for (int r = first; r < smaller(first + ROWS_PER_ITEM, c->rows); r++)
    for (int h = 0; h < c->heads; h++) {
      c->kernels->norm_forward(c->norm, fd_cpu_row(c->x, r) + h * width, normal, stats);
      c->kernels->act_forward(FD_ACT_SILU, width, fd_cpu_row(c->gate, r) + h * width, normal, fd_cpu_row(c->y, r) + h * width);
    }
}

void fd_cpu_gated_norm_forward(fd_device *dev, int rows, int heads, const fd_norm *norm, fd_mat x, fd_mat gate, fd_mat y) {
  fd_cpu *cpu = fd_cpu_of(dev);
  gated_call call = {.kernels = cpu->kernels, .rows = rows, .heads = heads, .norm = norm, .x = x, .gate = gate, .y = y};
  call.scratch = fd_cpu_scratch(cpu, FD_SLOT_TILE, (size_t)norm->width * (size_t)fd_pool_threads(cpu->pool));
  if (call.scratch) fd_pool_run(cpu->pool, (rows + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, gated_item, &call);
}

static void gated_backward_item(void *context, int item, int thread) {
  const gated_call *c = context;
  int width = c->norm->width, first = item * ROWS_PER_ITEM;
  float *normal = c->scratch + (size_t)thread * (size_t)width;
  for (int r = first; r < smaller(first + ROWS_PER_ITEM, c->rows); r++)
    for (int h = 0; h < c->heads; h++) {
      const float *x = fd_cpu_row(c->x, r) + h * width;
      float *stats = c->stats + 2 * ((size_t)h * (size_t)c->rows + (size_t)r),
            *dnormal = c->dnormal + ((size_t)r * (size_t)c->heads + (size_t)h) * (size_t)width;
      c->kernels->norm_forward(c->norm, x, normal, stats);
      c->kernels->act_backward(FD_ACT_SILU, width, fd_cpu_row(c->gate, r) + h * width, normal, fd_cpu_row(c->dy, r) + h * width,
                               fd_cpu_row(c->dgate, r) + h * width, dnormal);
      c->kernels->norm_backward(c->norm, x, stats, dnormal, fd_cpu_row(c->dx, r) + h * width);
    }
}

/* The gradient by w of one head's columns. */
static void gated_weights_item(void *context, int item, int thread) {
  (void)thread;
  const gated_call *c = context;
  size_t width = (size_t)c->norm->width, column = (size_t)item * width;
  c->kernels->norm_weights(c->rows, c->norm->width, fd_cpu_row(c->x, 0) + column, (size_t)c->x.stride,
                           c->stats + 2 * (size_t)item * (size_t)c->rows, c->dnormal + column, (size_t)c->heads * width,
                           c->sums + column, NULL);
}

void fd_cpu_gated_norm_backward(fd_device *dev, int rows, int parts, int heads, const fd_norm *norm, fd_mat x, fd_mat gate,
                                fd_mat dy, fd_mat dx, fd_mat dgate, float *dw) {
  (void)parts; /* one: this device has no `fill` */
  fd_cpu *cpu = fd_cpu_of(dev);
  size_t width = (size_t)norm->width, all = (size_t)rows * (size_t)heads;
  gated_call call = {.kernels = cpu->kernels,
                     .rows = rows,
                     .heads = heads,
                     .norm = norm,
                     .x = x,
                     .gate = gate,
                     .dy = dy,
                     .dx = dx,
                     .dgate = dgate};
  call.scratch = fd_cpu_scratch(cpu, FD_SLOT_TILE, width * (size_t)fd_pool_threads(cpu->pool));
  call.stats = fd_cpu_scratch(cpu, FD_SLOT_SUMS, 2 * all);
  call.dnormal = fd_cpu_scratch(cpu, FD_SLOT_G, all * width);
  call.sums = fd_cpu_scratch(cpu, FD_SLOT_W1, (size_t)heads * width);
  if (!call.scratch || !call.stats || !call.dnormal || !call.sums) return;
  fd_pool_run(cpu->pool, (rows + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, gated_backward_item, &call);
  fd_pool_run(cpu->pool, heads, gated_weights_item, &call);
  memcpy(dw, call.sums, width * sizeof *dw);
  for (int h = 1; h < heads; h++) cpu->kernels->add(width, dw, call.sums + (size_t)h * width, dw);
}
