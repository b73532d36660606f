/* Causal depthwise convolutions and the gated RMSNorm on the GPU. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 256, WARPS = THREADS / FD_WARP, COLUMNS = 64 };

namespace {

struct conv_call {
  const int *start;
  int count, rows, width, taps, reverse;
  const float *w;
  fd_mat x, y, dy;
};

/* The row that tap k reads for a row; -1 if outside the sequence. */
__device__ inline int seen_by(const conv_call &c, int row, int k, int first, int last) {
  int at = c.reverse ? row + (c.taps - 1) - k : row - (c.taps - 1) + k;
  return at >= first && at < last ? at : -1;
}

__global__ void causal_conv(conv_call c) {
  for (size_t n = fd_first_item(); n < (size_t)c.rows * c.y.stride; n += fd_all_items()) {
    int row = (int)(n / c.y.stride), i = (int)(n % c.y.stride), s = fd_sequence_of(c.start, c.count, row);
    float sum = 0;
    for (int k = 0; k < c.taps && i < c.width; k++) {
      int at = seen_by(c, row, k, c.start[s], c.start[s + 1]);
      if (at >= 0) sum = fmaf(c.w[i * c.taps + k], fd_get(c.x, at, i), sum);
    }
    fd_put(c.y, row, i, sum);
  }
}

/* partial[chunk, width, taps]: one thread per column and tap. */
__global__ void conv_parts(conv_call c, fd_chunking chunks, float *partial) {
  int item = (int)fd_first_item(), column = item / c.taps, tap = item % c.taps, chunk = (int)blockIdx.y;
  if (column >= c.width) return;
  int row = fd_chunk_begin(chunks, chunk), end = fd_chunk_end(chunks, chunk);
  float sum = 0;
  for (int s = fd_sequence_of(c.start, c.count, row); row < end; row++) {
    while (c.start[s + 1] <= row) s++;
    int at = seen_by(c, row, tap, c.start[s], c.start[s + 1]);
    if (at >= 0) sum = fmaf(fd_get(c.dy, row, column), fd_get(c.x, at, column), sum);
  }
  partial[(size_t)chunk * c.width * c.taps + item] = sum;
}

__global__ void sum_parts(fd_chunking chunks, int width, const float *partial, float *sum) {
  int i = (int)fd_first_item();
  if (i < width) sum[i] = fd_sum_chunks(chunks, partial + i, width);
}

struct gated_call {
  fd_norm norm;
  int rows, heads;
  fd_mat x, gate, y, dy, dx, dgate;
  float *scale; /* [rows, heads]: 1 / root mean square */
};

/* The row and head of a warp, and the head's first column. */
struct gated_place {
  int64_t row;
  int head, first;
};
__device__ inline gated_place place_of(const gated_call &c) {
  int64_t item = (int64_t)blockIdx.x * WARPS + threadIdx.x / FD_WARP;
  return {item / c.heads, (int)(item % c.heads), (int)(item % c.heads) * c.norm.width};
}

__device__ inline float scale_of(const gated_call &c, gated_place at) {
  float squares = 0;
  for (int i = (int)threadIdx.x % FD_WARP; i < c.norm.width; i += FD_WARP) {
    float v = fd_get(c.x, at.row, at.first + i);
    squares = fmaf(v, v, squares);
  }
  return 1 / sqrtf(fd_warp_sum(squares) / (float)c.norm.width + c.norm.eps);
}

/* Zeroes the padding of a row; only the warp of the last head does so. */
__device__ inline void pad(const gated_call &c, gated_place at, fd_mat m) {
  if (at.head < c.heads - 1) return;
  for (int i = c.heads * c.norm.width + (int)threadIdx.x % FD_WARP; i < m.stride; i += FD_WARP) fd_put(m, at.row, i, 0);
}

__global__ void gated_forward(gated_call c) {
  gated_place at = place_of(c);
  if (at.row >= c.rows) return;
  float scale = scale_of(c, at);
  for (int i = (int)threadIdx.x % FD_WARP; i < c.norm.width; i += FD_WARP) {
    float gate = fd_get(c.gate, at.row, at.first + i), normal = fd_get(c.x, at.row, at.first + i) * scale * c.norm.w[i];
    fd_put(c.y, at.row, at.first + i, normal * gate / (1 + expf(-gate)));
  }
  pad(c, at, c.y);
}

/* The gradient with respect to the normalized value of column i. */
__device__ inline float by_normal(const gated_call &c, gated_place at, int i) {
  float gate = fd_get(c.gate, at.row, at.first + i);
  return fd_get(c.dy, at.row, at.first + i) * gate / (1 + expf(-gate));
}

