/* The ChordMixer block on the CPU: MLP, rotation and residual in one pass over tiles of tokens; backward in two passes. */
#include <string.h>

#include "cpu/backend.h"

enum { TILES_PER_ROW_BLOCK = 6, CHUNK = 256 };

/* What the items of one call share. */
typedef struct mixer_call {
  fd_cpu *cpu;
  const fd_seqs *seqs;
  const fd_mixer *block;
  int rows, tile, channels_padded, hidden_padded, tracks;
  const float *x, *z, *dy;
  float *z_out, *y, *dx;
  const fd_mixer_grads *grads;
  float *w1, *w2;  /* packed weights of the two products */
  float *w1_again; /* those of x W1^T, for a backward pass that computes z again */
  float *tiles;    /* scratch of each thread */
  size_t tile_floats;
  float *dm, *da, *g; /* [rows, channels], [rows, hidden_padded] twice */
  float *strips;      /* scratch of each thread for weight gradients */
  size_t strip_floats;
} mixer_call;

static mixer_call begin(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block) {
  fd_cpu *cpu = fd_cpu_of(dev);
  const fd_cpu_kernels *k = cpu->kernels;
  mixer_call call = {.cpu = cpu, .seqs = seqs, .block = block, .rows = fd_seqs_rows(seqs)};
  call.tile = k->rows * TILES_PER_ROW_BLOCK;
  call.channels_padded = fd_round_up(block->channels, k->panel);
  call.hidden_padded = fd_round_up(block->hidden, k->panel);
  call.tracks = (block->channels + block->track - 1) / block->track;
  call.tile_floats = (size_t)call.tile * (size_t)(2 * call.hidden_padded + call.channels_padded);
  size_t wide = (size_t)block->channels * (size_t)call.hidden_padded;
  call.w1 = fd_cpu_scratch(cpu, FD_SLOT_W1, 2 * wide + (size_t)block->hidden * (size_t)call.channels_padded);
  call.w1_again = call.w1 ? call.w1 + wide : NULL;
  call.w2 = call.w1 ? call.w1_again + wide : NULL;
  call.tiles = fd_cpu_scratch(cpu, FD_SLOT_TILE, call.tile_floats * (size_t)fd_pool_threads(cpu->pool));
  return call;
}

/* Packs the panel of columns first.. of W^T (`transposed`; W is [n, k]) or of W [k, n]. */
static void pack_panel(const mixer_call *call, const float *w, int k, int n, int first, int transposed, float *packed) {
  const fd_cpu_kernels *kernels = call->cpu->kernels;
  int columns = n - first < kernels->panel ? n - first : kernels->panel;
  kernels->pack(k, columns, transposed ? w + (size_t)first * (size_t)k : w + first, (size_t)(transposed ? k : n), transposed,
                packed + (size_t)first * (size_t)k);
}

static int hidden_panels(const mixer_call *call) { return call->hidden_padded / call->cpu->kernels->panel; }

static int panels_of(const mixer_call *call) { return (call->hidden_padded + call->channels_padded) / call->cpu->kernels->panel; }

/* One panel of x W1^T or h W2^T. */
static void pack_forward(void *context, int item, int thread) {
  (void)thread;
  const mixer_call *call = context;
  const fd_mixer *b = call->block;
  int panel = call->cpu->kernels->panel, wide = hidden_panels(call);
  if (item < wide) pack_panel(call, b->w1, b->channels, b->hidden, item * panel, 1, call->w1);
  else pack_panel(call, b->w2, b->hidden, b->channels, (item - wide) * panel, 1, call->w2);
}

/* One panel of dm W2, of da W1, or of x W1^T. */
static void pack_backward(void *context, int item, int thread) {
  (void)thread;
  const mixer_call *call = context;
  const fd_mixer *b = call->block;
  int panel = call->cpu->kernels->panel, wide = hidden_panels(call), both = panels_of(call);
  if (item < wide) pack_panel(call, b->w2, b->channels, b->hidden, item * panel, 0, call->w1);
  else if (item < both) pack_panel(call, b->w1, b->hidden, b->channels, (item - wide) * panel, 0, call->w2);
  else pack_panel(call, b->w1, b->channels, b->hidden, (item - both) * panel, 1, call->w1_again);
}

/* c[m, n] = a[m, k] times packed panels. */
static void multiply(const fd_cpu_kernels *kernels, int m, int k, int n_padded, const float *a, size_t lda, const float *packed,
                     float *c) {
  kernels->gemm(m, k, a, lda, 1, packed, n_padded / kernels->panel, c, (size_t)n_padded, 0);
}

/* The sequence that holds a row. */
static int sequence_of(const fd_seqs *seqs, int row) {
  int lo = 0, hi = seqs->count - 1;
  while (lo < hi) {
    int middle = (lo + hi + 1) / 2;
    if (seqs->start[middle] <= row) lo = middle;
    else hi = middle - 1;
  }
  return lo;
}

