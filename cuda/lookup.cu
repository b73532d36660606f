/* Rows by their index on the GPU: tables of embeddings, selection, rotary positions. */
#include <vector>

#include "cuda/matrix.h"
#include "cuda/sum.h"
#include "device/rotary.h"

enum { THREADS = 256, WARPS = THREADS / FD_WARP, EACH = 4 };

namespace {

/* A thread has an element of y. */
__global__ void lookup(int rows, int width, const float *table, const int *ids, int add, fd_mat y) {
  for (size_t n = fd_first_item(); n < (size_t)rows * y.stride; n += fd_all_items()) {
    int64_t row = (int64_t)(n / y.stride);
    int column = (int)(n % y.stride), id = ids[row];
    float x = id < 0 || column >= width ? 0 : table[(size_t)id * width + column];
    fd_put(y, row, column, add ? fd_get(y, row, column) + x : x);
  }
}

struct columns {
  float v[EACH];
};

__device__ inline columns operator+(columns a, columns b) {
#pragma unroll
  for (int i = 0; i < EACH; i++) a.v[i] += b.v[i];
  return a;
}

/* A warp has an id and EACH columns for each lane. It looks through the ids, a row for each lane at a time. */
__global__ void lookup_backward(int rows, int parts, int width, int size, const int *ids, int add, fd_mat dy, float *dtable) {
  int lane = (int)threadIdx.x % FD_WARP, id = (int)blockIdx.x * WARPS + (int)threadIdx.x / FD_WARP,
      first = (int)blockIdx.y * FD_WARP * EACH + lane, each = rows / parts;
  if (id >= size) return;
  columns all = fd_sum_parts<columns>(parts, [=](int p) {
    columns sum = {};
    for (int r = p * each; r < (p + 1) * each; r += FD_WARP) {
      unsigned found = __ballot_sync(0xffffffffu, r + lane < (p + 1) * each && ids[r + lane] == id);
      for (; found; found &= found - 1) {
        int row = r + __ffs((int)found) - 1;
#pragma unroll
        for (int i = 0; i < EACH; i++)
          if (first + i * FD_WARP < width) sum.v[i] += fd_get(dy, row, first + i * FD_WARP);
      }
    }
    return sum;
  });
#pragma unroll
  for (int i = 0; i < EACH; i++)
    if (first + i * FD_WARP < width) {
      float *to = &dtable[(size_t)id * width + first + i * FD_WARP];
      *to = add ? *to + all.v[i] : all.v[i];
    }
}

__global__ void select_rows(int n, int width, const int *index, fd_mat x, fd_mat y) {
  for (size_t i = fd_first_item(); i < (size_t)n * y.stride; i += fd_all_items()) {
    int64_t row = (int64_t)(i / y.stride);
    int column = (int)(i % y.stride), from = index[row];
    fd_put(y, row, column, from < 0 || column >= width ? 0 : fd_get(x, from, column));
  }
}

__global__ void scatter_rows(int n, int width, const int *index, fd_mat x, fd_mat y) {
  for (size_t i = fd_first_item(); i < (size_t)n * width; i += fd_all_items()) {
    int64_t row = (int64_t)(i / width);
    int column = (int)(i % width), to = index[row];
    if (to >= 0) fd_put(y, to, column, fd_get(x, row, column));
  }
}

/* A thread has a pair of columns. */
__global__ void rotary(int rows, int heads, int dim, const int *position, const float *table, int inverse, fd_mat x) {
  int half = dim / 2, pairs = heads * half;
  for (size_t n = fd_first_item(); n < (size_t)rows * pairs; n += fd_all_items()) {
    int64_t row = (int64_t)(n / pairs);
    int pair = (int)(n % pairs), i = pair % half, column = pair / half * dim + i;
    const float *angle = table + (size_t)position[row] * dim + i;
    float a = fd_get(x, row, column), b = fd_get(x, row, column + half), sine = inverse ? -angle[half] : angle[half];
    fd_put(x, row, column, a * angle[0] - b * sine);
    fd_put(x, row, column + half, b * angle[0] + a * sine);
  }
}

}  // namespace

void fd_cuda_lookup(fd_device *dev, int rows, int width, const float *table, const int *ids, int add, fd_mat y) {
  FD_LAUNCH(fd_cuda_of(dev), lookup, dim3(fd_blocks((size_t)rows * (size_t)y.stride, THREADS)), THREADS, 0, rows, width, table,
            ids, add, y);
}

void fd_cuda_lookup_backward(fd_device *dev, int rows, int parts, int width, int size, const int *ids, int add, fd_mat dy,
                             float *dtable) {
  FD_LAUNCH(fd_cuda_of(dev), lookup_backward, dim3(fd_blocks((size_t)size, WARPS), fd_blocks((size_t)width, FD_WARP * EACH)),
            THREADS, 0, rows, parts, width, size, ids, add, dy, dtable);
}

void fd_cuda_select_rows(fd_device *dev, int n, int width, const int *index, fd_mat x, fd_mat y) {
  FD_LAUNCH(fd_cuda_of(dev), select_rows, dim3(fd_blocks((size_t)n * (size_t)y.stride, THREADS)), THREADS, 0, n, width, index, x,
            y);
}

void fd_cuda_scatter_rows(fd_device *dev, int n, int rows, int width, const int *index, fd_mat x, fd_mat y) {
  fd_cuda_zero(dev, (size_t)rows * (size_t)y.stride * (y.type == FD_BF16 ? 2 : 4), y.at);
  FD_LAUNCH(fd_cuda_of(dev), scatter_rows, dim3(fd_blocks((size_t)n * (size_t)width, THREADS)), THREADS, 0, n, width, index, x,
            y);
}

void fd_cuda_rotary_table(fd_device *dev, int n, int dim, double base, float *table) {
  std::vector<float> filled((size_t)n * (size_t)dim);
  fd_rotary_fill(n, dim, base, filled.data());
  dev->copy(dev, table, filled.data(), filled.size() * sizeof(float));
}

void fd_cuda_rotary(fd_device *dev, int rows, int heads, int dim, const int *position, const float *table, int inverse,
                    fd_mat x) {
  FD_LAUNCH(fd_cuda_of(dev), rotary, dim3(fd_blocks((size_t)rows * (size_t)heads * (size_t)(dim / 2), THREADS)), THREADS, 0, rows,
            heads, dim, position, table, inverse, x);
}
