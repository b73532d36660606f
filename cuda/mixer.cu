/* The ChordMixer block on the GPU: products whose epilogues do the rest, in a chain or one by one, and two rotations. */
#include "cuda/gradients.h"
#include "cuda/warpgroup_chain.h"

enum { THREADS = 256 };

namespace {

/* Where track i of a row comes from (or goes to, with the shift's sign turned) within the row's sequence. */
struct rotation {
  const int *start;
  int count, track;
};

__device__ inline int rotated(const rotation &r, int row, int column) {
  int s = fd_sequence_of(r.start, r.count, row), first = r.start[s], length = r.start[s + 1] - first;
  int to = row - fd_mixer_shift(column / r.track, length);
  return to < first ? to + length : to;
}

/* Of N columns from one on: those of b1, zero in padding. */
template <int N>
__device__ inline void bias_values(const float *b1, int hidden, int column, float *bias) {
#pragma unroll
  for (int i = 0; i < N; i++) bias[i] = column + i < hidden ? b1[column + i] : 0;
}

/* z = sum + b1, which the backward pass may want, and h = GELU(z). z is rounded before it is bent: what is saved and what is
 * computed again have the same bits. */
template <int N>
__device__ inline void hidden_values(fd_type type, const float *sum, const float *bias, float *z, float *h) {
#pragma unroll
  for (int i = 0; i < N; i++) {
    z[i] = fd_rounded(type, sum[i] + bias[i]);
    h[i] = fd_gelu(z[i]);
  }
}

/* Of sum = dh: da = dh GELU'(z), and g = GELU(z) for the gradient of W2. Padding stays zero. */
template <int N>
__device__ inline void slope_values(int hidden, int column, const float *sum, const float *z, float *g, float *da) {
#pragma unroll
  for (int i = 0; i < N; i++) {
    g[i] = fd_gelu(z[i]);
    da[i] = column + i < hidden ? sum[i] * fd_gelu_slope(z[i]) : 0;
  }
}

struct hidden_epilogue {
  const float *bias;
  int hidden, first;
  fd_mat z, h;
  __device__ void operator()(int row, int column, const float sum[4]) const {
    float b1[4], a[4], b[4];
    bias_values<4>(bias, hidden, column, b1);
    hidden_values<4>(h.type, sum, b1, a, b);
    if (z.at) fd_put4(z, first + row, column, a);
    if (h.at) fd_put4(h, row, column, b);
  }
};

/* da may stand where z does: an element is read just before it is written. */
struct slope_epilogue {
  int hidden;
  fd_mat z, g, da;
  __device__ void operator()(int row, int column, const float sum[4]) const {
    float a[4], b[4], d[4];
    fd_get4(z, row, column, a);
    slope_values<4>(hidden, column, sum, a, b, d);
    fd_put4(g, row, column, b);
    fd_put4(da, row, column, d);
  }
};

/* The same two in the middle of a chain, two columns at a time; the pair becomes what the second product reads. What they read
 * themselves they may read ahead, before the sums are there; nothing where the pair is not inside. */
struct hidden_middle {
  const float *bias;
  int hidden;
  fd_mat z;
  struct ahead {
    float bias[2];
  };
  __device__ ahead read(int row, int column, int inside) const {
    ahead a;
    bias_values<2>(bias, hidden, column, a.bias);
    (void)row, (void)inside; /* the bias of padding is zero, too */
    return a;
  }
  __device__ void operator()(int row, int column, const ahead &before, float *pair) const {
    float a[2];
    hidden_values<2>(FD_BF16, pair, before.bias, a, pair);
    if (z.at) fd_put2(z, row, column, a);
  }
};

struct slope_middle {
  int hidden;
  fd_mat z, g, da;
  struct ahead {
    fd_bf16x2 z;
  };
  __device__ ahead read(int row, int column, int inside) const { return {inside ? fd_get2(z, row, column) : 0}; }
  __device__ void operator()(int row, int column, const ahead &before, float *pair) const {
    float a[2] = {fd_bf16_low(before.z), fd_bf16_high(before.z)}, b[2];
    slope_values<2>(hidden, column, pair, a, b, pair);
    fd_put2(g, row, column, b);
    fd_put2(da, row, column, pair);
  }
};

/* y[t - shift] = x[t - shift] + (sum[t] + b2): each element of y is written by exactly one row. */
struct scatter_epilogue {
  const float *bias;
  int channels, first;
  rotation turn;
  fd_mat x, y;
  __device__ void operator()(int row, int column, const float sum[4]) const {
    int from = first + row;
    if (turn.track % 4 == 0 && column + 4 <= channels) {
      int to = rotated(turn, from, column);
      float v[4];
      fd_get4(x, to, column, v);
      for (int i = 0; i < 4; i++) v[i] += sum[i] + bias[column + i];
      fd_put4(y, to, column, v);
      return;
    }
    for (int i = 0; i < 4; i++) {
      int c = column + i, to = c < channels ? rotated(turn, from, c) : from;
      fd_put(y, to, c, c < channels ? fd_get(x, to, c) + (sum[i] + bias[c]) : 0);
    }
  }
};

/* dx = dy + sum */
struct residual_epilogue {
  fd_mat dy, dx;
  __device__ void operator()(int row, int column, const float sum[4]) const {
    float v[4];
    fd_get4(dy, row, column, v);
    for (int i = 0; i < 4; i++) v[i] += sum[i];
    fd_put4(dx, row, column, v);
  }
};

/* dm[t] = dy[t - shift] */
__global__ void gather(rotation turn, int rows, int channels, fd_mat dy, fd_mat dm) {
  int groups = dm.stride / 4;
  for (size_t n = fd_first_item(); n < (size_t)rows * groups; n += fd_all_items()) {
    int row = (int)(n / groups), column = (int)(n % groups) * 4;
    float v[4];
    if (turn.track % 4 == 0 && column + 4 <= channels) fd_get4(dy, rotated(turn, row, column), column, v);
    else
      for (int i = 0; i < 4; i++) v[i] = column + i < channels ? fd_get(dy, rotated(turn, row, column + i), column + i) : 0;
    fd_put4(dm, row, column, v);
  }
}

rotation rotation_of(const fd_seqs *seqs, const fd_mixer *block) { return {seqs->device_start, seqs->count, block->track}; }

fd_mat rows_from(fd_mat m, int first) {
  return m.at ? fd_mat{(char *)m.at + (size_t)first * (size_t)m.stride * (m.type == FD_BF16 ? 2 : 4), m.stride, m.type} : m;
}

fd_mat scratch_mat(fd_cuda *cuda, fd_cuda_slot slot, int rows, int width) {
  fd_form form = cuda->device.form;
  return fd_form_mat(form, fd_cuda_scratch(cuda, slot, (size_t)rows * fd_form_row(form, width)), width);
}

/* Both products of a block in one kernel, if there is one that it fits: forward by W1, then W2; backward (`T`) by their
 * transposes the other way round. */
template <bool T, class M, class E>
int chained(fd_cuda *cuda, const fd_mixer *block, fd_mat a, int rows, int width, int stored_hidden, M middle, E epilogue) {
  int channels = block->channels, hidden = block->hidden;
  fd_chain_shape shape = {rows, width, stored_hidden, channels, hidden};
  if (fd_warpgroup_chain_fits(cuda, a)) {
    const uint16_t *w1 = fd_cuda_tiles(cuda, block->w1, hidden, channels, FD_TILES_UNITS_DOWN),
                   *w2 = fd_cuda_tiles(cuda, block->w2, channels, hidden, FD_TILES_UNITS_ACROSS);
    fd_warpgroup_chain<T>(cuda, a, T ? w2 : w1, T ? w1 : w2, shape, middle, epilogue);
    return 1;
  }
  if (!fd_chain_fits(cuda, a)) return 0;
  fd_mat w1 = fd_cuda_weights(cuda, block->w1, hidden, channels), w2 = fd_cuda_weights(cuda, block->w2, channels, hidden);
  fd_chain<T>(cuda, a, T ? w2 : w1, T ? w1 : w2, shape, middle, epilogue);
  return 1;
}

}  // namespace

