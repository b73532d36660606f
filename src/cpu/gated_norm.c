/* Gated RMSNorm per head on the CPU. */
#include <string.h>

#include "cpu/backend.h"

enum { ROWS_PER_ITEM = 32 };

typedef struct gated_call {
  const fd_cpu_kernels *kernels;
  int rows, heads;
  const fd_norm *norm;
  fd_mat x, gate, y, dy, dx, dgate;
  float *scratch; /* forward: [threads, width] normalized columns */
  /* backward: [heads, rows, 2] statistics of norm_forward; [rows, heads width] gradients of the normalized columns; [heads,
   * width] dw */
  float *stats, *dnormal, *sums;
} gated_call;

static void gated_item(void *context, int item, int thread) {
  const gated_call *c = context;
  int width = c->norm->width, first = item * ROWS_PER_ITEM;
  float stats[2], *normal = c->scratch + (size_t)thread * (size_t)width;
  for (int r = first; r < fd_smaller(first + ROWS_PER_ITEM, c->rows); r++)
    for (int h = 0; h < c->heads; h++) {
      c->kernels->norm_forward(c->norm, fd_cpu_row(c->x, r) + h * width, normal, stats);
      c->kernels->act_forward(FD_ACT_SILU, width, fd_cpu_row(c->gate, r) + h * width, normal, fd_cpu_row(c->y, r) + h * width);
    }
}

void fd_cpu_gated_norm_forward(fd_device *dev, int rows, int heads, const fd_norm *norm, fd_mat x, fd_mat gate, fd_mat y) {
  fd_cpu *cpu = fd_cpu_of(dev);
  gated_call call = {.kernels = cpu->kernels, .rows = rows, .heads = heads, .norm = norm, .x = x, .gate = gate, .y = y};
  call.scratch = fd_cpu_scratch(cpu, FD_SLOT_TILE, (size_t)norm->width * (size_t)fd_pool_threads(cpu->pool));
  if (call.scratch) fd_pool_run(cpu->pool, fd_parts(rows, ROWS_PER_ITEM), gated_item, &call);
}

static void gated_backward_item(void *context, int item, int thread) {
  const gated_call *c = context;
  int width = c->norm->width, first = item * ROWS_PER_ITEM;
  float *normal = c->scratch + (size_t)thread * (size_t)width;
  for (int r = first; r < fd_smaller(first + ROWS_PER_ITEM, c->rows); r++)
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

/* The gradient of w from the columns of one head. */
static void gated_weights_item(void *context, int item, int thread) {
  (void)thread;
  const gated_call *c = context;
  size_t width = (size_t)c->norm->width, column = (size_t)item * width;
  c->kernels->norm_weights(c->rows, c->norm->width, fd_cpu_row(c->x, 0) + column, (size_t)c->x.stride,
                           c->stats + 2 * (size_t)item * (size_t)c->rows, c->dnormal + column, (size_t)c->heads * width,
                           c->sums + column, NULL);
}

void fd_cpu_gated_norm_backward(fd_device *dev, int rows, int micro_batches, int heads, const fd_norm *norm, fd_mat x,
                                fd_mat gate, fd_mat dy, fd_mat dx, fd_mat dgate, float *dw) {
  (void)micro_batches; /* one: this device has no `fill` */
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
  fd_pool_run(cpu->pool, fd_parts(rows, ROWS_PER_ITEM), gated_backward_item, &call);
  fd_pool_run(cpu->pool, heads, gated_weights_item, &call);
  memcpy(dw, call.sums, width * sizeof *dw);
  for (int h = 1; h < heads; h++) cpu->kernels->add(width, dw, call.sums + (size_t)h * width, dw);
}
