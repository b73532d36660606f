/* Linear layers on the GPU. Wide layers are tiled products: on tensor cores if x is bf16, as it is in blocks, otherwise in fp32.
 * Narrow layers (embedding 5 -> channels, head channels -> 5, a task's head) are computed in fp32, whatever the type of their
 * rows. */
#include "cuda/blas.h"
#include "cuda/gradients.h"
#include "cuda/product.h"
#include "cuda/sum.h"

enum { THREADS = 256, WIDE = 64 /* fewest inputs and outputs */, NARROW = 32, EACH = 4, ROWS_AT_A_TIME = 16, SHARED = 48 * 1024 };

namespace {

/* Few inputs: one thread per output of a row. */
__global__ void forward_narrow(int rows, int in, int out, fd_mat x, const float *w, const float *b, fd_mat y) {
  for (size_t n = fd_first_item(); n < (size_t)rows * y.stride; n += fd_all_items()) {
    int64_t row = (int64_t)(n / y.stride);
    int o = (int)(n % y.stride);
    float sum = 0;
    for (int i = 0; i < in && o < out; i++) sum = fmaf(fd_get(x, row, i), w[(size_t)o * in + i], sum);
    fd_put(y, row, o, o < out ? sum + (b ? b[o] : 0) : 0);
  }
}

/* Many inputs: one warp per row; the inputs are divided among its lanes, whose sums are added as a tree. */
__global__ void forward_wide(int rows, int in, int out, fd_mat x, const float *w, const float *b, fd_mat y) {
  int lane = (int)threadIdx.x % FD_WARP, warps = (int)blockDim.x / FD_WARP;
  for (int64_t row = (int64_t)blockIdx.x * warps + threadIdx.x / FD_WARP; row < rows; row += (int64_t)gridDim.x * warps) {
    for (int o = 0; o < y.stride; o++) {
      float sum = 0;
      for (int i = lane; i < in && o < out; i += FD_WARP) sum = fmaf(fd_get(x, row, i), w[(size_t)o * in + i], sum);
      for (int distance = FD_WARP / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, distance);
      if (lane == 0) fd_put(y, row, o, o < out ? sum + (b ? b[o] : 0) : 0);
    }
  }
}

__global__ void backward_rows(int rows, int in, int out, const float *w, fd_mat dy, fd_mat dx) {
  for (size_t n = fd_first_item(); n < (size_t)rows * dx.stride; n += fd_all_items()) {
    int64_t row = (int64_t)(n / dx.stride);
    int i = (int)(n % dx.stride);
    float sum = 0;
    for (int o = 0; o < out && i < in; o++) sum = fmaf(fd_get(dy, row, o), w[(size_t)o * in + i], sum);
    fd_put(dx, row, i, sum);
  }
}

/* partial[chunk, all]: a chunk's part of dw and, if `all` includes it, of db. A block computes THREADS * EACH of these numbers;
 * if `staged`, rows pass through shared memory, `at_a_time` at once. */
__global__ void backward_parts(fd_chunking c, int in, int out, int all, fd_mat x, fd_mat dy, int at_a_time, int staged,
                               float *partial) {
  float *dy_rows = (float *)fd_shared(), *x_rows = dy_rows + at_a_time * out, sum[EACH] = {0};
  int first = fd_chunk_begin(c, (int)blockIdx.y), last = fd_chunk_end(c, (int)blockIdx.y);
  int number = (int)blockIdx.x * THREADS * EACH + (int)threadIdx.x;
  for (int r0 = first; r0 < last; r0 += at_a_time) {
    int n = last - r0 < at_a_time ? last - r0 : at_a_time;
    __syncthreads();
    for (int i = (int)threadIdx.x; staged && i < n * out; i += THREADS) dy_rows[i] = fd_get(dy, r0 + i / out, i % out);
    for (int i = (int)threadIdx.x; staged && i < n * in; i += THREADS) x_rows[i] = fd_get(x, r0 + i / in, i % in);
    __syncthreads();
    for (int e = 0; e < EACH; e++) {
      int k = number + e * THREADS, o = k < out * in ? k / in : k - out * in, i = k < out * in ? k % in : -1;
      for (int r = 0; r < n && k < all; r++) {
        float d = staged ? dy_rows[r * out + o] : fd_get(dy, r0 + r, o);
        sum[e] = fmaf(d, i < 0 ? 1.0f : staged ? x_rows[r * in + i] : fd_get(x, r0 + r, i), sum[e]);
      }
    }
  }
  for (int e = 0; e < EACH; e++)
    if (number + e * THREADS < all) partial[(size_t)blockIdx.y * all + number + e * THREADS] = sum[e];
}

__global__ void add_parts(fd_chunking c, int in, int out, int all, const float *partial, float *dw, float *db) {
  for (int n = (int)fd_first_item(); n < all; n += (int)fd_all_items()) {
    float sum = fd_sum_chunks(c, partial + n, all);
    if (n < out * in) dw[n] = sum;
    else db[n - out * in] = sum;
  }
}

/* y = sum + b; padding is set to zero. */
struct row_epilogue {
  const float *b;
  int columns, in_fours;
  fd_mat y;
  enum { COLUMNS = 4 };
  struct place {
    int column;
    float bias[COLUMNS];
  };
  struct ahead {};
  __device__ void begin(const fd_part &, int, int, int *) const {}
  __device__ int go(place &at, const fd_part &, int column, const int *) const {
    at.column = column;
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) at.bias[i] = b && column + i < columns ? b[column + i] : 0;
    return 1;
  }
  __device__ ahead read(const place &, int) const { return {}; }
  __device__ void finish(const place &at, const ahead &, int row, const float *sum) const {
    float v[COLUMNS];
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) v[i] = at.column + i < columns ? sum[i] + at.bias[i] : 0;
    if (in_fours) return fd_put4(y, row, at.column, v);
#pragma unroll
    for (int i = 0; i < COLUMNS; i++)
      if (at.column + i < y.stride) fd_put(y, row, at.column + i, v[i]);
  }
  __device__ void operator()(int row, int column, const float sum[4]) const {
    place at;
    go(at, {}, column, NULL);
    finish(at, {}, row, sum);
  }
};