void fd_cuda_mixer_forward(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block, fd_mat x, fd_mat z, fd_mat y) {
  fd_cuda *cuda = fd_cuda_of(dev);
  int all = fd_seqs_rows(seqs), most = all < FD_ROWS_AT_A_TIME ? all : FD_ROWS_AT_A_TIME;
  if (chained<false>(cuda, block, x, all, y.stride, fd_form_stride(dev->form, block->hidden),
                     hidden_middle{block->b1, block->hidden, z},
                     scatter_epilogue{block->b2, block->channels, 0, rotation_of(seqs, block), x, y}))
    return;
  fd_mat w1 = fd_cuda_weights(cuda, block->w1, block->hidden, block->channels),
         w2 = fd_cuda_weights(cuda, block->w2, block->channels, block->hidden);
  fd_mat h = scratch_mat(cuda, FD_SLOT_H, most, block->hidden);
  for (int first = 0; first < all && h.at; first += FD_ROWS_AT_A_TIME) {
    int rows = all - first < FD_ROWS_AT_A_TIME ? all - first : FD_ROWS_AT_A_TIME;
    fd_product<false, false>(cuda, rows_from(x, first), w1, {rows, h.stride, block->channels, block->hidden},
                             hidden_epilogue{block->b1, block->hidden, first, z, h});
    fd_product<false, false>(cuda, h, w2, {rows, y.stride, block->hidden, block->channels},
                             scatter_epilogue{block->b2, block->channels, first, rotation_of(seqs, block), x, y});
  }
}

