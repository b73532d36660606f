/* The ChordMixer block on the GPU: two products, in one kernel or separate, whose epilogues do the rest, and the rotation of
 * tracks forward and backward. */
#include "cuda/blas.h"
#include "cuda/gradients.h"
#include "cuda/warpgroup_chain.h"

enum { THREADS = 256 };

namespace {

/* The rotation of tracks: each track of a row is shifted within the row's sequence. `track` is the number of columns of a
 * track. */
struct rotation {
  const int *start;
  int count, track;
};

__device__ inline int rotated(const rotation &r, int row, int column) {
  int s = fd_sequence_of(r.start, r.count, row), first = r.start[s], length = r.start[s + 1] - first;
  int to = row - fd_mixer_shift(column / r.track, length);
  return to < first ? to + length : to;
}

/* Whether the rotated rows of a part fit into its table; the part's columns are then processed four at a time, always of one
 * track. */
__device__ inline int in_table(const rotation &r, const fd_part &part) {
  return r.track % 4 == 0 && (part.column0 + part.across - 1) / r.track - part.column0 / r.track < FD_TABLE;
}

/* Fills table[row, track] with the rotated rows of a part, counted from the part's first row and track. `first` is the number of
 * row 0 in the pack; columns from `channels` on are padding and have no track. */
__device__ inline void note_rotations(const rotation &r, const fd_part &part, int first, int channels, int thread, int threads,
                                      int *table) {
  if (!in_table(r, part)) return;
  int sequence0 = fd_sequence_of(r.start, r.count, first + part.row0), track0 = part.column0 / r.track;
#pragma unroll 1
  for (int n = thread; n < part.down * FD_TABLE; n += threads) {
    int row = first + part.row0 + n / FD_TABLE, track = track0 + n % FD_TABLE, s = sequence0;
    if (part.row0 + n / FD_TABLE >= part.rows || track * r.track >= channels) continue;
    while (s + 1 < r.count && row >= r.start[s + 1]) s++;
    int length = r.start[s + 1] - r.start[s], to = row - fd_mixer_shift(track, length);
    table[n] = to < r.start[s] ? to + length : to;
  }
}

/* The table's column for a column of the part: element row * FD_TABLE is the rotated row of `row`. */
__device__ inline const int *noted(const rotation &r, const fd_part &part, int column, const int *table) {
  return table - part.row0 * FD_TABLE + column / r.track - part.column0 / r.track;
}

/* The biases of N columns from `column` on, zero in padding. */
template <int N>
__device__ inline void bias_values(const float *b1, int hidden, int column, float *bias) {
#pragma unroll
  for (int i = 0; i < N; i++) bias[i] = column + i < hidden ? b1[column + i] : 0;
}

/* z = sum + b1, stored if the backward pass needs it, and h = GELU(z). z is rounded before GELU is applied, so that saved and
 * recomputed values have the same bits. Plain products process four columns at a time; tensor-core products process eight, with
 * GELU and its derivative from gelu.h. */
struct hidden_epilogue {
  const float *bias;
  int hidden, first;
  fd_mat z, h;
  __device__ void operator()(int row, int column, const float sum[4]) const {
    float b1[4], a[4], b[4];
    bias_values<4>(bias, hidden, column, b1);
    for (int i = 0; i < 4; i++) a[i] = fd_rounded(h.type, sum[i] + b1[i]), b[i] = fd_gelu(a[i]);
    if (z.at) fd_put4(z, first + row, column, a);
    if (h.at) fd_put4(h, row, column, b);
  }

  enum { COLUMNS = 8 };
  struct place {
    int column;
    float bias[COLUMNS];
  };
  struct ahead {};
  __device__ void begin(const fd_part &, int, int, int *) const {}
  __device__ int go(place &at, const fd_part &, int column, const int *) const {
    at.column = column;
    bias_values<COLUMNS>(bias, hidden, column, at.bias);
    return 1;
  }
  __device__ ahead read(const place &, int) const { return {}; }
  __device__ void finish(const place &at, const ahead &, int row, const float *sum) const {
    float v[COLUMNS];
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) v[i] = sum[i] + at.bias[i];
    fd_piece<COLUMNS> stored = fd_piece_of<COLUMNS>(v);
    if (z.at) fd_put_piece(z, first + row, at.column, stored);
    if (!h.at) return;
    fd_floats_of(stored, v);
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) v[i] = fd_short_gelu(v[i]);
    fd_put_piece(h, row, at.column, fd_piece_of<COLUMNS>(v));
  }
};

