/* Operations on rows of tokens on the GPU: views from tokens, dropout, learned [CLS] tokens, means and maxima over sequences,
 * GELU. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 256, PER_DRAW = 8 /* dropout channels per draw: 16 bits each */ };

namespace {

/* The sequences of a pack for grids over (index, sequence): sequences are along y, with a grid-stride loop if there are more of
 * them than blocks. */
struct seqs_view {
  const int *start;
  const uint64_t *draws;
  int count, cls;
};

seqs_view view_of(const fd_seqs *seqs) { return {seqs->device_start, seqs->device_draws, seqs->count, seqs->cls}; }

dim3 grid_of(const fd_seqs *seqs, int per_item) {
  int longest = 0;
  for (int i = 0; i < seqs->count; i++) {
    int rows = seqs->start[i + 1] - seqs->start[i];
    if (rows > longest) longest = rows;
  }
  return dim3(fd_blocks((size_t)longest, (size_t)(THREADS * per_item)), seqs->count < 65535 ? (unsigned)seqs->count : 65535);
}

/* As fd_normal_pair in base/random.c. */
__device__ inline void normal_pair(float out[2], uint32_t word1, uint32_t word2) {
  float u = ((float)(word1 >> 8) + 1.0f) * 0x1p-24f, radius = sqrtf(-2.0f * logf(u)),
        angle = 6.28318530717958647692f * fd_unit(word2);
  out[0] = radius * cosf(angle);
  out[1] = radius * sinf(angle);
}

/* One thread per two positions of a sequence: ten entries, whose noise is five pairs of normal values from three Philox
 * counters. */
__global__ void expand(seqs_view seqs, const uint8_t *tokens, float noise, fd_rng_key key, int view, float *x) {
  int pair = (int)fd_first_item();
  for (int s = (int)blockIdx.y; s < seqs.count; s += (int)gridDim.y) {
    int first = seqs.start[s], rows = seqs.start[s + 1] - first, bases = rows - seqs.cls, t = 2 * pair;
    if (t >= rows) continue;
    float entry[2 * FD_SYMBOLS + 2] = {0};
    for (int i = 0; i < 3 && noise > 0 && t < bases; i++) {
      uint32_t word[4];
      fd_philox(word, key, seqs.draws[s], (uint64_t)view << 56 | (uint64_t)(unsigned)pair << 2 | (uint64_t)i);
      normal_pair(entry + 4 * i, word[0], word[1]);
      normal_pair(entry + 4 * i + 2, word[2], word[3]);
    }
    for (int r = 0; r < 2 && t + r < rows; r++) {
      int token = tokens[first + t + r];
      for (int c = 0; c < FD_SYMBOLS; c++)
        x[(int64_t)(first + t + r) * FD_SYMBOLS + c] =
            (token == c ? 1.0f : 0.0f) + (t + r < bases ? noise * entry[r * FD_SYMBOLS + c] : 0.0f);
    }
  }
}

struct dropout_call {
  seqs_view seqs;
  int channels, layer;
  float rate;
  fd_rng_key key;
  fd_mat x, y, dy, masked, rest;
};

/* One thread and one Philox counter per PER_DRAW channels of a row. Padding stays zero: the factor only scales zeros there. */
__global__ void dropout(dropout_call c, int rows) {
  fd_mat shape = c.y.at ? c.y : c.dy;
  int groups = (shape.stride + PER_DRAW - 1) / PER_DRAW;
  for (size_t n = fd_first_item(); n < (size_t)rows * groups; n += fd_all_items()) {
    int row = (int)(n / groups), group = (int)(n % groups), s = fd_sequence_of(c.seqs.start, c.seqs.count, row);
    uint32_t word[4], limit = (uint32_t)((double)c.rate * 65536);
    float kept = 1 / (1 - c.rate);
    fd_philox(word, c.key, c.seqs.draws[s], fd_dropout_counter(c.layer, row - c.seqs.start[s], group));
    for (int i = 0; i < PER_DRAW && group * PER_DRAW + i < shape.stride; i++) {
      int column = group * PER_DRAW + i;
      float factor = (word[i / 2] >> (i % 2 * 16) & 0xffff) < limit ? 0 : kept;
      if (c.y.at) {
        float x = fd_get(c.x, row, column);
        fd_put(c.y, row, column, x + factor * (fd_get(c.y, row, column) - x));
      } else {
        float dy = fd_get(c.dy, row, column), masked = factor * dy;
        fd_put(c.masked, row, column, masked);
        fd_put(c.rest, row, column, dy - masked);
      }
    }
  }
}

/* A block per sequence. Each warp counts the masked tokens, then takes every so many-th row. */
__global__ void token_dropout(seqs_view seqs, int width, const int *ids, int mask, fd_mat x, fd_mat y) {
  int lane = (int)threadIdx.x % FD_WARP, warp = (int)threadIdx.x / FD_WARP, warps = (int)blockDim.x / FD_WARP;
  for (int s = (int)blockIdx.x; s < seqs.count; s += (int)gridDim.x) {
    int first = seqs.start[s], last = seqs.start[s + 1], masked = 0;
    for (int r = first + lane; r < last; r += FD_WARP) masked += ids[r] == mask;
    float factor = fd_token_dropout_factor(fd_warp_sum(masked), last - first);
    for (int r = first + warp; r < last; r += warps)
      for (int i = lane; i < y.stride; i += FD_WARP) fd_put(y, r, i, i < width && ids[r] != mask ? fd_get(x, r, i) * factor : 0);
  }
}

/* One thread per PER_DRAW columns of a row. Each entry is read before the same thread writes it, so y may be x. */
__global__ void dropout_rows(dropout_call c, const int *position, int rows) {
  int groups = (c.y.stride + PER_DRAW - 1) / PER_DRAW;
  for (size_t n = fd_first_item(); n < (size_t)rows * groups; n += fd_all_items()) {
    int row = (int)(n / groups), group = (int)(n % groups), s = fd_sequence_of(c.seqs.start, c.seqs.count, row),
        place = position ? position[row] : row - c.seqs.start[s];
    uint32_t word[4] = {}, limit = fd_dropout_limit(c.rate);
    float kept = 1 / (1 - c.rate);
    if (limit) fd_philox(word, c.key, c.seqs.draws[s], fd_dropout_counter(c.layer, place, group));
#pragma unroll
    for (int i = 0; i < PER_DRAW; i++) {
      int column = group * PER_DRAW + i;
      if (column >= c.y.stride) continue;
      float x = column < c.channels ? fd_get(c.x, row, column) : 0;
      fd_put(c.y, row, column, x * ((word[i / 2] >> (i % 2 * 16) & 0xffff) < limit ? 0 : kept));
    }
  }
}

__device__ inline void rows_of(const seqs_view &seqs, int s, int cls, int *first, int *last) {
  int middle = seqs.start[s + 1] - seqs.cls;
  *first = cls ? middle : seqs.start[s];
  *last = cls ? seqs.start[s + 1] : middle;
}

__global__ void pool_mean(seqs_view seqs, int channels, int cls, fd_mat x, size_t stride, float *out) {
  int channel = (int)fd_first_item(), first, last;
  for (int s = (int)blockIdx.y; s < seqs.count && channel < channels; s += (int)gridDim.y) {
    double sum = 0;
    rows_of(seqs, s, cls, &first, &last);
    for (int r = first; r < last; r++) sum += (double)fd_get(x, r, channel);
    out[(size_t)s * stride + channel] = (float)(sum / (last - first));
  }
}

__global__ void pool_mean_backward(seqs_view seqs, int channels, int cls, const float *dout, size_t stride, fd_mat dx) {
  int channel = (int)fd_first_item(), first, last;
  for (int s = (int)blockIdx.y; s < seqs.count && channel < channels; s += (int)gridDim.y) {
    rows_of(seqs, s, cls, &first, &last);
    float share = dout[(size_t)s * stride + channel] * (1.0f / (float)(last - first));
    for (int r = first; r < last; r++) fd_put(dx, r, channel, fd_get(dx, r, channel) + share);
  }
}

/* A NaN counts as the largest value. */
__global__ void pool_max(seqs_view seqs, int channels, int cls, fd_mat x, size_t stride, float *out, int *place) {
  int channel = (int)fd_first_item(), first, last;
  for (int s = (int)blockIdx.y; s < seqs.count && channel < channels; s += (int)gridDim.y) {
    rows_of(seqs, s, cls, &first, &last);
    float most = -INFINITY;
    int at = first;
    for (int r = first; r < last; r++) {
      float v = fd_get(x, r, channel);
      if (v > most || (v != v && most == most)) most = v, at = r;
    }
    out[(size_t)s * stride + channel] = most;
    if (place) place[(size_t)s * channels + channel] = at;
  }
}

__global__ void pool_max_backward(seqs_view seqs, int channels, const float *dout, size_t stride, const int *place, fd_mat dx) {
  int channel = (int)fd_first_item();
  for (int s = (int)blockIdx.y; s < seqs.count && channel < channels; s += (int)gridDim.y) {
    int row = place[(size_t)s * channels + channel];
    fd_put(dx, row, channel, fd_get(dx, row, channel) + dout[(size_t)s * stride + channel]);
  }
}

/* Row k of w belongs to the k-th [CLS] token of each sequence; sequences are along blockIdx.y. */
__global__ void cls_add(seqs_view seqs, int width, const float *w, fd_mat x) {
  size_t i = fd_first_item();
  if (i >= (size_t)seqs.cls * width) return;
  for (int s = (int)blockIdx.y; s < seqs.count; s += (int)gridDim.y) {
    int row = seqs.start[s + 1] - seqs.cls + (int)(i / width), column = (int)(i % width);
    fd_put(x, row, column, fd_get(x, row, column) + w[i]);
  }
}

__global__ void cls_add_backward(seqs_view seqs, int micro_batches, int width, fd_mat dy, float *dw) {
  size_t i = fd_first_item();
  if (i >= (size_t)seqs.cls * width) return;
  int each = seqs.count / micro_batches;
  dw[i] = fd_sum_micro_batches<float>(micro_batches, [=](int p) {
    double sum = 0;
    for (int s = p * each; s < (p + 1) * each; s++)
      sum += (double)fd_get(dy, seqs.start[s + 1] - seqs.cls + (int)(i / width), (int)(i % width));
    return (float)sum;
  });
}

__global__ void gelu_forward(size_t n, const float *x, float *y) {
  for (size_t i = fd_first_item(); i < n; i += fd_all_items()) y[i] = fd_gelu(x[i]);
}

__global__ void gelu_backward(size_t n, const float *x, const float *dy, float *dx) {
  for (size_t i = fd_first_item(); i < n; i += fd_all_items()) dx[i] = dy[i] * fd_gelu_slope(x[i]);
}

dim3 channels_grid(const fd_seqs *seqs, int channels) {
  return dim3(fd_blocks((size_t)channels, 64), seqs->count < 65535 ? (unsigned)seqs->count : 65535);
}

void run_dropout(fd_device *dev, const fd_seqs *seqs, const dropout_call &call) {
  int rows = fd_seqs_rows(seqs), stride = call.y.at ? call.y.stride : call.dy.stride;
  size_t items = (size_t)rows * (size_t)((stride + PER_DRAW - 1) / PER_DRAW);
  FD_LAUNCH(fd_cuda_of(dev), dropout, dim3(fd_blocks(items, THREADS)), THREADS, 0, call, rows);
}

}  // namespace

