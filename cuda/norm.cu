/* Normalization and activations of rows on the GPU. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 256, WARPS = THREADS / FD_WARP, COLUMNS = 64 };

namespace {

/* One warp per row. */
__global__ void norm_forward(int rows, fd_norm norm, fd_mat x, fd_mat y, float *stats) {
  int lane = (int)threadIdx.x % FD_WARP, width = norm.width;
  int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / FD_WARP;
  if (row >= rows) return;
  float sum = 0, squares = 0;
  for (int i = lane; i < width && !norm.rms; i += FD_WARP) sum += fd_get(x, row, i);
  float mean = norm.rms ? 0 : fd_warp_sum(sum) / (float)width;
  for (int i = lane; i < width; i += FD_WARP) {
    float v = fd_get(x, row, i) - mean;
    squares = fmaf(v, v, squares);
  }
  float scale = 1 / sqrtf(fd_warp_sum(squares) / (float)width + norm.eps);
  for (int i = lane; i < y.stride; i += FD_WARP) {
    float v = i < width ? (fd_get(x, row, i) - mean) * scale : 0;
    if (i < width && norm.w) v *= norm.w[i];
    if (i < width && norm.b) v += norm.b[i];
    fd_put(y, row, i, v);
  }
  if (lane == 0 && stats) stats[2 * row] = mean, stats[2 * row + 1] = scale;
}

__global__ void norm_backward(int rows, fd_norm norm, fd_mat x, const float *stats, fd_mat dy, fd_mat dx) {
  int lane = (int)threadIdx.x % FD_WARP, width = norm.width;
  int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / FD_WARP;
  if (row >= rows) return;
  float mean = stats[2 * row], scale = stats[2 * row + 1], sum = 0, product = 0;
  for (int i = lane; i < width; i += FD_WARP) {
    float g = fd_get(dy, row, i) * (norm.w ? norm.w[i] : 1);
    sum += g;
    product = fmaf(g, (fd_get(x, row, i) - mean) * scale, product);
  }
  float all = norm.rms ? 0 : fd_warp_sum(sum) / (float)width, along = fd_warp_sum(product) / (float)width;
  for (int i = lane; i < dx.stride; i += FD_WARP) {
    float v = 0;
    if (i < width)
      v = scale * (fd_get(dy, row, i) * (norm.w ? norm.w[i] : 1) - fmaf((fd_get(x, row, i) - mean) * scale, along, all));
    fd_put(dx, row, i, v);
  }
}

/* partial[chunk, 2 * width]: a chunk's part of dw, then of db. One thread per column. */
__global__ void norm_parts(fd_chunking c, int width, fd_mat x, const float *stats, fd_mat dy, float *partial) {
  int column = (int)fd_first_item(), chunk = (int)blockIdx.y;
  if (column >= width) return;
  float w = 0, b = 0;
  for (int64_t r = fd_chunk_begin(c, chunk); r < fd_chunk_end(c, chunk); r++) {
    float d = fd_get(dy, r, column);
    w = fmaf(d, (fd_get(x, r, column) - stats[2 * r]) * stats[2 * r + 1], w);
    b += d;
  }
  partial[(size_t)chunk * 2 * width + column] = w;
  partial[(size_t)chunk * 2 * width + width + column] = b;
}

__global__ void norm_weights(fd_chunking c, int width, const float *partial, float *dw, float *db) {
  int column = (int)fd_first_item();
  if (column >= width) return;
  if (dw) dw[column] = fd_sum_chunks(c, partial + column, 2 * width);
  if (db) db[column] = fd_sum_chunks(c, partial + width + column, 2 * width);
}

__device__ inline float act_of(fd_act act, float x) {
  if (act == FD_ACT_TANH) return tanhf(x);
  return act == FD_ACT_GELU ? fd_gelu(x) : act == FD_ACT_RELU ? (x > 0 ? x : x != x ? x : 0) : x / (1 + expf(-x));
}