/* With sum = dh: da = dh GELU'(z), and g = GELU(z) for the gradient of W2. Padding stays zero. da may overwrite z in place: each
 * element is read before the same thread writes it. */
struct slope_epilogue {
  int hidden;
  fd_mat z, g, da;
  __device__ void operator()(int row, int column, const float sum[4]) const {
    float a[4], b[4], d[4];
    fd_get4(z, row, column, a);
    for (int i = 0; i < 4; i++) b[i] = fd_gelu(a[i]), d[i] = column + i < hidden ? sum[i] * fd_gelu_slope(a[i]) : 0;
    fd_put4(g, row, column, b);
    fd_put4(da, row, column, d);
  }

  enum { COLUMNS = 8 };
  struct place {
    int column;
  };
  typedef fd_piece<COLUMNS> ahead;
  __device__ void begin(const fd_part &, int, int, int *) const {}
  __device__ int go(place &at, const fd_part &, int column, const int *) const { return at.column = column, 1; }
  __device__ ahead read(const place &at, int row) const { return fd_get_piece<COLUMNS>(z, row, at.column); }
  __device__ void finish(const place &at, const ahead &before, int row, const float *sum) const {
    float v[COLUMNS], d[COLUMNS];
    fd_floats_of(before, v);
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) {
      float slope;
      v[i] = fd_short_gelu_slope(v[i], &slope);
      d[i] = sum[i] * slope; /* zero in padding, as the sum is */
    }
    fd_put_piece(g, row, at.column, fd_piece_of<COLUMNS>(v));
    fd_put_piece(da, row, at.column, fd_piece_of<COLUMNS>(d));
  }
};

/* The same two epilogues as the middle of a chain (chain.h). */
struct hidden_middle {
  const float *bias;
  int hidden;
  fd_mat z;
  struct of_columns {
    float bias[FD_MIDDLE][2];
  };
  struct ahead {};
  __device__ of_columns columns(int pair) const {
    of_columns c;
#pragma unroll
    for (int j = 0; j < FD_MIDDLE; j++) bias_values<2>(bias, hidden, pair + 8 * j, c.bias[j]);
    return c;
  }
  __device__ ahead read(int, int, int) const { return {}; }
  __device__ fd_piece<8> operator()(int row, int piece, int inside, const of_columns &c, const ahead &,
                                    const float sums[FD_MIDDLE][2]) const {
    fd_piece<8> stored, values;
#pragma unroll
    for (int j = 0; j < FD_MIDDLE; j++) {
      stored.pair[j] = fd_bf16_pair(sums[j][0] + c.bias[j][0], sums[j][1] + c.bias[j][1]);
      values.pair[j] = fd_bf16_pair(fd_short_gelu(fd_bf16_low(stored.pair[j])), fd_short_gelu(fd_bf16_high(stored.pair[j])));
    }
    if (!z.at) return values;
    stored = fd_transpose(stored);
    if (inside) fd_put_piece(z, row, piece, stored);
    return values;
  }
};