row_epilogue epilogue_of(const float *b, int columns, fd_mat y) {
  return {b, columns, y.stride % 4 == 0 && (uintptr_t)y.at % 16 == 0, y};
}

/* Converts rows to bf16 and sets their padding to zero. */
__global__ void round_rows(int rows, int columns, fd_mat from, fd_mat to) {
  for (size_t n = fd_first_item(); n < (size_t)rows * to.stride; n += fd_all_items()) {
    int64_t row = (int64_t)(n / to.stride);
    int column = (int)(n % to.stride);
    fd_put(to, row, column, column < columns ? fd_get(from, row, column) : 0);
  }
}

/* dy, rounded to bf16 if x is bf16 and dy is not: a gradient of logits then has the type of all other gradients. */
fd_mat rounded(fd_cuda *cuda, int rows, int columns, fd_mat x, fd_mat dy) {
  if (x.type != FD_BF16 || dy.type == FD_BF16) return dy;
  fd_form form = cuda->device.form;
  fd_mat to = fd_form_mat(form, fd_cuda_scratch(cuda, FD_SLOT_DM, (size_t)rows * fd_form_row(form, columns)), columns);
  if (to.at)
    FD_LAUNCH(cuda, round_rows, dim3(fd_blocks((size_t)rows * (size_t)to.stride, THREADS)), THREADS, 0, rows, columns, dy, to);
  return to;
}

int is_wide(int in, int out) { return in >= WIDE && out >= WIDE; }

/* The weights in the type of x. */
fd_mat weights_for(fd_cuda *cuda, fd_mat x, const float *w, int in, int out) {
  return x.type == FD_BF16 ? fd_cuda_weights(cuda, w, out, in) : fd_dense(w, in);
}

int product_columns(fd_mat y) { return (y.stride + 3) / 4 * 4; }

/* y = x w^T + b by the library, which requires b in the type of y. */
void forward_by_library(fd_cuda *cuda, int rows, int in, int out, fd_mat x, const float *w, const float *b, fd_mat y) {
  const void *bias = b && y.type == FD_BF16 ? fd_cuda_weights(cuda, b, 1, out).at : b;
  fd_blas_multiply(cuda, {rows, out, in, 1, x, fd_cuda_weights(cuda, w, out, in), y, 0, 0, bias});
}

