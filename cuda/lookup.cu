/* Access to rows by index on the GPU: embedding tables, selection and scattering of rows, rotary positions. */
#include "cuda/matrix.h"
#include "device/rotary.h"

enum { THREADS = 256 };

namespace {

/* One thread per element of y. */
__global__ void lookup(int rows, int width, const float *table, const int *ids, int add, fd_mat y) {
  for (size_t n = fd_first_item(); n < (size_t)rows * y.stride; n += fd_all_items()) {
    int64_t row = (int64_t)(n / y.stride);
    int column = (int)(n % y.stride), id = ids[row];
    float x = id < 0 || column >= width ? 0 : table[(size_t)id * width + column];
    fd_put(y, row, column, add ? fd_get(y, row, column) + x : x);
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

/* One thread per position and pair of columns. Computed in double, as on the CPU, so that tables of different GPUs differ in the
 * last bit at most. */
__global__ void rotary_table(int n, int dim, double base, float *table) {
  int half = dim / 2;
  for (size_t at = fd_first_item(); at < (size_t)n * half; at += fd_all_items()) {
    int p = (int)(at / half), i = (int)(at % half);
    double angle = p * fd_rotary_turn(dim, base, i);
    table[(size_t)p * dim + i] = (float)cos(angle);
    table[(size_t)p * dim + half + i] = (float)sin(angle);
  }
}

/* One thread per row and pair of columns. */
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
  FD_LAUNCH(fd_cuda_of(dev), rotary_table, dim3(fd_blocks((size_t)n * (size_t)(dim / 2), THREADS)), THREADS, 0, n, dim, base,
            table);
}

void fd_cuda_rotary(fd_device *dev, int rows, int heads, int dim, const int *position, const float *table, int inverse,
                    fd_mat x) {
  FD_LAUNCH(fd_cuda_of(dev), rotary, dim3(fd_blocks((size_t)rows * (size_t)heads * (size_t)(dim / 2), THREADS)), THREADS, 0, rows,
            heads, dim, position, table, inverse, x);
}