struct slope_middle {
  fd_mat z, g, da;
  struct of_columns {};
  typedef fd_piece<8> ahead;
  __device__ of_columns columns(int) const { return {}; }
  __device__ ahead read(int row, int piece, int inside) const { return inside ? fd_get_piece<8>(z, row, piece) : ahead{}; }
  __device__ fd_piece<8> operator()(int row, int piece, int inside, const of_columns &, const ahead &before,
                                    const float sums[FD_MIDDLE][2]) const {
    fd_piece<8> here = fd_transpose(before), gelu, values;
#pragma unroll
    for (int j = 0; j < FD_MIDDLE; j++) {
      float slope[2], low = fd_short_gelu_slope(fd_bf16_low(here.pair[j]), &slope[0]),
                      high = fd_short_gelu_slope(fd_bf16_high(here.pair[j]), &slope[1]);
      gelu.pair[j] = fd_bf16_pair(low, high);
      values.pair[j] = fd_bf16_pair(sums[j][0] * slope[0], sums[j][1] * slope[1]); /* zero in padding, as the sum is */
    }
    gelu = fd_transpose(gelu), here = fd_transpose(values);
    if (inside) fd_put_piece(g, row, piece, gelu), fd_put_piece(da, row, piece, here);
    return values;
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
    for (int i = 0; i < 4; i++) {
      int c = column + i, to = c < channels ? rotated(turn, from, c) : from;
      fd_put(y, to, c, c < channels ? fd_get(x, to, c) + (sum[i] + bias[c]) : 0);
    }
  }

  enum { COLUMNS = 4 };
  struct place {
    const int *to;
    int column;
    float bias[COLUMNS];
  };
  struct ahead {
    int to;
    fd_piece<COLUMNS> x;
  };
  __device__ void begin(const fd_part &part, int thread, int threads, int *table) const {
    note_rotations(turn, part, first, channels, thread, threads, table);
  }
  __device__ int go(place &at, const fd_part &part, int column, const int *table) const {
    if (!in_table(turn, part) || column + COLUMNS > channels) return 0;
    at.to = noted(turn, part, column, table), at.column = column;
    bias_values<COLUMNS>(bias, channels, column, at.bias);
    return 1;
  }
  __device__ ahead read(const place &at, int row) const {
    int to = at.to[row * FD_TABLE];
    return {to, fd_get_piece<COLUMNS>(x, to, at.column)};
  }
  __device__ void finish(const place &at, const ahead &before, int, const float *sum) const {
    float v[COLUMNS];
    fd_floats_of(before.x, v);
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) v[i] += sum[i] + at.bias[i];
    fd_put_piece(y, before.to, at.column, fd_piece_of<COLUMNS>(v));
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

  enum { COLUMNS = 8 };
  struct place {
    int column;
  };
  typedef fd_piece<COLUMNS> ahead;
  __device__ void begin(const fd_part &, int, int, int *) const {}
  __device__ int go(place &at, const fd_part &, int column, const int *) const { return at.column = column, 1; }
  __device__ ahead read(const place &at, int row) const { return fd_get_piece<COLUMNS>(dy, row, at.column); }
  __device__ void finish(const place &at, const ahead &before, int row, const float *sum) const {
    float v[COLUMNS];
    fd_floats_of(before, v);
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) v[i] += sum[i];
    fd_put_piece(dx, row, at.column, fd_piece_of<COLUMNS>(v));
  }
};

/* dm[t] = dy[t - shift], as the rows of a chain (chain.h): copied from the rows of dy into shared memory, and from there to dm,
 * which the gradient of W2 needs. Each thread has four columns, always of one track, of every `step`-th row. */
struct gathered_rows {
  rotation turn;
  int rows, channels;
  fd_mat dy, dm;
  enum { LOOKS_UP = 1, COLUMNS = 4, PIECES = FD_CHAIN_WIDTH / COLUMNS };
  __host__ int fits() const {
    return turn.track % COLUMNS == 0 && channels % COLUMNS == 0 && (FD_CHAIN_WIDTH - 1) / turn.track < FD_TABLE;
  }
  __device__ void look_up(int row0, int thread, int threads, int *table) const {
    note_rotations(turn, {row0, 0, FD_CHAIN_ROWS, FD_CHAIN_WIDTH, rows, dm.stride}, 0, channels, thread, threads, table);
  }

