/* Operations on single rows on the CPU: embedding tables, rows by index, activations, normalization, rotary positions. */
#include <math.h>
#include <string.h>

#include "cpu/backend.h"
#include "device/rotary.h"

enum { ROWS_PER_ITEM = 32, COLUMNS_PER_ITEM = 64 };

typedef struct rows_call {
  const fd_cpu_kernels *kernels;
  int rows, width, size, add, gated, heads, dim, inverse, mask;
  const int *index, *start;
  fd_act act;
  const fd_norm *norm;
  const float *table;
  const float *stats;
  float *stats_out, *dw, *db;
  fd_mat x, y, dy, dx;
} rows_call;

/* Runs `item` for blocks of ROWS_PER_ITEM rows, or of COLUMNS_PER_ITEM columns. */
static void run_rows(fd_device *dev, rows_call *call, fd_pool_item *item) {
  call->kernels = fd_cpu_of(dev)->kernels;
  fd_pool_run(fd_cpu_of(dev)->pool, fd_parts(call->rows, ROWS_PER_ITEM), item, call);
}

static void run_columns(fd_device *dev, rows_call *call, fd_pool_item *item) {
  call->kernels = fd_cpu_of(dev)->kernels;
  fd_pool_run(fd_cpu_of(dev)->pool, fd_parts(call->width, COLUMNS_PER_ITEM), item, call);
}

/* The end of the rows (or columns) of an item that has `each` of `all`, the last item fewer. */
static int end_of(int item, int each, int all) { return (item + 1) * each < all ? (item + 1) * each : all; }

static void lookup_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  for (int r = item * ROWS_PER_ITEM; r < end_of(item, ROWS_PER_ITEM, c->rows); r++) {
    float *y = fd_cpu_row(c->y, r);
    const float *from = c->index[r] < 0 ? NULL : c->table + (size_t)c->index[r] * (size_t)c->width;
    if (!c->add && from) memcpy(y, from, (size_t)c->width * sizeof *y);
    else if (!c->add) memset(y, 0, (size_t)c->width * sizeof *y);
    for (int j = 0; c->add && from && j < c->width; j++) y[j] += from[j];
  }
}

void fd_cpu_lookup(fd_device *dev, int rows, int width, const float *table, const int *ids, int add, fd_mat y) {
  rows_call call = {.rows = rows, .width = width, .table = table, .index = ids, .add = add, .y = y};
  run_rows(dev, &call, lookup_item);
}

/* Some columns of dtable: the rows are added in order, with `add` to the present values. */
static void lookup_backward_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  int first = item * COLUMNS_PER_ITEM, last = end_of(item, COLUMNS_PER_ITEM, c->width);
  for (int i = 0; i < c->size && !c->add; i++)
    memset(c->dw + (size_t)i * (size_t)c->width + first, 0, (size_t)(last - first) * sizeof *c->dw);
  for (int r = 0; r < c->rows; r++) {
    const float *dy = fd_cpu_row(c->dy, r);
    float *to = c->index[r] < 0 ? NULL : c->dw + (size_t)c->index[r] * (size_t)c->width;
    for (int j = first; to && j < last; j++) to[j] += dy[j];
  }
}

void fd_cpu_lookup_backward(fd_device *dev, int rows, int micro_batches, int width, int size, const int *ids, int add, fd_mat dy,
                            float *dtable) {
  (void)micro_batches; /* one: this device has no `fill` */
  rows_call call = {.rows = rows, .width = width, .size = size, .index = ids, .add = add, .dy = dy, .dw = dtable};
  run_columns(dev, &call, lookup_backward_item);
}

/* The rows of a sequence. */
static void token_dropout_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  int first = c->start[item], last = c->start[item + 1], masked = 0;
  for (int r = first; r < last; r++) masked += c->index[r] == c->mask;
  float factor = fd_token_dropout_factor(masked, last - first);
  for (int r = first; r < last; r++) {
    const float *x = fd_cpu_row(c->x, r);
    float *y = fd_cpu_row(c->y, r);
    for (int j = 0; j < c->width; j++) y[j] = c->index[r] == c->mask ? 0 : x[j] * factor;
  }
}

void fd_cpu_token_dropout(fd_device *dev, const fd_seqs *seqs, int width, const int *ids, int mask, fd_mat x, fd_mat y) {
  rows_call call = {.width = width, .start = seqs->start, .index = ids, .mask = mask, .x = x, .y = y};
  fd_pool_run(fd_cpu_of(dev)->pool, seqs->count, token_dropout_item, &call);
}

static void select_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  for (int r = item * ROWS_PER_ITEM; r < end_of(item, ROWS_PER_ITEM, c->rows); r++) {
    size_t bytes = (size_t)c->width * sizeof(float);
    if (c->index[r] < 0) memset(fd_cpu_row(c->y, r), 0, bytes);
    else memcpy(fd_cpu_row(c->y, r), fd_cpu_row(c->x, c->index[r]), bytes);
  }
}

void fd_cpu_select_rows(fd_device *dev, int n, int width, const int *index, fd_mat x, fd_mat y) {
  rows_call call = {.rows = n, .width = width, .index = index, .x = x, .y = y};
  run_rows(dev, &call, select_item);
}

static void scatter_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  for (int r = item * ROWS_PER_ITEM; r < end_of(item, ROWS_PER_ITEM, c->rows); r++)
    if (c->index[r] >= 0) memcpy(fd_cpu_row(c->y, c->index[r]), fd_cpu_row(c->x, r), (size_t)c->width * sizeof(float));
}

