/* Batch normalization on the GPU: one thread block per column, over all rows. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 256 };

namespace {

/* The sum of `term` over the rows, returned to all threads of the block. */
template <class F>
__device__ inline double sum_rows(int rows, F term) {
  double mine = 0;
  for (int r = (int)threadIdx.x; r < rows; r += FD_SUM_THREADS) mine += term(r);
  fd_sum_block(mine);
  double all = ((double *)fd_shared())[0];
  __syncthreads();
  return all;
}

/* One block per column; columns past the width are padding. */
__global__ void batch_norm_forward(int rows, fd_norm norm, fd_mat x, fd_mat y, float *stats) {
  int i = (int)blockIdx.x;
  if (i >= norm.width) {
    for (int r = (int)threadIdx.x; r < rows; r += FD_SUM_THREADS) fd_put(y, r, i, 0);
    return;
  }
  double mean = sum_rows(rows, [=](int r) { return (double)fd_get(x, r, i); }) / rows;
  double squares = sum_rows(rows, [=](int r) {
    double v = (double)fd_get(x, r, i) - mean;
    return v * v;
  });
  double root = 1 / sqrt(squares / rows + (double)norm.eps);
  float middle = (float)mean, scale = (float)((norm.w ? (double)norm.w[i] : 1) * root), shift = norm.b ? norm.b[i] : 0;
  for (int r = (int)threadIdx.x; r < rows; r += FD_SUM_THREADS) fd_put(y, r, i, fmaf(fd_get(x, r, i) - middle, scale, shift));
  if (threadIdx.x || !stats) return;
  stats[i] = middle;
  stats[norm.width + i] = (float)root;
  stats[2 * norm.width + i] = (float)(squares / (rows > 1 ? rows - 1 : 1));
}

struct batch_norm_grads {
  float *dw, *db, *mean, *variance;
};

__global__ void batch_norm_backward(int rows, fd_norm norm, fd_mat x, const float *stats, fd_mat dy, fd_mat dx,
                                    batch_norm_grads to) {
  int i = (int)blockIdx.x;
  if (i >= norm.width) {
    for (int r = (int)threadIdx.x; r < rows; r += FD_SUM_THREADS) fd_put(dx, r, i, 0);
    return;
  }
  double mean = (double)stats[i], root = (double)stats[norm.width + i], w = norm.w ? (double)norm.w[i] : 1;
  double sum = sum_rows(rows, [=](int r) { return (double)fd_get(dy, r, i); });
  double along = sum_rows(rows, [=](int r) { return (double)fd_get(dy, r, i) * ((double)fd_get(x, r, i) - mean) * root; });
  for (int r = (int)threadIdx.x; dx.at && r < rows; r += FD_SUM_THREADS) {
    double hat = ((double)fd_get(x, r, i) - mean) * root;
    fd_put(dx, r, i, (float)(w * root * ((double)fd_get(dy, r, i) - (sum + hat * along) / rows)));
  }
  if (threadIdx.x) return;
  to.dw[i] = (float)along, to.db[i] = (float)sum;
  to.mean[i] = stats[i], to.variance[i] = stats[2 * norm.width + i];
}

__global__ void batch_norm_apply(int rows, fd_norm norm, const float *mean, const float *variance, fd_mat x, fd_mat y) {
  for (size_t n = fd_first_item(); n < (size_t)rows * y.stride; n += fd_all_items()) {
    int64_t row = (int64_t)(n / y.stride);
    int i = (int)(n % y.stride);
    float v = 0;
    if (i < norm.width) {
      float scale = (float)((norm.w ? (double)norm.w[i] : 1) / sqrt((double)variance[i] + (double)norm.eps));
      v = fmaf(fd_get(x, row, i) - mean[i], scale, norm.b ? norm.b[i] : 0);
    }
    fd_put(y, row, i, v);
  }
}

}  // namespace

void fd_cuda_batch_norm_forward(fd_device *dev, int rows, const fd_norm *norm, fd_mat x, fd_mat y, float *stats) {
  FD_LAUNCH(fd_cuda_of(dev), batch_norm_forward, dim3((unsigned)y.stride), FD_SUM_THREADS, FD_SUM_THREADS * sizeof(double), rows,
            *norm, x, y, stats);
}

void fd_cuda_batch_norm_backward(fd_device *dev, int rows, const fd_norm *norm, fd_mat x, const float *stats, fd_mat dy,
                                 fd_mat dx, float *dw, float *db, float *mean, float *variance) {
  unsigned columns = (unsigned)(dx.at ? dx.stride : norm->width);
  FD_LAUNCH(fd_cuda_of(dev), batch_norm_backward, dim3(columns), FD_SUM_THREADS, FD_SUM_THREADS * sizeof(double), rows, *norm, x,
            stats, dy, dx, batch_norm_grads{dw, db, mean, variance});
}

void fd_cuda_batch_norm_apply(fd_device *dev, int rows, const fd_norm *norm, const float *mean, const float *variance, fd_mat x,
                              fd_mat y) {
  FD_LAUNCH(fd_cuda_of(dev), batch_norm_apply, dim3(fd_blocks((size_t)rows * (size_t)y.stride, THREADS)), THREADS, 0, rows, *norm,
            mean, variance, x, y);
}