void fd_cuda_mixer_backward(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block, fd_mat x, fd_mat z, fd_mat dy, fd_mat dx,
                            const fd_mixer_grads *grads) {
  fd_cuda *cuda = fd_cuda_of(dev);
  int rows = fd_seqs_rows(seqs), channels = block->channels, hidden = block->hidden;
  fd_mat dm = scratch_mat(cuda, FD_SLOT_DM, rows, channels), da = scratch_mat(cuda, FD_SLOT_DA, rows, hidden),
         g = scratch_mat(cuda, FD_SLOT_Z, rows, hidden), none = {NULL, 0, dm.type};
  if (!dm.at || !da.at || !g.at) return;
  if (!z.at) { /* where da will be */
    z = da;
    fd_product<false, false>(cuda, x, fd_cuda_weights(cuda, block->w1, hidden, channels), {rows, z.stride, channels, hidden},
                             hidden_epilogue{block->b1, hidden, 0, z, none});
  }
  FD_LAUNCH(cuda, gather, dim3(fd_blocks((size_t)rows * (size_t)dm.stride / 4, THREADS)), THREADS, 0, rotation_of(seqs, block),
            rows, channels, dy, dm);
  if (!chained<true>(cuda, block, dm, rows, dx.stride, da.stride, slope_middle{hidden, z, g, da}, residual_epilogue{dy, dx})) {
    fd_mat w1 = fd_cuda_weights(cuda, block->w1, hidden, channels), w2 = fd_cuda_weights(cuda, block->w2, channels, hidden);
    fd_product<false, true>(cuda, dm, w2, {rows, da.stride, channels, 0}, slope_epilogue{hidden, z, g, da});
    fd_product<false, true>(cuda, da, w1, {rows, dx.stride, hidden, 0}, residual_epilogue{dy, dx});
  }
  fd_cuda_layer_gradients(cuda, rows, seqs->micro_batches, {hidden, channels, g, dm, grads->w2, grads->b2},
                          {channels, hidden, x, da, grads->w1, grads->b1});
}