  /* Calls part(row of the tile, column) for the thread's parts of four columns. */
  template <class F>
  __device__ static void each(int thread, int threads, F part) {
    const int ways = PIECES / fd_common_divisor(PIECES, FD_CHAIN_THREADS), step = FD_CHAIN_THREADS * ways / PIECES;
#pragma unroll 1
    for (int n = thread; n < ways * threads; n += threads)
#pragma unroll 4
      for (int r = n / PIECES; r < FD_CHAIN_ROWS; r += step) part(r, n % PIECES * COLUMNS);
  }
  template <class P>
  __device__ void bring(int row0, int thread, int threads, const int *table, const P &place) const {
    each(thread, threads, [&](int r, int column) {
      int inside = row0 + r < rows && column < channels, to = inside ? table[r * FD_TABLE + column / turn.track] : 0;
      fd_copy8(place(r, column / 8) + column % 8 * 2, (const uint16_t *)dy.at + (int64_t)to * dy.stride + (inside ? column : 0),
               inside);
    });
  }
  template <class P>
  __device__ void keep(int row0, int thread, int threads, const P &place) const {
    each(thread, threads, [&](int r, int column) {
      if (row0 + r < rows && column < dm.stride)
        fd_put_piece(dm, row0 + r, column,
                     *(const fd_piece<COLUMNS> *)(fd_shared() + (place(r, column / 8) - fd_shared_address()) + column % 8 * 2));
    });
  }
};

/* dm[t] = dy[t - shift] in a kernel of its own. */
__global__ void gather(rotation turn, int rows, int channels, fd_mat dy, fd_mat dm) {
  int groups = dm.stride / 4;
  for (size_t n = fd_first_item(); n < (size_t)rows * groups; n += fd_all_items()) {
    int row = (int)(n / groups), column = (int)(n % groups) * 4;
    float v[4];
    for (int i = 0; i < 4; i++) v[i] = column + i < channels ? fd_get(dy, rotated(turn, row, column + i), column + i) : 0;
    fd_put4(dm, row, column, v);
  }
}

/* The same in bf16, with 16 x 16 threads per block, each of which copies four columns of GATHER_EACH rows. */
enum { GATHER_ACROSS = 16, GATHER_DOWN = THREADS / GATHER_ACROSS, GATHER_EACH = 8, GATHER_ROWS = GATHER_DOWN * GATHER_EACH };
enum { GATHER_TABLE = GATHER_ROWS * FD_TABLE * sizeof(int) }; /* bytes of shared memory */

__global__ void gather_pieces(rotation turn, int rows, int channels, fd_mat dy, fd_mat dm) {
  int *table = (int *)fd_shared();
  fd_part part = {
      (int)blockIdx.x * GATHER_ROWS, (int)blockIdx.y * GATHER_ACROSS * 4, GATHER_ROWS, GATHER_ACROSS * 4, rows, dm.stride};
  note_rotations(turn, part, 0, channels, (int)threadIdx.x, THREADS, table);
  __syncthreads();
  int row0 = part.row0 + (int)threadIdx.x / GATHER_ACROSS, column = part.column0 + (int)threadIdx.x % GATHER_ACROSS * 4;
  if (column >= dm.stride) return;
  if (!in_table(turn, part) || column + 4 > channels) {
    for (int row = row0; row < part.row0 + GATHER_ROWS && row < rows; row += GATHER_DOWN)
      for (int c = column; c < column + 4; c++) fd_put(dm, row, c, c < channels ? fd_get(dy, rotated(turn, row, c), c) : 0);
    return;
  }
  const int *from = noted(turn, part, column, table);
  fd_piece<4> piece[GATHER_EACH];
#pragma unroll
  for (int i = 0; i < GATHER_EACH; i++)
    if (row0 + i * GATHER_DOWN < rows) piece[i] = fd_get_piece<4>(dy, from[(row0 + i * GATHER_DOWN) * FD_TABLE], column);
#pragma unroll
  for (int i = 0; i < GATHER_EACH; i++)
    if (row0 + i * GATHER_DOWN < rows) fd_put_piece(dm, row0 + i * GATHER_DOWN, column, piece[i]);
}

void gather_rows(fd_cuda *cuda, const gathered_rows &r) {
  if (r.dm.type == FD_BF16 && cuda->products != FD_PRODUCTS_PLAIN)
    FD_LAUNCH(cuda, gather_pieces,
              dim3(fd_blocks((size_t)r.rows, GATHER_ROWS), fd_blocks((size_t)r.dm.stride, 4 * GATHER_ACROSS)), THREADS,
              GATHER_TABLE, r.turn, r.rows, r.channels, r.dy, r.dm);
  else
    FD_LAUNCH(cuda, gather, dim3(fd_blocks((size_t)r.rows * (size_t)r.dm.stride / 4, THREADS)), THREADS, 0, r.turn, r.rows,
              r.channels, r.dy, r.dm);
}