void wide_backward(fd_cuda *cuda, int rows, int micro_batches, int in, int out, fd_mat x, const float *w, fd_mat dy, fd_mat dx,
                   float *dw, float *db) {
  fd_mat operand = rounded(cuda, rows, out, x, dy);
  if (!operand.at) return;
  if (dx.at && fd_blas_takes(cuda, in, out, x))
    fd_blas_multiply(cuda, {rows, in, out, 1, operand, fd_cuda_weights(cuda, w, out, in), dx, 0, 1, NULL});
  else if (dx.at)
    fd_product<false, true>(cuda, operand, weights_for(cuda, x, w, in, out), {rows, product_columns(dx), out, 0},
                            epilogue_of(NULL, in, dx));
  fd_cuda_layer_gradients(cuda, rows, micro_batches, {in, out, x, operand, dw, db}, {0, 0, {}, {}, NULL, NULL});
}

void narrow_backward(fd_cuda *cuda, int rows, int micro_batches, int in, int out, fd_mat x, const float *w, fd_mat dy, fd_mat dx,
                     float *dw, float *db) {
  fd_chunking c = fd_chunking_of(rows, micro_batches, fd_chunk_rows(rows / micro_batches) / 4);
  int chunks = c.micro_batches * c.count, all = out * in + (db ? out : 0);
  int row = (in + out) * (int)sizeof(float), staged = row <= SHARED, most = staged ? SHARED / row : 1,
      at_a_time = most < ROWS_AT_A_TIME ? most : ROWS_AT_A_TIME;
  size_t shared = staged ? (size_t)(at_a_time * row) : 0;
  float *partial = (float *)fd_cuda_scratch(cuda, FD_SLOT_PARTIAL, (size_t)chunks * (size_t)all * sizeof(float));
  if (!partial) return;
  if (dx.at)
    FD_LAUNCH(cuda, backward_rows, dim3(fd_blocks((size_t)rows * (size_t)dx.stride, THREADS)), THREADS, 0, rows, in, out, w, dy,
              dx);
  FD_LAUNCH(cuda, backward_parts, dim3(fd_blocks((size_t)all, THREADS * EACH), (unsigned)chunks), THREADS, shared, c, in, out,
            all, x, dy, at_a_time, staged, partial);
  FD_LAUNCH(cuda, add_parts, dim3(fd_blocks((size_t)all, THREADS)), THREADS, 0, c, in, out, all, partial, dw, db);
}

}  // namespace

void fd_cuda_linear_forward(fd_device *dev, int rows, int in, int out, fd_mat x, const float *w, const float *b, fd_mat y) {
  fd_cuda *cuda = fd_cuda_of(dev);
  if (is_wide(in, out) && fd_blas_takes(cuda, in, out, x)) forward_by_library(cuda, rows, in, out, x, w, b, y);
  else if (is_wide(in, out))
    fd_product<false, false>(cuda, x, weights_for(cuda, x, w, in, out), {rows, product_columns(y), in, out},
                             epilogue_of(b, out, y));
  else if (in <= NARROW)
    FD_LAUNCH(cuda, forward_narrow, dim3(fd_blocks((size_t)rows * (size_t)y.stride, THREADS)), THREADS, 0, rows, in, out, x, w, b,
              y);
  else FD_LAUNCH(cuda, forward_wide, dim3(fd_blocks((size_t)rows, THREADS / FD_WARP)), THREADS, 0, rows, in, out, x, w, b, y);
}

void fd_cuda_linear_act_forward(fd_device *dev, int rows, int in, int width, fd_mat x, const float *w, const float *b, fd_act act,
                                int gated, fd_mat h, fd_mat y) {
  fd_cuda_linear_forward(dev, rows, in, gated ? 2 * width : width, x, w, b, h);
  fd_cuda_act_forward(dev, rows, width, act, gated, h, y);
}

void fd_cuda_linear_backward(fd_device *dev, int rows, int micro_batches, int in, int out, fd_mat x, const float *w, fd_mat dy,
                             fd_mat dx, float *dw, float *db) {
  if (is_wide(in, out)) wide_backward(fd_cuda_of(dev), rows, micro_batches, in, out, x, w, dy, dx, dw, db);
  else narrow_backward(fd_cuda_of(dev), rows, micro_batches, in, out, x, w, dy, dx, dw, db);
}
