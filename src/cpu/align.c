/* Feature alignment loss between a student and a frozen teacher, on the CPU. */
#include <math.h>

#include "cpu/backend.h"

enum { ROWS_PER_ITEM = 16 };

typedef struct align_call {
  int rows, width, cosine, normalize;
  fd_mat y, z, dy;
  const int *index;
  double scale, *sums; /* sums: one per row */
} align_call;

/* The mean to subtract from a target, and the factor to multiply it by then: 0 and 1 without normalization. */
static void target_statistics(const align_call *c, const float *z, double *mean, double *factor) {
  double squares = 0;
  *mean = 0, *factor = 1;
  if (!c->normalize) return;
  for (int i = 0; i < c->width; i++) *mean += (double)z[i];
  *mean /= c->width;
  for (int i = 0; i < c->width; i++) squares += ((double)z[i] - *mean) * ((double)z[i] - *mean);
  *factor = 1 / sqrt(squares / c->width + 1e-5);
}

static double squared_error(const align_call *c, const float *y, const float *z, double mean, double factor, float *dy) {
  double sum = 0;
  for (int i = 0; i < c->width; i++) {
    double error = (double)y[i] - ((double)z[i] - mean) * factor;
    sum += error * error;
    dy[i] += (float)(2 * c->scale * error);
  }
  return sum;
}

static double cosine_distance(const align_call *c, const float *y, const float *z, double mean, double factor, float *dy) {
  double along = 0, yy = 1e-12, zz = 1e-12;
  for (int i = 0; i < c->width; i++) {
    double target = ((double)z[i] - mean) * factor;
    along += (double)y[i] * target, yy += (double)y[i] * (double)y[i], zz += target * target;
  }
  double both = sqrt(yy) * sqrt(zz), cosine = along / both;
  for (int i = 0; i < c->width; i++)
    dy[i] -= (float)(c->scale * (((double)z[i] - mean) * factor / both - cosine * (double)y[i] / yy));
  return 1 - cosine;
}

static void align_item(void *context, int item, int thread) {
  (void)thread;
  const align_call *c = context;
  for (int r = item * ROWS_PER_ITEM; r < (item + 1) * ROWS_PER_ITEM && r < c->rows; r++) {
    double mean, factor;
    c->sums[r] = 0;
    if (c->index[r] < 0) continue;
    const float *z = fd_cpu_row(c->z, c->index[r]);
    target_statistics(c, z, &mean, &factor);
    c->sums[r] = (c->cosine ? cosine_distance : squared_error)(c, fd_cpu_row(c->y, r), z, mean, factor, fd_cpu_row(c->dy, r));
  }
}

void fd_cpu_align_loss(fd_device *dev, int rows, int width, int cosine, int normalize, fd_mat y, const int *index, fd_mat z,
                       float scale, fd_mat dy, double *sum) {
  fd_cpu *cpu = fd_cpu_of(dev);
  double *sums = (double *)(void *)fd_cpu_scratch(cpu, FD_SLOT_SUMS, 2 * (size_t)rows);
  align_call call = {rows, width, cosine, normalize, y, z, dy, index, (double)scale, sums};
  *sum = 0;
  if (!sums) return;
  fd_pool_run(cpu->pool, fd_parts(rows, ROWS_PER_ITEM), align_item, &call);
  for (int r = 0; r < rows; r++) *sum += sums[r];
}
