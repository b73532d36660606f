/* Batch normalization on the CPU: an item has some columns of all rows; sums are in double, in the order of the rows. */
#include <math.h>

#include "cpu/backend.h"

enum { COLUMNS = 16 };

typedef struct batch_call {
  int rows;
  const fd_norm *norm;
  fd_mat x, y, dy, dx;
  const float *stats, *mean, *variance;
  float *stats_out, *dw, *db, *mean_out, *variance_out;
} batch_call;

static int last_of(const batch_call *c, int item) {
  return (item + 1) * COLUMNS < c->norm->width ? (item + 1) * COLUMNS : c->norm->width;
}

/* y = (x - mean) scale + shift for columns first .. last-1; mean and root start at column `first`. */
static void write_rows(const batch_call *c, int first, int last, const double *mean, const double *root) {
  float scale[COLUMNS], shift[COLUMNS], middle[COLUMNS];
  for (int i = first; i < last; i++) {
    int k = i - first;
    middle[k] = (float)mean[k];
    scale[k] = (float)((c->norm->w ? (double)c->norm->w[i] : 1) * root[k]);
    shift[k] = c->norm->b ? c->norm->b[i] : 0;
  }
  for (int r = 0; r < c->rows; r++) {
    const float *x = fd_cpu_row(c->x, r);
    float *y = fd_cpu_row(c->y, r);
    for (int i = first; i < last; i++) y[i] = (x[i] - middle[i - first]) * scale[i - first] + shift[i - first];
  }
}

static void forward_item(void *context, int item, int thread) {
  (void)thread;
  const batch_call *c = context;
  int first = item * COLUMNS, last = last_of(c, item), width = c->norm->width;
  double mean[COLUMNS] = {0}, squares[COLUMNS] = {0}, root[COLUMNS] = {0};
  for (int r = 0; r < c->rows; r++)
    for (int i = first; i < last; i++) mean[i - first] += (double)fd_cpu_row(c->x, r)[i];
  for (int k = 0; k < COLUMNS; k++) mean[k] /= c->rows;
  for (int r = 0; r < c->rows; r++)
    for (int i = first; i < last; i++) {
      double v = (double)fd_cpu_row(c->x, r)[i] - mean[i - first];
      squares[i - first] += v * v;
    }
  for (int k = 0; k < last - first; k++) root[k] = 1 / sqrt(squares[k] / c->rows + (double)c->norm->eps);
  write_rows(c, first, last, mean, root);
  for (int i = first; c->stats_out && i < last; i++) {
    c->stats_out[i] = (float)mean[i - first];
    c->stats_out[width + i] = (float)root[i - first];
    c->stats_out[2 * width + i] = (float)(squares[i - first] / (c->rows > 1 ? c->rows - 1 : 1));
  }
}

static void backward_item(void *context, int item, int thread) {
  (void)thread;
  const batch_call *c = context;
  int first = item * COLUMNS, last = last_of(c, item), width = c->norm->width;
  double sum[COLUMNS] = {0}, along[COLUMNS] = {0};
  for (int r = 0; r < c->rows; r++)
    for (int i = first; i < last; i++) {
      double dy = (double)fd_cpu_row(c->dy, r)[i];
      sum[i - first] += dy;
      along[i - first] += dy * ((double)fd_cpu_row(c->x, r)[i] - (double)c->stats[i]) * (double)c->stats[width + i];
    }
  for (int r = 0; c->dx.at && r < c->rows; r++)
    for (int i = first; i < last; i++) {
      double root = (double)c->stats[width + i], hat = ((double)fd_cpu_row(c->x, r)[i] - (double)c->stats[i]) * root,
             w = c->norm->w ? (double)c->norm->w[i] : 1;
      fd_cpu_row(c->dx, r)[i] =
          (float)(w * root * ((double)fd_cpu_row(c->dy, r)[i] - (sum[i - first] + hat * along[i - first]) / c->rows));
    }
  for (int i = first; i < last; i++) {
    c->dw[i] = (float)along[i - first], c->db[i] = (float)sum[i - first];
    c->mean_out[i] = c->stats[i], c->variance_out[i] = c->stats[2 * width + i];
  }
}

static void apply_item(void *context, int item, int thread) {
  (void)thread;
  const batch_call *c = context;
  int first = item * COLUMNS, last = last_of(c, item);
  double mean[COLUMNS], root[COLUMNS];
  for (int i = first; i < last; i++) {
    mean[i - first] = (double)c->mean[i];
    root[i - first] = 1 / sqrt((double)c->variance[i] + (double)c->norm->eps);
  }
  write_rows(c, first, last, mean, root);
}

static void run(fd_device *dev, batch_call *call, fd_pool_item *item) {
  fd_pool_run(fd_cpu_of(dev)->pool, fd_parts(call->norm->width, COLUMNS), item, call);
}

void fd_cpu_batch_norm_forward(fd_device *dev, int rows, const fd_norm *norm, fd_mat x, fd_mat y, float *stats) {
  run(dev, &(batch_call){.rows = rows, .norm = norm, .x = x, .y = y, .stats_out = stats}, forward_item);
}

void fd_cpu_batch_norm_backward(fd_device *dev, int rows, const fd_norm *norm, fd_mat x, const float *stats, fd_mat dy, fd_mat dx,
                                float *dw, float *db, float *mean, float *variance) {
  batch_call call = {.rows = rows, .norm = norm, .x = x, .stats = stats, .dy = dy, .dx = dx, .dw = dw, .db = db};
  call.mean_out = mean, call.variance_out = variance;
  run(dev, &call, backward_item);
}

void fd_cpu_batch_norm_apply(fd_device *dev, int rows, const fd_norm *norm, const float *mean, const float *variance, fd_mat x,
                             fd_mat y) {
  run(dev, &(batch_call){.rows = rows, .norm = norm, .x = x, .y = y, .mean = mean, .variance = variance}, apply_item);
}
