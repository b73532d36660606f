/* Gradients of weights and biases: one sum per chunk of rows, then the chunks' sums added in a fixed order. */
#include "cuda/gradients.h"

#include "cuda/blas.h"
#include "cuda/sum.h"
#include "cuda/warpgroup_gradients.h"

enum { THREADS = 256, COLUMNS = 64 /* threads per block of column_sums */ };

namespace {

/* The sums of chunks of rows, [chunks, rows, stride], and the destination of their total, [rows, columns] or, transposed,
 * [columns, rows]. */
struct chunk_sums {
  float *at;
  fd_chunking chunks;
  int rows, columns, stride, transposed;
  float *out;
};

size_t size_of(const chunk_sums &p) {
  return (size_t)p.chunks.micro_batches * (size_t)p.chunks.count * (size_t)p.rows * (size_t)p.stride;
}

/* Stores a chunk's part of a weight gradient, and of the bias gradient. */
struct partial_epilogue {
  float *partial;
  int rows, stride;
  float *bias; /* NULL: none */
  int bias_stride;
  __device__ int sums_rows() const { return bias != NULL; }
  __device__ void row_sum(int row, float sum) const { bias[(int64_t)blockIdx.z * bias_stride + row] = sum; }
  __device__ void operator()(int row, int column, const float sum[4]) const {
    float *to = partial + ((int64_t)blockIdx.z * rows + row) * stride + column;
    *(float4 *)to = make_float4(sum[0], sum[1], sum[2], sum[3]);
  }

  enum { COLUMNS = 4 };
  struct place {
    int column;
  };
  struct ahead {};
  __device__ void begin(const fd_part &, int, int, int *) const {}
  __device__ int go(place &at, const fd_part &, int column, const int *) const { return at.column = column, 1; }
  __device__ ahead read(const place &, int) const { return {}; }
  __device__ void finish(const place &at, const ahead &, int row, const float *sum) const { (*this)(row, at.column, sum); }
};

/* blockIdx.y selects one of the four. Chunks' sums, which are many, are read in their order. */
__global__ void add_chunks(chunk_sums a, chunk_sums b, chunk_sums c, chunk_sums d) {
  chunk_sums p = a;
  if (blockIdx.y == 1) p = b;
  if (blockIdx.y == 2) p = c;
  if (blockIdx.y == 3) p = d;
  for (size_t n = fd_first_item(); n < (size_t)p.rows * p.columns; n += fd_all_items()) {
    size_t row = n / p.columns, column = n % p.columns;
    p.out[p.transposed ? column * p.rows + row : n] =
        fd_sum_chunks(p.chunks, p.at + row * p.stride + column, (int64_t)p.rows * p.stride);
  }
}

/* The sums of the columns of m over the rows of chunk `blockIdx.y`, one column per thread. */
__global__ void column_sums(fd_mat m, fd_chunking chunks, float *sums) {
  int first = fd_chunk_begin(chunks, (int)blockIdx.y), last = fd_chunk_end(chunks, (int)blockIdx.y);
  int column = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  float sum = 0;
  if (column >= m.stride) return;
  for (int r = first; r < last; r++) sum += fd_get(m, r, column);
  sums[(int64_t)blockIdx.y * m.stride + column] = sum;
}

int in_fours(int columns) { return (columns + 3) / 4 * 4; }

chunk_sums of_weights(const fd_layer_gradients &l, fd_chunking chunks, int transposed) {
  int rows = transposed ? l.in : l.out, columns = transposed ? l.out : l.in;
  return {NULL, chunks, rows, columns, in_fours(columns), transposed, l.dw};
}

chunk_sums of_biases(const fd_layer_gradients &l, fd_chunking chunks) {
  return {NULL, chunks, l.db != NULL, l.out, l.dy.stride, 0, l.db};
}

fd_product_one<partial_epilogue> product_of(const fd_layer_gradients &l, int rows, const chunk_sums &weights,
                                            const chunk_sums &biases) {
  return {
      l.dy, l.x, {l.out, weights.stride, rows, 0}, {weights.at, l.out, weights.stride, l.db ? biases.at : NULL, biases.stride}};
}

/* Whether the library computes the weight gradients, with one chunk per micro-batch: those of a block, and those of a linear
 * layer that it takes. */
int is_for_library(const fd_cuda *cuda, int rows, const fd_layer_gradients &first, const fd_layer_gradients &second) {
  return rows > 0 && first.dy.type == first.x.type &&
         (second.out ? cuda->blas != NULL : fd_blas_takes(cuda, first.in, first.out, first.x));
}

/* By the library, whose gradient of weights is one sum per micro-batch; it sums no rows. */
void library_sums(fd_cuda *cuda, int rows, int micro_batches, const fd_layer_gradients &l, const chunk_sums &weights,
                  const chunk_sums &biases) {
  fd_blas_multiply(
      cuda, {l.out, l.in, rows / micro_batches, micro_batches, l.dy, l.x, fd_dense(weights.at, weights.stride), 1, 1, NULL});
  if (l.db)
    FD_LAUNCH(cuda, column_sums,
              dim3(fd_blocks((size_t)l.dy.stride, COLUMNS), (unsigned)(biases.chunks.micro_batches * biases.chunks.count)),
              COLUMNS, 0, l.dy, biases.chunks, biases.at);
}

/* Whether warpgroup_gradients.h computes the gradients of two layers, which must be W2 and W1 of a block. */
int is_for_warpgroups(const fd_cuda *cuda, int rows, const fd_layer_gradients &w2, const fd_layer_gradients &w1) {
  for (const fd_mat &m : {w1.x, w1.dy, w2.x, w2.dy})
    if (!fd_in_pieces(m)) return 0;
  return rows > 0 && w2.in == w1.out && w2.out == w1.in && fd_weight_sums_fit(cuda, w1.out, w1.in);
}

/* The product for the gradients of a layer of a block, one of whose x and dy has hidden units as columns, the other channels. */
fd_weight_sums_product product_of_sums(fd_cuda *cuda, fd_mat units, fd_mat channels, const fd_layer_gradients &l,
                                       const chunk_sums &weights, const chunk_sums &biases) {
  fd_chunking c = weights.chunks;
  return {fd_tensor_map_of(cuda, units, c.rows, c.micro_batches),
          fd_tensor_map_of(cuda, channels, c.rows, c.micro_batches),
          weights.at,
          l.db ? biases.at : NULL,
          l.out,
          biases.stride,
          weights.transposed};
}

}  // namespace