/* Calls `move` for each track of each row of a tile with the row that the track comes from or goes to. */
typedef void move_track(mixer_call *call, int row, int other, int first, int count, float *tile_row);

static void for_tracks(mixer_call *call, int begin_row, int end_row, float *tile, int tile_ld, move_track *move) {
  const fd_mixer *b = call->block;
  int s = sequence_of(call->seqs, begin_row), shifts[512];
  for (int row = begin_row; row < end_row; s++) {
    int start = call->seqs->start[s], stop = call->seqs->start[s + 1], length = stop - start;
    for (int i = 0; i < call->tracks && i < 512; i++) shifts[i] = fd_mixer_shift(i, length);
    for (; row < stop && row < end_row; row++) {
      for (int i = 0; i < call->tracks; i++) {
        int first = i * b->track, count = b->channels - first < b->track ? b->channels - first : b->track;
        int other = row - (i < 512 ? shifts[i] : fd_mixer_shift(i, length));
        if (other < start) other += length;
        move(call, row, other, first, count, tile + (size_t)(row - begin_row) * (size_t)tile_ld);
      }
    }
  }
}

/* y[t - shift] = x[t - shift] + m[t] + b2: each element of y is written by exactly one row. */
static void scatter(mixer_call *call, int row, int other, int first, int count, float *m) {
  (void)row;
  size_t at = (size_t)other * (size_t)call->block->channels + (size_t)first;
  const float *x = call->x + at, *bias = call->block->b2 + first;
  float *y = call->y + at;
  m += first;
  for (int c = 0; c < count; c++) y[c] = x[c] + (m[c] + bias[c]);
}

/* dm[t] = dy[t - shift] */
static void gather(mixer_call *call, int row, int other, int first, int count, float *unused) {
  (void)unused;
  size_t channels = (size_t)call->block->channels;
  memcpy(call->dm + (size_t)row * channels + (size_t)first, call->dy + (size_t)other * channels + (size_t)first,
         (size_t)count * sizeof(float));
}

static void forward_tile(void *context, int item, int thread) {
  mixer_call *call = context;
  const fd_cpu_kernels *k = call->cpu->kernels;
  const fd_mixer *b = call->block;
  int first = item * call->tile, rows = call->rows - first < call->tile ? call->rows - first : call->tile;
  float *z = call->tiles + (size_t)thread * call->tile_floats, *h = z + (size_t)call->tile * (size_t)call->hidden_padded;
  float *m = h + (size_t)call->tile * (size_t)call->hidden_padded;
  multiply(k, rows, b->channels, call->hidden_padded, call->x + (size_t)first * (size_t)b->channels, (size_t)b->channels,
           call->w1, z);
  k->bias_gelu(rows, b->hidden, (size_t)call->hidden_padded, b->b1, z,
               call->z_out ? call->z_out + (size_t)first * (size_t)b->hidden : NULL, h);
  multiply(k, rows, b->hidden, call->channels_padded, h, (size_t)call->hidden_padded, call->w2, m);
  for_tracks(call, first, first + rows, m, call->channels_padded, scatter);
}

static int tiles_of(const mixer_call *call) { return (call->rows + call->tile - 1) / call->tile; }

void fd_cpu_mixer_forward(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block, fd_mat x, fd_mat z, fd_mat y) {
  mixer_call call = begin(dev, seqs, block);
  call.x = x.at;
  call.z_out = z.at;
  call.y = y.at;
  if (!call.w1 || !call.tiles) return;
  fd_pool_run(call.cpu->pool, panels_of(&call), pack_forward, &call);
  fd_pool_run(call.cpu->pool, tiles_of(&call), forward_tile, &call);
}

/* First pass: z unless it was kept, dm, dh, g = GELU(z), da = dh GELU'(z), dx = dy + da W1. */
static void backward_tile(void *context, int item, int thread) {
  mixer_call *call = context;
  const fd_cpu_kernels *k = call->cpu->kernels;
  const fd_mixer *b = call->block;
  int first = item * call->tile, rows = call->rows - first < call->tile ? call->rows - first : call->tile;
  size_t channels = (size_t)b->channels, hidden = (size_t)call->hidden_padded, at = (size_t)first;
  float *dh = call->tiles + (size_t)thread * call->tile_floats, *again = dh + (size_t)call->tile * hidden,
        *dx = again + (size_t)call->tile * hidden, *g = call->g + at * hidden;
  const float *z = call->z ? call->z + at * (size_t)b->hidden : again;
  if (!call->z) {
    multiply(k, rows, b->channels, call->hidden_padded, call->x + at * channels, channels, call->w1_again, again);
    k->bias_gelu(rows, b->hidden, hidden, b->b1, again, NULL, g);
  }
  for_tracks(call, first, first + rows, NULL, 0, gather);
  multiply(k, rows, b->channels, call->hidden_padded, call->dm + at * channels, channels, call->w1, dh);
  k->gelu_backward(rows, b->hidden, hidden, z, call->z ? (size_t)b->hidden : hidden, dh, g, call->da + at * hidden);
  multiply(k, rows, b->hidden, call->channels_padded, call->da + at * hidden, hidden, call->w2, dx);
  for (int r = 0; r < rows; r++)
    k->add(channels, call->dy + (at + (size_t)r) * channels, dx + (size_t)r * (size_t)call->channels_padded,
           call->dx + (at + (size_t)r) * channels);
}

