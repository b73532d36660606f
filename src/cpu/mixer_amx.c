/* The ChordMixer block with kernels that multiply tiles of tokens (AMX and its model). Tokens are rows and operands are rounded
 * to bf16 as soon as they are computed: hidden units go from one product to the next without being transposed or stored in fp32.
 * The backward pass has two stages: gradients of tokens, then of weights. */
#include "cpu/mixer_amx.h"

#include <string.h>

#include "cpu/product.h"
#include "cpu/tracks.h"
#include "cpu/weights.h"

enum { TILE = FD_TILE_TOKENS, CHUNK = FD_CHUNK_TILES * TILE /* tokens per product of the gradients of weights */ };

/* Shared by the items of a call. */
typedef struct block_call {
  fd_cpu *cpu;
  const fd_cpu_kernels *kernels;
  const fd_seqs *seqs;
  const fd_mixer *block;
  int rows, tiles, together; /* tokens; tiles of tokens; tiles of an item */
  int strips, panels;        /* of channels; of hidden units */
  const float *w1, *w2;      /* right operands: forward of both layers, backward of their gradients */
  const float *w1_again;     /* of the first layer, for a backward pass that recomputes z */
  const float *x, *dy;
  float *z, *y, *dx;
  const fd_mixer_grads *grads;
  float *scratch; /* per thread */
  size_t scratch_floats;
  float *x_left, *dm_left;   /* per chunk and strip: left operands [channels, tokens] */
  float *da, *g, *unit_sums; /* of fd_cpu_hidden */
  float *channel_sums;       /* [tiles, channels]: dm summed over the tokens of a tile */
  float *sums;               /* per thread, for gradients of weights */
  size_t sums_floats;
} block_call;

/* Scratch memory of a thread. */
typedef struct space {
  float *x, *dm; /* per tile of an item: left operands [tokens, channels] */
  float *h;      /* likewise [tokens, hidden] */
  float *rows;   /* likewise [TILE, strips * panel]: a product */
} space;

static int width_of(const block_call *call) { return call->strips * call->kernels->panel; }

static size_t divide_scratch(const block_call *call, float *base, space *s) {
  size_t used = 0;
  int tiles = call->together;
  s->x = fd_cpu_take(base, &used, tiles, (int)fd_cpu_left(call->kernels, call->block->channels));
  s->dm = fd_cpu_take(base, &used, tiles, (int)fd_cpu_left(call->kernels, call->block->channels));
  s->h = fd_cpu_take(base, &used, tiles, (int)fd_cpu_left(call->kernels, call->block->hidden));
  s->rows = fd_cpu_take(base, &used, tiles, TILE * width_of(call));
  return used;
}

static space space_of(const block_call *call, int thread) {
  space s;
  divide_scratch(call, call->scratch + (size_t)thread * call->scratch_floats, &s);
  return s;
}

static block_call begin(fd_cpu *cpu, const fd_seqs *seqs, const fd_mixer *block) {
  space none;
  int threads = fd_pool_threads(cpu->pool);
  block_call call = {
      .cpu = cpu, .kernels = cpu->kernels, .seqs = seqs, .block = block, .rows = fd_seqs_rows(seqs), .together = 1};
  call.tiles = fd_parts(call.rows, TILE);
  call.strips = fd_parts(block->channels, call.kernels->panel);
  call.panels = fd_parts(block->hidden, call.kernels->panel);
  /* An item has the tiles that fill a fifth of L2, through which the panels of weights stream (more are slower), but each thread
   * gets several items. */
  int most = (int)(cpu->l2 / 5 / (divide_scratch(&call, NULL, &none) * sizeof(float))),
      share = fd_smaller(call.tiles / (4 * threads), most);
  call.together = share < 1 ? 1 : share;
  call.scratch_floats = divide_scratch(&call, NULL, &none);
  call.scratch = fd_cpu_scratch(cpu, FD_SLOT_TILE, call.scratch_floats * (size_t)threads);
  return call;
}