rotation rotation_of(const fd_seqs *seqs, const fd_mixer *block) { return {seqs->device_start, seqs->count, block->track}; }

fd_mat rows_from(fd_mat m, int first) {
  return m.at ? fd_mat{(char *)m.at + (size_t)first * (size_t)m.stride * (m.type == FD_BF16 ? 2 : 4), m.stride, m.type} : m;
}

fd_mat scratch_mat(fd_cuda *cuda, fd_cuda_slot slot, int rows, int width) {
  fd_form form = cuda->device.form;
  return fd_form_mat(form, fd_cuda_scratch(cuda, slot, (size_t)rows * fd_form_row(form, width)), width);
}

/* Computes both products of a block, of rows like those of a, in one kernel if one supports their shape: forward by W1, then W2;
 * backward (`T`) by the transposes of W2, then W1. Returns whether it did. */
template <bool T, class R, class M, class E>
int chained(fd_cuda *cuda, const fd_mixer *block, fd_mat a, R rows, int width, int stored_hidden, M middle, E epilogue) {
  int channels = block->channels, hidden = block->hidden;
  fd_chain_shape shape = {rows.rows, width, stored_hidden, channels, hidden};
  if (fd_warpgroup_chain_fits(cuda, a)) {
    const uint16_t *w1 = fd_cuda_tiles(cuda, block->w1, hidden, channels, FD_TILES_UNITS_DOWN),
                   *w2 = fd_cuda_tiles(cuda, block->w2, channels, hidden, FD_TILES_UNITS_ACROSS);
    fd_warpgroup_chain<T>(cuda, rows, T ? w2 : w1, T ? w1 : w2, shape, middle, epilogue);
    return 1;
  }
  if (!fd_chain_fits(cuda, a)) return 0;
  fd_mat w1 = fd_cuda_weights(cuda, block->w1, hidden, channels), w2 = fd_cuda_weights(cuda, block->w2, channels, hidden);
  fd_chain<T>(cuda, rows, T ? w2 : w1, T ? w1 : w2, shape, middle, epilogue);
  return 1;
}

/* Passes the library's sums to an epilogue, four columns at a time; columns from `columns` on are padding. */
template <class E>
__global__ void finish_sums(int rows, int width, int columns, fd_mat sums, E epilogue) {
  int groups = width / 4;
  for (size_t n = fd_first_item(); n < (size_t)rows * groups; n += fd_all_items()) {
    int row = (int)(n / groups), column = (int)(n % groups) * 4;
    float v[4];
#pragma unroll
    for (int i = 0; i < 4; i++) v[i] = column + i < columns ? fd_get(sums, row, column + i) : 0;
    epilogue(row, column, v);
  }
}

/* One product of a block, a b^T or, if T, a b, of `width` columns with padding: by a kernel of ours, whose instructions have
 * SHAPE columns, or by the library. */
template <bool T, int SHAPE = 128, class E>
void product(fd_cuda *cuda, fd_mat a, fd_mat b, int rows, int width, int depth, int columns, E epilogue) {
  if (!cuda->blas) return fd_product<false, T, SHAPE>(cuda, a, b, {rows, width, depth, T ? 0 : columns}, epilogue);
  int stride = (columns + 3) / 4 * 4;
  fd_mat sums = fd_dense((float *)fd_cuda_scratch(cuda, FD_SLOT_PRODUCT, (size_t)rows * (size_t)stride * sizeof(float)), stride);
  if (!sums.at) return;
  fd_blas_multiply(cuda, {rows, columns, depth, 1, a, b, sums, 0, T, NULL});
  FD_LAUNCH(cuda, finish_sums<E>, dim3(fd_blocks((size_t)rows * (size_t)width / 4, THREADS)), THREADS, 0, rows, width, columns,
            sums, epilogue);
}