void fd_cuda_expand(fd_device *dev, const fd_seqs *seqs, const uint8_t *tokens, float noise, fd_rng_key key, int view, float *x) {
  FD_LAUNCH(fd_cuda_of(dev), expand, grid_of(seqs, 2), THREADS, 0, view_of(seqs), tokens, noise, key, view, x);
}

void fd_cuda_dropout_forward(fd_device *dev, const fd_seqs *seqs, int channels, float rate, fd_rng_key key, int layer, fd_mat x,
                             fd_mat y) {
  run_dropout(dev, seqs, {view_of(seqs), channels, layer, rate, key, x, y, {}, {}, {}});
}

void fd_cuda_dropout_backward(fd_device *dev, const fd_seqs *seqs, int channels, float rate, fd_rng_key key, int layer, fd_mat dy,
                              fd_mat masked, fd_mat rest) {
  run_dropout(dev, seqs, {view_of(seqs), channels, layer, rate, key, {}, {}, dy, masked, rest});
}

void fd_cuda_pool_mean(fd_device *dev, const fd_seqs *seqs, int channels, int cls, fd_mat x, size_t stride, float *out) {
  FD_LAUNCH(fd_cuda_of(dev), pool_mean, channels_grid(seqs, channels), 64, 0, view_of(seqs), channels, cls, x, stride, out);
}