__global__ void gated_backward(gated_call c) {
  gated_place at = place_of(c);
  int lane = (int)threadIdx.x % FD_WARP;
  if (at.row >= c.rows) return;
  float scale = scale_of(c, at), along = 0;
  for (int i = lane; i < c.norm.width; i += FD_WARP)
    along = fmaf(by_normal(c, at, i) * c.norm.w[i], fd_get(c.x, at.row, at.first + i) * scale, along);
  along = fd_warp_sum(along) / (float)c.norm.width;
  for (int i = lane; i < c.norm.width; i += FD_WARP) {
    float hat = fd_get(c.x, at.row, at.first + i) * scale, gate = fd_get(c.gate, at.row, at.first + i),
          sigmoid = 1 / (1 + expf(-gate));
    fd_put(c.dx, at.row, at.first + i, scale * (by_normal(c, at, i) * c.norm.w[i] - hat * along));
    fd_put(c.dgate, at.row, at.first + i,
           fd_get(c.dy, at.row, at.first + i) * hat * c.norm.w[i] * sigmoid * fmaf(gate, 1 - sigmoid, 1.0f));
  }
  if (lane == 0) c.scale[at.row * c.heads + at.head] = scale;
  pad(c, at, c.dx);
  pad(c, at, c.dgate);
}

/* partial[chunk, width]: one thread per column, for all heads. */
__global__ void gated_parts(gated_call c, fd_chunking chunks, float *partial) {
  int column = (int)fd_first_item(), chunk = (int)blockIdx.y;
  if (column >= c.norm.width) return;
  float sum = 0;
  for (int64_t r = fd_chunk_begin(chunks, chunk); r < fd_chunk_end(chunks, chunk); r++)
    for (int h = 0; h < c.heads; h++) {
      gated_place at = {r, h, h * c.norm.width};
      sum = fmaf(by_normal(c, at, column), fd_get(c.x, r, at.first + column) * c.scale[r * c.heads + h], sum);
    }
  partial[(size_t)chunk * c.norm.width + column] = sum;
}

fd_chunking chunks_of(int rows, int micro_batches) {
  return fd_chunking_of(rows, micro_batches, fd_chunk_rows(rows / micro_batches) / 4);
}

/* Sums `width` columns over the rows; `kernel` computes the partial sums of chunks. */
template <class C>
void sum_rows(fd_cuda *cuda, int rows, int micro_batches, int width, void (*kernel)(C, fd_chunking, float *), const C &call,
              float *sum) {
  fd_chunking chunks = chunks_of(rows, micro_batches);
  unsigned across = fd_blocks((size_t)width, COLUMNS);
  size_t all = (size_t)chunks.micro_batches * (size_t)chunks.count;
  float *partial = (float *)fd_cuda_scratch(cuda, FD_SLOT_PARTIAL, all * (size_t)width * sizeof(float));
  if (!partial) return;
  fd_launch(cuda, "partial sums over rows", kernel, dim3(across, (unsigned)all), COLUMNS, 0, call, chunks, partial);
  FD_LAUNCH(cuda, sum_parts, dim3(across), COLUMNS, 0, chunks, width, partial, sum);
}

}  // namespace

void fd_cuda_causal_conv(fd_device *dev, const fd_seqs *seqs, int width, int taps, int reverse, const float *w, fd_mat x,
                         fd_mat y) {
  int rows = fd_seqs_rows(seqs);
  conv_call call = {seqs->device_start, seqs->count, rows, width, taps, reverse, w, x, y, {}};
  FD_LAUNCH(fd_cuda_of(dev), causal_conv, dim3(fd_blocks((size_t)rows * (size_t)y.stride, THREADS)), THREADS, 0, call);
}

void fd_cuda_causal_conv_weights(fd_device *dev, const fd_seqs *seqs, int width, int taps, int reverse, fd_mat x, fd_mat dy,
                                 float *dw) {
  int rows = fd_seqs_rows(seqs);
  conv_call call = {seqs->device_start, seqs->count, rows, width, taps, reverse, NULL, x, {}, dy};
  sum_rows(fd_cuda_of(dev), rows, seqs->micro_batches, width * taps, conv_parts, call, dw);
}

void fd_cuda_gated_norm_forward(fd_device *dev, int rows, int heads, const fd_norm *norm, fd_mat x, fd_mat gate, fd_mat y) {
  gated_call call = {*norm, rows, heads, x, gate, y, {}, {}, {}, NULL};
  FD_LAUNCH(fd_cuda_of(dev), gated_forward, dim3(fd_blocks((size_t)rows * (size_t)heads, WARPS)), THREADS, 0, call);
}

void fd_cuda_gated_norm_backward(fd_device *dev, int rows, int micro_batches, int heads, const fd_norm *norm, fd_mat x,
                                 fd_mat gate, fd_mat dy, fd_mat dx, fd_mat dgate, float *dw) {
  fd_cuda *cuda = fd_cuda_of(dev);
  size_t items = (size_t)rows * (size_t)heads;
  gated_call call = {*norm, rows, heads, x, gate, {}, dy, dx, dgate, NULL};
  call.scale = (float *)fd_cuda_scratch(cuda, FD_SLOT_SUMS, (items + 1) * sizeof(float));
  if (!call.scale) return;
  FD_LAUNCH(cuda, gated_backward, dim3(fd_blocks(items, WARPS)), THREADS, 0, call);
  sum_rows(cuda, rows, micro_batches, norm->width, gated_parts, call, dw);
}
