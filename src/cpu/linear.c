/* Small linear layers on the CPU (embedding 5 -> channels, head channels -> 5). */
#include <string.h>

#include "cpu/backend.h"

enum { ROWS_PER_ITEM = 64 };

typedef struct linear_call {
  int rows, in, out;
  const float *x, *w, *b, *dy;
  float *y, *dx, *dw, *db;
  const fd_cpu_kernels *kernels;
  float *packed, *tiles; /* w^T or w in panels; scratch of each thread */
} linear_call;

static void forward_item(void *context, int item, int thread) {
  linear_call *c = context;
  int first = item * ROWS_PER_ITEM, rows = c->rows - first < ROWS_PER_ITEM ? c->rows - first : ROWS_PER_ITEM,
      panel = c->kernels->panel;
  float *tile = c->tiles + (size_t)thread * (size_t)(ROWS_PER_ITEM * panel);
  for (int n = 0; n < c->out; n += panel) {
    int columns = c->out - n < panel ? c->out - n : panel;
    c->kernels->gemm(rows, c->in, c->x + (size_t)first * (size_t)c->in, (size_t)c->in, 1, c->packed + (size_t)n * (size_t)c->in,
                     1, tile, (size_t)panel, 0);
    for (int r = 0; r < rows; r++) {
      float *y = c->y + (size_t)(first + r) * (size_t)c->out + n;
      for (int j = 0; j < columns; j++) y[j] = tile[r * panel + j] + (c->b ? c->b[n + j] : 0);
    }
  }
}

/* Packs the columns of a product's right matrix; transposed: that of x w^T, else that of dy w. */
static float *pack_weights(fd_cpu *cpu, const float *w, int k, int n, size_t ld, int transposed) {
  int panel = cpu->kernels->panel;
  float *packed = fd_cpu_scratch(cpu, FD_SLOT_W1, (size_t)k * (size_t)fd_round_up(n, panel));
  for (int j = 0; packed && j < n; j += panel)
    cpu->kernels->pack(k, n - j < panel ? n - j : panel, transposed ? w + (size_t)j * ld : w + j, ld, transposed,
                       packed + (size_t)j * (size_t)k);
  return packed;
}

void fd_cpu_linear_forward(fd_device *dev, int rows, int in, int out, fd_mat x, const float *w, const float *b, fd_mat y) {
  fd_cpu *cpu = fd_cpu_of(dev);
  linear_call call = {.rows = rows, .in = in, .out = out, .x = x.at, .w = w, .b = b, .y = y.at, .kernels = cpu->kernels};
  call.packed = pack_weights(cpu, w, in, out, (size_t)in, 1);
  call.tiles =
      fd_cpu_scratch(cpu, FD_SLOT_TILE, (size_t)(ROWS_PER_ITEM * cpu->kernels->panel) * (size_t)fd_pool_threads(cpu->pool));
  if (call.packed && call.tiles) fd_pool_run(cpu->pool, (rows + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, forward_item, &call);
}

static void backward_rows(void *context, int item, int thread) {
  (void)thread;
  linear_call *c = context;
  int first = item * ROWS_PER_ITEM, last = first + ROWS_PER_ITEM < c->rows ? first + ROWS_PER_ITEM : c->rows;
  for (int r = first; r < last; r++) {
    float *dx = c->dx + (size_t)r * (size_t)c->in;
    memset(dx, 0, (size_t)c->in * sizeof(float));
    for (int o = 0; o < c->out; o++) {
      float d = c->dy[(size_t)r * (size_t)c->out + (size_t)o];
      const float *w = c->w + (size_t)o * (size_t)c->in;
      for (int i = 0; i < c->in; i++) dx[i] += d * w[i];
    }
  }
}

/* A block of output rows of dw and db: the tokens are added one after the other. */
enum { OUTPUTS_PER_ITEM = 16 };

static void backward_weights(void *context, int item, int thread) {
  (void)thread;
  linear_call *c = context;
  int first = item * OUTPUTS_PER_ITEM, last = first + OUTPUTS_PER_ITEM < c->out ? first + OUTPUTS_PER_ITEM : c->out;
  size_t in = (size_t)c->in, out = (size_t)c->out;
  memset(c->dw + (size_t)first * in, 0, (size_t)(last - first) * in * sizeof(float));
  if (c->db) memset(c->db + first, 0, (size_t)(last - first) * sizeof(float));
  for (size_t r = 0; r < (size_t)c->rows; r++) {
    for (int o = first; o < last; o++) {
      float d = c->dy[r * out + (size_t)o], *dw = c->dw + (size_t)o * in;
      const float *x = c->x + r * in;
      if (c->db) c->db[o] += d;
      for (size_t i = 0; i < in; i++) dw[i] += d * x[i];
    }
  }
}

void fd_cpu_linear_backward(fd_device *dev, int rows, int parts, int in, int out, fd_mat x, const float *w, fd_mat dy, fd_mat dx,
                            float *dw, float *db) {
  fd_cpu *cpu = fd_cpu_of(dev);
  (void)parts; /* one: this device has no `fill` */
  linear_call call = {.rows = rows, .in = in, .out = out, .x = x.at, .w = w, .dy = dy.at, .dx = dx.at, .dw = dw, .db = db};
  if (dx.at) fd_pool_run(cpu->pool, (rows + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, backward_rows, &call);
  fd_pool_run(cpu->pool, (out + OUTPUTS_PER_ITEM - 1) / OUTPUTS_PER_ITEM, backward_weights, &call);
}