void fd_cuda_pool_mean_backward(fd_device *dev, const fd_seqs *seqs, int channels, int cls, const float *dout, size_t stride,
                                fd_mat dx) {
  FD_LAUNCH(fd_cuda_of(dev), pool_mean_backward, channels_grid(seqs, channels), 64, 0, view_of(seqs), channels, cls, dout, stride,
            dx);
}

void fd_cuda_dropout_rows(fd_device *dev, const fd_seqs *seqs, const int *position, int width, float rate, fd_rng_key key,
                          int layer, fd_mat x, fd_mat y) {
  int rows = fd_seqs_rows(seqs);
  dropout_call call = {view_of(seqs), width, layer, rate, key, x, y, {}, {}, {}};
  size_t items = (size_t)rows * (size_t)((y.stride + PER_DRAW - 1) / PER_DRAW);
  FD_LAUNCH(fd_cuda_of(dev), dropout_rows, dim3(fd_blocks(items, THREADS)), THREADS, 0, call, position, rows);
}

void fd_cuda_token_dropout(fd_device *dev, const fd_seqs *seqs, int width, const int *ids, int mask, fd_mat x, fd_mat y) {
  FD_LAUNCH(fd_cuda_of(dev), token_dropout, dim3((unsigned)seqs->count), THREADS, 0, view_of(seqs), width, ids, mask, x, y);
}