static int tokens_of(const block_call *call, int tile) { return fd_smaller(call->rows - tile * TILE, TILE); }

static int items_of(const block_call *call) { return fd_parts(call->tiles, call->together); }

static fd_cpu_hidden hidden_of(const block_call *call, const space *s, int first, int tiles) {
  return (fd_cpu_hidden){.first = first,
                         .tiles = tiles,
                         .last = tokens_of(call, first + tiles - 1),
                         .channels = call->block->channels,
                         .hidden = call->block->hidden,
                         .x = s->x,
                         .dm = s->dm,
                         .b1 = call->block->b1,
                         .z = call->z ? call->z + (size_t)(first * TILE) * (size_t)call->block->hidden : NULL,
                         .h = s->h,
                         .g = call->g,
                         .da = call->da,
                         .sums = call->unit_sums};
}

/* s->rows = the hidden units of each tile of an item times the second layer's weights, or their transpose. */
static void multiply_back(const block_call *call, const space *s, int tiles) {
  const fd_cpu_kernels *k = call->kernels;
  int hidden = call->block->hidden, width = width_of(call);
  for (int i = 0; i < call->strips; i++)
    for (int t = 0; t < tiles; t++)
      k->multiply(TILE, k->panel, hidden, s->h + (size_t)t * fd_cpu_left(k, hidden),
                  call->w2 + (size_t)i * fd_cpu_right(k, hidden), s->rows + (size_t)t * (size_t)(TILE * width) + i * k->panel,
                  (size_t)width, FD_GEMM_SET);
}

static void forward_item(void *context, int item, int thread) {
  const block_call *call = context;
  const fd_cpu_kernels *k = call->kernels;
  space s = space_of(call, thread);
  int first = item * call->together, tiles = fd_smaller(call->tiles - first, call->together), channels = call->block->channels;
  for (int t = 0; t < tiles; t++)
    k->pack_left(tokens_of(call, first + t), channels, call->x + (size_t)((first + t) * TILE) * (size_t)channels,
                 (size_t)channels, 0, s.x + (size_t)t * fd_cpu_left(k, channels));
  fd_cpu_hidden hidden = hidden_of(call, &s, first, tiles);
  hidden.w1 = call->w1;
  k->hidden_forward(&hidden);
  multiply_back(call, &s, tiles);
  fd_cpu_scatter_tracks(call->seqs, call->block, first * TILE, fd_smaller(call->rows - first * TILE, tiles * TILE), s.rows,
                        (size_t)width_of(call), call->x, call->y);
}

void fd_cpu_mixer_amx_forward(fd_cpu *cpu, const fd_seqs *seqs, const fd_mixer *block, const float *x, float *z, float *y) {
  block_call call = begin(cpu, seqs, block);
  call.x = x, call.z = z, call.y = y;
  call.w1 = fd_cpu_right_weights(cpu, FD_SLOT_W1, block->w1, block->channels, block->hidden, 1);
  call.w2 = fd_cpu_right_weights(cpu, FD_SLOT_W2, block->w2, block->hidden, block->channels, 1);
  if (!call.w1 || !call.w2 || !call.scratch) return;
  fd_pool_run(cpu->pool, items_of(&call), forward_item, &call);
}

/* Packs x or dm of a tile as left operands of the gradients of weights. */
static void load_strips(const block_call *call, const float *rows, int tile, float *to) {
  const fd_cpu_kernels *k = call->kernels;
  int channels = call->block->channels;
  to += (size_t)(tile / FD_CHUNK_TILES * call->strips) * fd_cpu_left(k, CHUNK) +
        (size_t)(tile % FD_CHUNK_TILES) * fd_cpu_left(k, TILE);
  for (int first = 0; first < channels; first += k->rows, to += fd_cpu_left(k, CHUNK))
    k->pack_left(fd_smaller(channels - first, k->rows), tokens_of(call, tile), rows + first, (size_t)channels, 1, to);
}