void fd_cuda_layer_gradients(fd_cuda *cuda, int rows, int micro_batches, const fd_layer_gradients &first,
                             const fd_layer_gradients &second) {
  int each = rows / micro_batches, library = is_for_library(cuda, each, first, second),
      warpgroups = !library && is_for_warpgroups(cuda, each, first, second);
  fd_chunking chunks = fd_chunking_of(rows, micro_batches, fd_chunk_rows(each)),
              whole = fd_chunking_of(rows, micro_batches, library ? each : chunks.chunk);
  chunk_sums weights1 = of_weights(first, whole, warpgroups), weights2 = of_weights(second, whole, 0),
             biases1 = of_biases(first, chunks), biases2 = of_biases(second, chunks);
  size_t size = 0, most = 0;
  for (const chunk_sums *p : {&weights1, &weights2, &biases1, &biases2}) {
    size_t entries = (size_t)p->rows * (size_t)p->columns;
    size += size_of(*p), most = entries > most ? entries : most;
  }
  float *at = (float *)fd_cuda_scratch(cuda, FD_SLOT_PARTIAL, size * sizeof(float));
  if (!at) return;
  for (chunk_sums *p : {&weights1, &weights2, &biases1, &biases2}) p->at = at, at += size_of(*p);
  if (library) library_sums(cuda, rows, micro_batches, first, weights1, biases1);
  if (library && second.out) library_sums(cuda, rows, micro_batches, second, weights2, biases2);
  if (warpgroups)
    fd_weight_sums_launch(cuda, product_of_sums(cuda, first.x, first.dy, first, weights1, biases1),
                          product_of_sums(cuda, second.dy, second.x, second, weights2, biases2), chunks, weights1.rows,
                          weights1.stride);
  else if (!library)
    fd_product_pair<true, true, partial_epilogue>(cuda, product_of(first, rows, weights1, biases1),
                                                  product_of(second, rows, weights2, biases2), chunks);
  FD_LAUNCH(cuda, add_chunks, dim3(fd_blocks(most, THREADS), 4), THREADS, 0, weights1, weights2, biases1, biases2);
}