void fd_cuda_pool_max(fd_device *dev, const fd_seqs *seqs, int channels, int cls, fd_mat x, size_t stride, float *out,
                      int *place) {
  FD_LAUNCH(fd_cuda_of(dev), pool_max, channels_grid(seqs, channels), 64, 0, view_of(seqs), channels, cls, x, stride, out, place);
}

void fd_cuda_pool_max_backward(fd_device *dev, const fd_seqs *seqs, int channels, const float *dout, size_t stride,
                               const int *place, fd_mat dx) {
  FD_LAUNCH(fd_cuda_of(dev), pool_max_backward, channels_grid(seqs, channels), 64, 0, view_of(seqs), channels, dout, stride,
            place, dx);
}

void fd_cuda_cls_add(fd_device *dev, const fd_seqs *seqs, int width, const float *w, fd_mat x) {
  FD_LAUNCH(fd_cuda_of(dev), cls_add, channels_grid(seqs, seqs->cls * width), 64, 0, view_of(seqs), width, w, x);
}

void fd_cuda_cls_add_backward(fd_device *dev, const fd_seqs *seqs, int width, fd_mat dy, float *dw) {
  FD_LAUNCH(fd_cuda_of(dev), cls_add_backward, dim3(fd_blocks((size_t)seqs->cls * (size_t)width, 64)), 64, 0, view_of(seqs),
            seqs->micro_batches, width, dy, dw);
}

void fd_cuda_gelu_forward(fd_device *dev, size_t n, const float *x, float *y) {
  FD_LAUNCH(fd_cuda_of(dev), gelu_forward, dim3(fd_blocks(n, THREADS)), THREADS, 0, n, x, y);
}

void fd_cuda_gelu_backward(fd_device *dev, size_t n, const float *x, const float *dy, float *dx) {
  FD_LAUNCH(fd_cuda_of(dev), gelu_backward, dim3(fd_blocks(n, THREADS)), THREADS, 0, n, x, dy, dx);
}