/* The operands of tile t of an item, and the sums of its dm. */
static void load_gradients(const block_call *call, const space *s, int first, int t) {
  const fd_cpu_kernels *k = call->kernels;
  int channels = call->block->channels, tile = first + t, tokens = tokens_of(call, tile);
  size_t width = (size_t)channels, left = (size_t)t * fd_cpu_left(k, channels);
  const float *x = call->x + (size_t)(tile * TILE) * width;
  float *dm = s->rows, *sums = call->channel_sums + (size_t)tile * width;
  fd_cpu_gather_tracks(call->seqs, call->block, tile * TILE, tokens, call->dy, dm);
  memcpy(sums, dm, width * sizeof *sums);
  for (int i = 1; i < tokens; i++) k->add(width, sums, dm + (size_t)i * width, sums);
  load_strips(call, x, tile, call->x_left);
  load_strips(call, dm, tile, call->dm_left);
  k->pack_left(tokens, channels, dm, width, 0, s->dm + left);
  if (!call->z) k->pack_left(tokens, channels, x, width, 0, s->x + left);
}

/* First stage of the backward pass: gradients of tokens. dx = dy + da W1. */
static void backward_item(void *context, int item, int thread) {
  const block_call *call = context;
  const fd_cpu_kernels *k = call->kernels;
  space s = space_of(call, thread);
  int first = item * call->together, tiles = fd_smaller(call->tiles - first, call->together), channels = call->block->channels;
  for (int t = 0; t < tiles; t++) load_gradients(call, &s, first, t);
  fd_cpu_hidden hidden = hidden_of(call, &s, first, tiles);
  hidden.w1 = call->w1_again;
  hidden.w2 = call->w1;
  k->hidden_backward(&hidden);
  multiply_back(call, &s, tiles);
  for (int row = first * TILE, i = 0; i < tiles * TILE && row < call->rows; i++, row++) {
    size_t at = (size_t)row * (size_t)channels;
    k->add((size_t)channels, call->dy + at, s.rows + (size_t)i * (size_t)width_of(call), call->dx + at);
  }
}

/* A range of panels of hidden units, for the gradient of one of the two weights. */
typedef struct unit_range {
  const float *left, *units; /* x and da, or dm and g */
  int from, to;              /* panels */
} unit_range;

/* Chunks of tokens are the outermost loop. c: [panels, strips, rows, panel], the transpose of dW1, or dW2 */
static void sum_chunks(const block_call *call, const unit_range *u, float *c) {
  const fd_cpu_kernels *k = call->kernels;
  size_t tile = (size_t)k->rows * (size_t)k->panel, left = fd_cpu_left(k, CHUNK), right = fd_cpu_right(k, CHUNK);
  for (int row = 0; row < call->rows || row == 0; row += CHUNK) /* without tokens the sums are zero */
    for (int p = u->from; p < u->to; p++)
      for (int s = 0; s < call->strips; s++)
        k->multiply(k->rows, k->panel, fd_smaller(call->rows - row, CHUNK),
                    u->left + (size_t)(row / CHUNK * call->strips + s) * left,
                    u->units + (size_t)(row / CHUNK * call->panels + p) * right,
                    c + (size_t)((p - u->from) * call->strips + s) * tile, (size_t)k->panel, row ? FD_GEMM_ADD : FD_GEMM_SET);
}

static int groups_of(const block_call *call) { return fd_smaller(fd_pool_threads(call->cpu->pool), call->panels); }