static void column_sums(int rows, size_t ld, int columns, const float *from, float *sums) {
  memset(sums, 0, (size_t)columns * sizeof(float));
  for (int r = 0; r < rows; r++, from += ld)
    for (int c = 0; c < columns; c++) sums[c] += from[c];
}

/* A strip of columns of dw[m, n] = a[rows, m]^T b[rows, n]. Tokens are added in chunks of a fixed length, in their order. */
static void weight_strip(mixer_call *call, int thread, int first, int m, int n, const float *a, size_t lda, const float *b,
                         size_t ldb, float *dw) {
  const fd_cpu_kernels *k = call->cpu->kernels;
  int strip = k->wide * k->panel, columns = n - first < strip ? n - first : strip, panels = (columns + k->panel - 1) / k->panel;
  float *packed = call->strips + (size_t)thread * call->strip_floats, *sum = packed + (size_t)CHUNK * (size_t)strip;
  for (int row = 0; row < call->rows; row += CHUNK) {
    int chunk = call->rows - row < CHUNK ? call->rows - row : CHUNK;
    for (int p = 0; p < panels; p++)
      k->pack(chunk, columns - p * k->panel < k->panel ? columns - p * k->panel : k->panel,
              b + (size_t)row * ldb + first + p * k->panel, ldb, 0, packed + (size_t)p * (size_t)chunk * (size_t)k->panel);
    k->gemm(m, chunk, a + (size_t)row * lda, 1, lda, packed, panels, sum, (size_t)strip, row > 0);
  }
  for (int i = 0; i < m; i++)
    memcpy(dw + (size_t)i * (size_t)n + first, sum + (size_t)i * (size_t)strip, (size_t)columns * sizeof(float));
}

static int strips_of(const mixer_call *call, int columns) {
  int strip = call->cpu->kernels->wide * call->cpu->kernels->panel;
  return (columns + strip - 1) / strip;
}

/* Second pass: the strips of dw2 and dw1, and the two bias gradients. */
static void backward_weights(void *context, int item, int thread) {
  mixer_call *call = context;
  const fd_mixer *b = call->block;
  int strip = call->cpu->kernels->wide * call->cpu->kernels->panel, of_w2 = strips_of(call, b->hidden),
      all = of_w2 + strips_of(call, b->channels);
  size_t channels = (size_t)b->channels, hidden = (size_t)call->hidden_padded;
  if (item < of_w2)
    weight_strip(call, thread, item * strip, b->channels, b->hidden, call->dm, channels, call->g, hidden, call->grads->w2);
  else if (item < all)
    weight_strip(call, thread, (item - of_w2) * strip, b->hidden, b->channels, call->da, hidden, call->x, channels,
                 call->grads->w1);
  else if (item == all) column_sums(call->rows, channels, b->channels, call->dm, call->grads->b2);
  else column_sums(call->rows, hidden, b->hidden, call->da, call->grads->b1);
}

void fd_cpu_mixer_backward(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block, fd_mat x, fd_mat z, fd_mat dy, fd_mat dx,
                           const fd_mixer_grads *grads) {
  mixer_call call = begin(dev, seqs, block);
  fd_cpu *cpu = call.cpu;
  size_t rows = (size_t)call.rows, larger = (size_t)(block->hidden > block->channels ? block->hidden : block->channels);
  call.x = x.at;
  call.z = z.at;
  call.dy = dy.at;
  call.dx = dx.at;
  call.grads = grads;
  call.dm = fd_cpu_scratch(cpu, FD_SLOT_DM, rows * (size_t)block->channels);
  call.da = fd_cpu_scratch(cpu, FD_SLOT_DA, rows * (size_t)call.hidden_padded);
  call.g = fd_cpu_scratch(cpu, FD_SLOT_G, rows * (size_t)call.hidden_padded);
  call.strip_floats = (size_t)(cpu->kernels->wide * cpu->kernels->panel) * (CHUNK + larger);
  call.strips = fd_cpu_scratch(cpu, FD_SLOT_STRIP, call.strip_floats * (size_t)fd_pool_threads(cpu->pool));
  if (!call.w1 || !call.tiles || !call.dm || !call.da || !call.g || !call.strips) return;
  fd_pool_run(cpu->pool, panels_of(&call) + (z.at ? 0 : hidden_panels(&call)), pack_backward, &call);
  fd_pool_run(cpu->pool, tiles_of(&call), backward_tile, &call);
  fd_pool_run(cpu->pool, strips_of(&call, block->hidden) + strips_of(&call, block->channels) + 2, backward_weights, &call);
}