void fd_cpu_scatter_rows(fd_device *dev, int n, int rows, int width, const int *index, fd_mat x, fd_mat y) {
  rows_call call = {.rows = n, .width = width, .index = index, .x = x, .y = y};
  for (int r = 0; r < rows; r++) memset(fd_cpu_row(y, r), 0, (size_t)width * sizeof(float));
  run_rows(dev, &call, scatter_item);
}

static void norm_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  for (int r = item * ROWS_PER_ITEM; r < end_of(item, ROWS_PER_ITEM, c->rows); r++) {
    float stats[2];
    c->kernels->norm_forward(c->norm, fd_cpu_row(c->x, r), fd_cpu_row(c->y, r), stats);
    if (c->stats_out) memcpy(c->stats_out + 2 * (size_t)r, stats, sizeof stats);
  }
}

void fd_cpu_norm_forward(fd_device *dev, int rows, const fd_norm *norm, fd_mat x, fd_mat y, float *stats) {
  rows_call call = {.rows = rows, .norm = norm, .x = x, .y = y, .stats_out = stats};
  run_rows(dev, &call, norm_item);
}

static void norm_backward_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  for (int r = item * ROWS_PER_ITEM; r < end_of(item, ROWS_PER_ITEM, c->rows); r++)
    c->kernels->norm_backward(c->norm, fd_cpu_row(c->x, r), c->stats + 2 * (size_t)r, fd_cpu_row(c->dy, r), fd_cpu_row(c->dx, r));
}

static void norm_weights_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  int first = item * COLUMNS_PER_ITEM;
  c->kernels->norm_weights(c->rows, end_of(item, COLUMNS_PER_ITEM, c->width) - first, fd_cpu_row(c->x, 0) + first,
                           (size_t)c->x.stride, c->stats, fd_cpu_row(c->dy, 0) + first, (size_t)c->dy.stride,
                           c->dw ? c->dw + first : NULL, c->db ? c->db + first : NULL);
}

void fd_cpu_norm_backward(fd_device *dev, int rows, int micro_batches, const fd_norm *norm, fd_mat x, const float *stats,
                          fd_mat dy, fd_mat dx, float *dw, float *db) {
  (void)micro_batches; /* one: this device has no `fill` */
  rows_call call = {
      .rows = rows, .width = norm->width, .norm = norm, .x = x, .stats = stats, .dy = dy, .dx = dx, .dw = dw, .db = db};
  if (dx.at) run_rows(dev, &call, norm_backward_item);
  if (dw || db) run_columns(dev, &call, norm_weights_item);
}

static void act_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  for (int r = item * ROWS_PER_ITEM; r < end_of(item, ROWS_PER_ITEM, c->rows); r++) {
    const float *x = fd_cpu_row(c->x, r), *gate = c->gated ? x + c->width : NULL;
    if (c->y.at) c->kernels->act_forward(c->act, c->width, x, gate, fd_cpu_row(c->y, r));
    else
      c->kernels->act_backward(c->act, c->width, x, gate, fd_cpu_row(c->dy, r), fd_cpu_row(c->dx, r),
                               fd_cpu_row(c->dx, r) + c->width);
  }
}

void fd_cpu_act_forward(fd_device *dev, int rows, int width, fd_act act, int gated, fd_mat x, fd_mat y) {
  rows_call call = {.rows = rows, .width = width, .act = act, .gated = gated, .x = x, .y = y};
  run_rows(dev, &call, act_item);
}

void fd_cpu_act_backward(fd_device *dev, int rows, int width, fd_act act, int gated, fd_mat x, fd_mat dy, fd_mat dx) {
  rows_call call = {.rows = rows, .width = width, .act = act, .gated = gated, .x = x, .dy = dy, .dx = dx};
  run_rows(dev, &call, act_item);
}

void fd_cpu_rotary_table(fd_device *dev, int n, int dim, double base, float *table) {
  (void)dev;
  for (int i = 0; i < dim / 2; i++) {
    double turn = fd_rotary_turn(dim, base, i);
    for (int p = 0; p < n; p++) {
      float *row = table + (size_t)p * (size_t)dim;
      row[i] = (float)cos(p * turn);
      row[dim / 2 + i] = (float)sin(p * turn);
    }
  }
}

static void rotary_item(void *context, int item, int thread) {
  (void)thread;
  const rows_call *c = context;
  int half = c->dim / 2;
  for (int r = item * ROWS_PER_ITEM; r < end_of(item, ROWS_PER_ITEM, c->rows); r++) {
    const float *cosine = c->table + (size_t)c->index[r] * (size_t)c->dim, *sine = cosine + half;
    float *x = fd_cpu_row(c->x, r), sign = c->inverse ? -1 : 1;
    for (int h = 0; h < c->heads; h++, x += c->dim)
      for (int i = 0; i < half; i++) {
        float a = x[i], b = x[half + i], s = sign * sine[i];
        x[i] = a * cosine[i] - b * s;
        x[half + i] = b * cosine[i] + a * s;
      }
  }
}

void fd_cpu_rotary(fd_device *dev, int rows, int heads, int dim, const int *position, const float *table, int inverse, fd_mat x) {
  rows_call call = {.rows = rows, .heads = heads, .dim = dim, .index = position, .table = table, .inverse = inverse, .x = x};
  run_rows(dev, &call, rotary_item);
}