/* Second stage: a range of panels of dw1, or of dw2. */
static void weights_item(void *context, int item, int thread) {
  const block_call *call = context;
  const fd_cpu_kernels *k = call->kernels;
  int groups = groups_of(call), group = item % groups, first = item < groups, channels = call->block->channels,
      hidden = call->block->hidden;
  unit_range u = {first ? call->x_left : call->dm_left, first ? call->da : call->g, call->panels * group / groups,
                  call->panels * (group + 1) / groups};
  float *c = call->sums + (size_t)thread * call->sums_floats;
  sum_chunks(call, &u, c);
  for (int p = u.from; p < u.to; p++)
    for (int s = 0; s < call->strips; s++, c += k->rows * k->panel) {
      int unit = p * k->panel, n = fd_smaller(hidden - unit, k->panel), channel = s * k->rows,
          m = fd_smaller(channels - channel, k->rows);
      if (first)
        k->transpose(m, n, c, (size_t)k->panel, call->grads->w1 + (size_t)unit * (size_t)channels + channel, (size_t)channels);
      for (int i = 0; !first && i < m; i++)
        memcpy(call->grads->w2 + (size_t)(channel + i) * (size_t)hidden + unit, c + i * k->panel, (size_t)n * sizeof *c);
    }
}

/* Allocates scratch memory of the backward pass; returns 0 after a failure. */
static int alloc_scratch(block_call *call) {
  fd_cpu *cpu = call->cpu;
  const fd_cpu_kernels *k = call->kernels;
  int threads = fd_pool_threads(cpu->pool), groups = groups_of(call), chunks = fd_parts(call->rows, CHUNK);
  size_t units = (size_t)(chunks * call->panels) * fd_cpu_right(k, CHUNK),
         strips = (size_t)(chunks * call->strips) * fd_cpu_left(k, CHUNK);
  call->sums_floats = (size_t)(fd_parts(call->panels, groups) * call->strips) * (size_t)k->rows * (size_t)k->panel;
  call->da = fd_cpu_scratch(cpu, FD_SLOT_DA, units);
  call->g = fd_cpu_scratch(cpu, FD_SLOT_G, units);
  call->x_left = fd_cpu_scratch(cpu, FD_SLOT_PACKED_X, strips);
  call->dm_left = fd_cpu_scratch(cpu, FD_SLOT_PACKED_DM, strips);
  call->unit_sums =
      fd_cpu_scratch(cpu, FD_SLOT_SUMS, (size_t)call->tiles * (size_t)(call->block->hidden + call->block->channels));
  call->sums = fd_cpu_scratch(cpu, FD_SLOT_STRIP, call->sums_floats * (size_t)threads);
  if (call->unit_sums) call->channel_sums = call->unit_sums + (size_t)call->tiles * (size_t)call->block->hidden;
  return call->scratch && call->da && call->g && call->x_left && call->dm_left && call->unit_sums && call->sums;
}

void fd_cpu_mixer_amx_backward(fd_cpu *cpu, const fd_seqs *seqs, const fd_mixer *block, const float *x, const float *z,
                               const float *dy, float *dx, const fd_mixer_grads *grads) {
  block_call call = begin(cpu, seqs, block);
  call.x = x, call.z = (float *)z, call.dy = dy, call.dx = dx, call.grads = grads;
  call.w1 = fd_cpu_right_weights(cpu, FD_SLOT_W1, block->w2, block->channels, block->hidden, 0);
  call.w2 = fd_cpu_right_weights(cpu, FD_SLOT_W2, block->w1, block->hidden, block->channels, 0);
  if (!z) call.w1_again = fd_cpu_right_weights(cpu, FD_SLOT_W3, block->w1, block->channels, block->hidden, 1);
  if (!call.w1 || !call.w2 || (!z && !call.w1_again) || !alloc_scratch(&call)) return;
  fd_pool_run(cpu->pool, items_of(&call), backward_item, &call);
  fd_pool_run(cpu->pool, 2 * groups_of(&call), weights_item, &call);
  fd_cpu_column_sums(cpu, call.tiles, block->hidden, call.unit_sums, grads->b1);
  fd_cpu_column_sums(cpu, call.tiles, block->channels, call.channel_sums, grads->b2);
}