/* Recomputes z for the backward pass. The bits that an instruction returns may depend on its shape, so this uses the shape of the
 * forward pass. */
void hidden_again(fd_cuda *cuda, const fd_mixer *block, fd_mat x, int rows, fd_mat z) {
  fd_mat w1 = fd_cuda_weights(cuda, block->w1, block->hidden, block->channels), none = {NULL, 0, z.type};
  hidden_epilogue epilogue = {block->b1, block->hidden, 0, z, none};
  if (fd_warpgroup_chain_fits(cuda, x)) product<false, 64>(cuda, x, w1, rows, z.stride, block->channels, block->hidden, epilogue);
  else product<false>(cuda, x, w1, rows, z.stride, block->channels, block->hidden, epilogue);
}

}  // namespace

void fd_cuda_mixer_forward(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block, fd_mat x, fd_mat z, fd_mat y) {
  fd_cuda *cuda = fd_cuda_of(dev);
  int all = fd_seqs_rows(seqs), most = all < FD_ROWS_AT_A_TIME ? all : FD_ROWS_AT_A_TIME;
  if (chained<false>(cuda, block, x, fd_chain_rows{x, all}, y.stride, fd_form_stride(dev->form, block->hidden),
                     hidden_middle{block->b1, block->hidden, z},
                     scatter_epilogue{block->b2, block->channels, 0, rotation_of(seqs, block), x, y}))
    return;
  fd_mat w1 = fd_cuda_weights(cuda, block->w1, block->hidden, block->channels),
         w2 = fd_cuda_weights(cuda, block->w2, block->channels, block->hidden);
  fd_mat h = scratch_mat(cuda, FD_SLOT_H, most, block->hidden);
  for (int first = 0; first < all && h.at; first += FD_ROWS_AT_A_TIME) {
    int rows = all - first < FD_ROWS_AT_A_TIME ? all - first : FD_ROWS_AT_A_TIME;
    product<false>(cuda, rows_from(x, first), w1, rows, h.stride, block->channels, block->hidden,
                   hidden_epilogue{block->b1, block->hidden, first, z, h});
    product<false>(cuda, h, w2, rows, y.stride, block->hidden, block->channels,
                   scatter_epilogue{block->b2, block->channels, first, rotation_of(seqs, block), x, y});
  }
}

void fd_cuda_mixer_backward(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block, fd_mat x, fd_mat z, fd_mat dy, fd_mat dx,
                            const fd_mixer_grads *grads) {
  fd_cuda *cuda = fd_cuda_of(dev);
  int rows = fd_seqs_rows(seqs), channels = block->channels, hidden = block->hidden;
  fd_mat dm = scratch_mat(cuda, FD_SLOT_DM, rows, channels), da = scratch_mat(cuda, FD_SLOT_DA, rows, hidden),
         g = scratch_mat(cuda, FD_SLOT_Z, rows, hidden);
  if (!dm.at || !da.at || !g.at) return;
  if (!z.at) { /* recomputed in the buffer of da, which overwrites it */
    z = da;
    hidden_again(cuda, block, x, rows, z);
  }
  const gathered_rows turned = {rotation_of(seqs, block), rows, channels, dy, dm};
  if (!turned.fits() ||
      !chained<true>(cuda, block, dm, turned, dx.stride, da.stride, slope_middle{z, g, da}, residual_epilogue{dy, dx})) {
    fd_mat w1 = fd_cuda_weights(cuda, block->w1, hidden, channels), w2 = fd_cuda_weights(cuda, block->w2, channels, hidden);
    gather_rows(cuda, turned);
    product<true>(cuda, dm, w2, rows, da.stride, channels, hidden, slope_epilogue{hidden, z, g, da});
    product<true>(cuda, da, w1, rows, dx.stride, hidden, channels, residual_epilogue{dy, dx});
  }
  fd_cuda_layer_gradients(cuda, rows, seqs->micro_batches, {hidden, channels, g, dm, grads->w2, grads->b2},
                          {channels, hidden, x, da, grads->w1, grads->b1});
}