__device__ inline float act_slope(fd_act act, float x) {
  if (act == FD_ACT_GELU) return fd_gelu_slope(x);
  if (act == FD_ACT_RELU) return x > 0;
  if (act == FD_ACT_TANH) return 1 / (coshf(x) * coshf(x)); /* 1 - tanh^2 without cancellation */
  float sigmoid = 1 / (1 + expf(-x));
  return sigmoid * fmaf(x, 1 - sigmoid, 1.0f);
}

__global__ void act_forward(int rows, int width, fd_act act, int gated, fd_mat x, fd_mat y) {
  for (size_t n = fd_first_item(); n < (size_t)rows * y.stride; n += fd_all_items()) {
    int64_t row = (int64_t)(n / y.stride);
    int i = (int)(n % y.stride);
    float v = i < width ? act_of(act, fd_get(x, row, i)) : 0;
    if (gated && i < width) v *= fd_get(x, row, width + i);
    fd_put(y, row, i, v);
  }
}

/* dx may be x: one thread reads and writes an element and its gate. */
__global__ void act_backward(int rows, int width, fd_act act, int gated, fd_mat x, fd_mat dy, fd_mat dx) {
  for (size_t n = fd_first_item(); n < (size_t)rows * dx.stride; n += fd_all_items()) {
    int64_t row = (int64_t)(n / dx.stride);
    int i = (int)(n % dx.stride);
    if (i < width) {
      float v = fd_get(x, row, i), d = fd_get(dy, row, i), gate = gated ? fd_get(x, row, width + i) : 1;
      fd_put(dx, row, i, d * gate * act_slope(act, v));
      if (gated) fd_put(dx, row, width + i, d * act_of(act, v));
    } else if (i >= width * (1 + gated)) {
      fd_put(dx, row, i, 0);
    }
  }
}

}  // namespace

void fd_cuda_norm_forward(fd_device *dev, int rows, const fd_norm *norm, fd_mat x, fd_mat y, float *stats) {
  FD_LAUNCH(fd_cuda_of(dev), norm_forward, dim3(fd_blocks((size_t)rows, WARPS)), THREADS, 0, rows, *norm, x, y, stats);
}

void fd_cuda_norm_backward(fd_device *dev, int rows, int micro_batches, const fd_norm *norm, fd_mat x, const float *stats,
                           fd_mat dy, fd_mat dx, float *dw, float *db) {
  fd_cuda *cuda = fd_cuda_of(dev);
  fd_chunking c = fd_chunking_of(rows, micro_batches, fd_chunk_rows(rows / micro_batches) / 4);
  int chunks = c.micro_batches * c.count;
  unsigned across = fd_blocks((size_t)norm->width, COLUMNS);
  if (dx.at) FD_LAUNCH(cuda, norm_backward, dim3(fd_blocks((size_t)rows, WARPS)), THREADS, 0, rows, *norm, x, stats, dy, dx);
  if (!dw && !db) return;
  float *partial = (float *)fd_cuda_scratch(cuda, FD_SLOT_PARTIAL, 2 * (size_t)chunks * (size_t)norm->width * sizeof(float));
  if (!partial) return;
  FD_LAUNCH(cuda, norm_parts, dim3(across, (unsigned)chunks), COLUMNS, 0, c, norm->width, x, stats, dy, partial);
  FD_LAUNCH(cuda, norm_weights, dim3(across), COLUMNS, 0, c, norm->width, partial, dw, db);
}

void fd_cuda_act_forward(fd_device *dev, int rows, int width, fd_act act, int gated, fd_mat x, fd_mat y) {
  FD_LAUNCH(fd_cuda_of(dev), act_forward, dim3(fd_blocks((size_t)rows * (size_t)y.stride, THREADS)), THREADS, 0, rows, width, act,
            gated, x, y);
}

void fd_cuda_act_backward(fd_device *dev, int rows, int width, fd_act act, int gated, fd_mat x, fd_mat dy, fd_mat dx) {
  FD_LAUNCH(fd_cuda_of(dev), act_backward, dim3(fd_blocks((size_t)rows * (size_t)dx.stride, THREADS)), THREADS, 0, rows, width,
            act, gated, x, dy, dx);
}
