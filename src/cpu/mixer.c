/* The ChordMixer block on the CPU. Channels are rows and tokens are columns: a tile of tokens, as wide as a packed panel, goes
 * through both products of the MLP without being packed again. The backward pass has two stages: gradients of tokens, then of
 * weights. */
#include <string.h>

#include "cpu/backend.h"
#include "cpu/mixer_amx.h"
#include "cpu/product.h"
#include "cpu/tracks.h"
#include "cpu/weights.h"

enum {
  CHUNK = 256 /* tokens per product of the gradients of weights: whole tiles */,
  PART = 16 /* tokens whose rows stay in L1 */
};

/* Shared by the items of a call. For packed operands see cpu/kernels.h. */
typedef struct mixer_call {
  fd_cpu *cpu;
  const fd_cpu_kernels *kernels;
  const fd_seqs *seqs;
  const fd_mixer *block;
  int rows, tile, tiles, together; /* tokens; tokens of a tile; number of tiles; tiles of an item */
  int strips;                      /* of channels: panels */
  const float *w1, *w2;            /* packed: forward W1 and W2, backward their transposes */
  const float *w1_again;           /* packed W1, for a backward pass that recomputes z */
  const float *x, *dy, *z;         /* z: per tile [hidden, its tokens] */
  float *z_out, *y, *dx;
  const fd_mixer_grads *grads;
  float *scratch; /* per thread */
  size_t scratch_floats;
  float *dm;                   /* [rows, channels] */
  float *da;                   /* [tiles, hidden, tile] */
  float *da_left, *g_left;     /* da and g as left operands of multiply_tiled; in fp32 da_left is da */
  float *x_packed, *dm_packed; /* right operands: CHUNK tokens per chunk and strip */
  float *sums;                 /* per thread, for gradients of weights */
  size_t sums_floats;
} mixer_call;

/* Scratch memory of a thread. */
typedef struct space {
  float *x, *dm; /* right operands of the tiles of an item */
  float *h;      /* right operands: hidden units of the tiles of an item; in fp32 [tiles, hidden, tile] */
  float *m;      /* [tiles, channels, tile] */
  float *z, *dh; /* of a panel of hidden units */
  float *units;  /* the same: h or g before they are rounded */
  float *rows;   /* [PART, channels] */
} space;

static size_t divide_scratch(const mixer_call *call, float *base, space *s) {
  const fd_cpu_kernels *k = call->kernels;
  int tiles = call->together, channels = call->block->channels, right = (int)fd_cpu_right(k, channels);
  size_t used = 0;
  s->x = fd_cpu_take(base, &used, tiles, right), s->dm = fd_cpu_take(base, &used, tiles, right);
  s->m = fd_cpu_take(base, &used, tiles * channels, call->tile);
  s->h = fd_cpu_take(base, &used, tiles, (int)fd_cpu_right(k, call->block->hidden));
  s->z = fd_cpu_take(base, &used, k->rows, call->tile), s->dh = fd_cpu_take(base, &used, k->rows, call->tile);
  s->rows = fd_cpu_take(base, &used, PART, channels);
  s->units = fd_cpu_take(base, &used, k->round_units ? k->rows : 0, call->tile);
  return used;
}

static space space_of(const mixer_call *call, int thread) {
  space s;
  divide_scratch(call, call->scratch + (size_t)thread * call->scratch_floats, &s);
  return s;
}

static mixer_call begin(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block) {
  fd_cpu *cpu = fd_cpu_of(dev);
  space none;
  int threads = fd_pool_threads(cpu->pool);
  mixer_call call = {.cpu = cpu, .kernels = cpu->kernels, .seqs = seqs, .block = block, .rows = fd_seqs_rows(seqs)};
  call.tile = call.kernels->panel;
  call.tiles = fd_parts(call.rows, call.tile);
  call.strips = fd_parts(block->channels, call.kernels->panel);
  call.together = 1;
  /* An item has as many tiles as fit in L2 next to the panels of weights that stream through, but each thread gets several
   * items. */
  int most = (int)(cpu->l2 * 2 / 5 / (divide_scratch(&call, NULL, &none) * sizeof(float))),
      share = fd_smaller(call.tiles / (4 * threads), most);
  call.together = share < 1 ? 1 : share;
  call.scratch_floats = divide_scratch(&call, NULL, &none);
  call.scratch = fd_cpu_scratch(cpu, FD_SLOT_TILE, call.scratch_floats * (size_t)threads);
  return call;
}

static int tokens_of(const mixer_call *call, int tile) { return fd_smaller(call->rows - tile * call->tile, call->tile); }

static int items_of(const mixer_call *call) { return fd_parts(call->tiles, call->together); }

static int panels_of(const mixer_call *call) { return fd_parts(call->block->hidden, call->kernels->rows); }

/* Packs the rows of a tile of tokens as a right operand over the channels. */
static void load_tile(const mixer_call *call, const float *rows, int tile, float *to) {
  size_t channels = (size_t)call->block->channels;
  call->kernels->pack(call->block->channels, tokens_of(call, tile), rows + (size_t)(tile * call->tile) * channels, channels, 1,
                      to);
}

/* Rows of panel `panel` of the product of packed weights [m, k] and a tile: to[up to rows, tile]. */
static void multiply_panel(const mixer_call *call, const float *w, int panel, int m, int k, const float *right, float *to) {
  call->kernels->multiply(fd_smaller(m - panel * call->kernels->rows, call->kernels->rows), call->tile, k,
                          w + (size_t)panel * fd_cpu_left(call->kernels, k), right, to, (size_t)call->tile, FD_GEMM_SET);
}

/* m[tile][channels, tile] = W times the hidden units of each tile of an item, right operands; a panel of W is used for all tiles
 * before the next one. */
static void multiply_back(const mixer_call *call, const space *s, int tiles, const float *units) {
  int channels = call->block->channels, hidden = call->block->hidden, rows = call->kernels->rows;
  for (int i = 0; i < channels; i += rows)
    for (int t = 0; t < tiles; t++)
      multiply_panel(call, call->w2, i / rows, channels, hidden, units + (size_t)t * fd_cpu_right(call->kernels, hidden),
                     s->m + ((size_t)t * (size_t)channels + (size_t)i) * (size_t)call->tile);
}

/* Offset of z of a panel of a tile; z of a tile has as many columns as the tile has tokens. */
static size_t place_of_z(const mixer_call *call, int tile, int unit) {
  return (size_t)(tile * call->tile) * (size_t)call->block->hidden + (size_t)unit * (size_t)tokens_of(call, tile);
}

/* z and h of a panel of hidden units; h becomes a part of the right operand `right`. */
static void hidden_panel(const mixer_call *call, const space *s, int panel, int tile, const float *x, float *right) {
  const fd_cpu_kernels *k = call->kernels;
  int hidden = call->block->hidden, first = panel * k->rows, m = fd_smaller(hidden - first, k->rows),
      tokens = tokens_of(call, tile);
  float *keep = call->z_out ? call->z_out + place_of_z(call, tile, first) : NULL, *z = keep && tokens == call->tile ? keep : s->z;
  float *to = right + fd_cpu_right(k, first), *h = k->round_units ? s->units : to;
  multiply_panel(call, call->w1, panel, hidden, call->block->channels, x, z);
  k->bias_gelu(m, call->block->b1 + first, z, h);
  if (h != to) k->pack(m, call->tile, h, (size_t)call->tile, 0, to);
  for (int i = 0; keep && z != keep && i < m; i++)
    memcpy(keep + (size_t)i * (size_t)tokens, z + (size_t)i * (size_t)call->tile, (size_t)tokens * sizeof *z);
}

static void forward_item(void *context, int item, int thread) {
  const mixer_call *call = context;
  const fd_mixer *b = call->block;
  space s = space_of(call, thread);
  int first = item * call->together, tiles = fd_smaller(call->tiles - first, call->together);
  size_t tile = (size_t)call->tile, right = fd_cpu_right(call->kernels, b->channels),
         wide = fd_cpu_right(call->kernels, b->hidden);
  for (int t = 0; t < tiles; t++) load_tile(call, call->x, first + t, s.x + (size_t)t * right);
  for (int p = 0; p < panels_of(call); p++)
    for (int t = 0; t < tiles; t++) hidden_panel(call, &s, p, first + t, s.x + (size_t)t * right, s.h + (size_t)t * wide);
  multiply_back(call, &s, tiles, s.h);
  for (int t = 0; t < tiles; t++)
    for (int at = 0; at < tokens_of(call, first + t); at += PART) {
      int tokens = fd_smaller(tokens_of(call, first + t) - at, PART);
      call->kernels->transpose(b->channels, tokens, s.m + (size_t)t * (size_t)b->channels * tile + at, tile, s.rows,
                               (size_t)b->channels);
      fd_cpu_scatter_tracks(call->seqs, b, (first + t) * call->tile + at, tokens, s.rows, (size_t)b->channels, call->x, call->y);
    }
}

void fd_cpu_mixer_forward(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block, fd_mat x, fd_mat z, fd_mat y) {
  if (fd_cpu_of(dev)->kernels->hidden_forward) {
    fd_cpu_mixer_amx_forward(fd_cpu_of(dev), seqs, block, x.at, z.at, y.at);
    return;
  }
  mixer_call call = begin(dev, seqs, block);
  call.x = x.at;
  call.z_out = z.at;
  call.y = y.at;
  call.w1 = fd_cpu_weights(call.cpu, FD_SLOT_W1, block->w1, block->hidden, block->channels, 0);
  call.w2 = fd_cpu_weights(call.cpu, FD_SLOT_W2, block->w2, block->channels, block->hidden, 0);
  if (!call.w1 || !call.w2 || !call.scratch) return;
  fd_pool_run(call.cpu->pool, items_of(&call), forward_item, &call);
}

/* Offset of the tokens of a tile, whose first is `row`, in a packed strip of all rows. */
static size_t place_in_strip(const mixer_call *call, int row, int strip) {
  size_t chunk = fd_cpu_right(call->kernels, CHUNK);
  return (size_t)(row / CHUNK * call->strips + strip) * chunk + fd_cpu_right(call->kernels, row % CHUNK);
}

/* Computes dm of a tile; packs dm and x as right operands of the gradients of weights. */
static void load_gradients(const mixer_call *call, int tile) {
  int channels = call->block->channels, panel = call->kernels->panel, row = tile * call->tile, tokens = tokens_of(call, tile);
  size_t at = (size_t)row * (size_t)channels;
  fd_cpu_gather_tracks(call->seqs, call->block, row, tokens, call->dy, call->dm + at);
  for (int s = 0; s < call->strips; s++) {
    int first = s * panel, columns = fd_smaller(channels - first, panel);
    size_t to = place_in_strip(call, row, s);
    call->kernels->pack(tokens, columns, call->x + at + first, (size_t)channels, 0, call->x_packed + to);
    call->kernels->pack(tokens, columns, call->dm + at + first, (size_t)channels, 0, call->dm_packed + to);
  }
}

/* Offset of hidden unit `unit` of a tile. */
static size_t place_of_units(const mixer_call *call, int tile, int unit) {
  return ((size_t)tile * (size_t)call->block->hidden + (size_t)unit) * (size_t)call->tile;
}

/* dh, g = GELU(z) and da = dh GELU'(z) of a panel of hidden units; also z, unless it was kept. Where operands are rounded, da
 * also becomes a part of the right operand `right`. */
static void hidden_gradients(const mixer_call *call, const space *s, int panel, int tile, const float *x, const float *dm,
                             float *right) {
  const fd_cpu_kernels *k = call->kernels;
  int hidden = call->block->hidden, first = panel * k->rows, m = fd_smaller(hidden - first, k->rows),
      tokens = tokens_of(call, tile);
  size_t at = place_of_units(call, tile, first), rounded = at / (size_t)k->elements;
  float *g = k->round_units ? s->units : call->g_left + at, *da = call->da + at;
  const float *z = call->z ? call->z + place_of_z(call, tile, first) : s->z;
  if (!call->z) {
    multiply_panel(call, call->w1_again, panel, hidden, call->block->channels, x, s->z);
    k->bias_gelu(m, call->block->b1 + first, s->z, g);
  }
  multiply_panel(call, call->w1, panel, hidden, call->block->channels, dm, s->dh);
  k->gelu_backward(m, tokens, z, (size_t)(call->z ? tokens : call->tile), s->dh, g, da);
  if (k->round_units) {
    k->round_units(m, tokens, g, call->g_left + rounded);
    k->round_units(m, tokens, da, call->da_left + rounded);
    k->pack(m, call->tile, da, (size_t)call->tile, 0, right + fd_cpu_right(k, first));
  }
}

/* dx = dy + da W1 of a tile. */
static void add_residual(const mixer_call *call, const space *s, int tile, const float *m) {
  size_t channels = (size_t)call->block->channels, at = (size_t)(tile * call->tile) * channels;
  for (int t = 0; t < tokens_of(call, tile); t += PART, at += PART * channels) {
    int tokens = fd_smaller(tokens_of(call, tile) - t, PART);
    call->kernels->transpose(call->block->channels, tokens, m + t, (size_t)call->tile, s->rows, channels);
    call->kernels->add((size_t)tokens * channels, call->dy + at, s->rows, call->dx + at);
  }
}

/* First stage of the backward pass: gradients of tokens. */
static void backward_item(void *context, int item, int thread) {
  const mixer_call *call = context;
  const fd_mixer *b = call->block;
  space s = space_of(call, thread);
  int first = item * call->together, tiles = fd_smaller(call->tiles - first, call->together);
  const fd_cpu_kernels *k = call->kernels;
  size_t right = fd_cpu_right(k, b->channels), wide = fd_cpu_right(k, b->hidden);
  for (int t = 0; t < tiles; t++) {
    load_gradients(call, first + t);
    load_tile(call, call->dm, first + t, s.dm + (size_t)t * right);
    if (!call->z) load_tile(call, call->x, first + t, s.x + (size_t)t * right);
  }
  for (int p = 0; p < panels_of(call); p++)
    for (int t = 0; t < tiles; t++)
      hidden_gradients(call, &s, p, first + t, s.x + (size_t)t * right, s.dm + (size_t)t * right, s.h + (size_t)t * wide);
  multiply_back(call, &s, tiles, k->round_units ? s.h : call->da + place_of_units(call, first, 0));
  for (int t = 0; t < tiles; t++) add_residual(call, &s, first + t, s.m + (size_t)t * (size_t)b->channels * (size_t)call->tile);
}

/* A range of panels of hidden units, for the gradient of one of the two weights. */
typedef struct unit_range {
  const float *left, *right; /* da and x, or g and dm */
  float *dw, *sums;          /* dw1 and db1, or dw2 and NULL */
  int from, to;              /* panels */
} unit_range;

/* Adds a chunk of da to the sums of the range, token by token. */
static void add_chunk(const mixer_call *call, const unit_range *u, int row) {
  int first = u->from * call->kernels->rows, m = fd_smaller(call->block->hidden, u->to * call->kernels->rows) - first;
  for (int tile = row / call->tile; tile < call->tiles && tile * call->tile < row + CHUNK; tile++)
    call->kernels->row_sums(m, tokens_of(call, tile), call->da + place_of_units(call, tile, first), u->sums + first);
}

/* Chunks of tokens are the outermost loop: a packed chunk is used for all panels while it is in L2. c: [panels, strips, rows,
 * panel] */
static void sum_chunks(const mixer_call *call, const unit_range *u, float *c) {
  const fd_cpu_kernels *k = call->kernels;
  size_t tile = (size_t)k->rows * (size_t)k->panel, elements = (size_t)k->elements, step = place_of_units(call, 1, 0) / elements;
  for (int row = 0; row < call->rows || row == 0; row += CHUNK) { /* without tokens the sums are zero */
    if (u->sums) add_chunk(call, u, row);
    for (int p = u->from; p < u->to; p++)
      for (int s = 0; s < call->strips; s++)
        k->multiply_tiled(fd_smaller(call->block->hidden - p * k->rows, k->rows),
                          fd_smaller(call->block->channels - s * k->panel, k->panel), fd_smaller(call->rows - row, CHUNK),
                          u->left + place_of_units(call, row / call->tile, p * k->rows) / elements, step,
                          u->right + place_in_strip(call, row, s), c + (size_t)((p - u->from) * call->strips + s) * tile,
                          (size_t)k->panel, row ? FD_GEMM_ADD : FD_GEMM_SET);
  }
}

/* Second stage: a range of panels of dw1 and db1, or of dw2, where hidden units are columns. */
static void weights_item(void *context, int item, int thread) {
  const mixer_call *call = context;
  const fd_cpu_kernels *k = call->kernels;
  int groups = fd_smaller(2 * fd_pool_threads(call->cpu->pool), panels_of(call)), group = item % groups, first = item < groups;
  int channels = call->block->channels, hidden = call->block->hidden;
  unit_range u = {first ? call->da_left : call->g_left,      first ? call->x_packed : call->dm_packed,
                  first ? call->grads->w1 : call->grads->w2, first ? call->grads->b1 : NULL,
                  panels_of(call) * group / groups,          panels_of(call) * (group + 1) / groups};
  float *c = call->sums + (size_t)thread * call->sums_floats;
  for (int i = u.from * k->rows; u.sums && i < fd_smaller(u.to * k->rows, hidden); i++) u.sums[i] = 0;
  sum_chunks(call, &u, c);
  for (int p = u.from; p < u.to; p++)
    for (int s = 0; s < call->strips; s++, c += (size_t)k->rows * (size_t)k->panel) {
      int unit = p * k->rows, m = fd_smaller(hidden - unit, k->rows), channel = s * k->panel,
          n = fd_smaller(channels - channel, k->panel);
      if (!first) k->transpose(m, n, c, (size_t)k->panel, u.dw + (size_t)channel * (size_t)hidden + unit, (size_t)hidden);
      for (int i = 0; first && i < m; i++)
        memcpy(u.dw + (size_t)(unit + i) * (size_t)channels + channel, c + (size_t)i * (size_t)k->panel, (size_t)n * sizeof *c);
    }
}

/* Allocates scratch memory of the backward pass; returns 0 after a failure. */
static int alloc_scratch(mixer_call *call) {
  fd_cpu *cpu = call->cpu;
  const fd_cpu_kernels *k = call->kernels;
  int threads = fd_pool_threads(cpu->pool), groups = fd_smaller(2 * threads, panels_of(call));
  size_t units = (size_t)call->tiles * (size_t)call->block->hidden * (size_t)call->tile,
         strips = (size_t)(fd_parts(call->rows, CHUNK) * call->strips) * fd_cpu_right(k, CHUNK);
  call->sums_floats = (size_t)(fd_parts(panels_of(call), groups) * call->strips) * (size_t)k->rows * (size_t)k->panel;
  call->dm = fd_cpu_scratch(cpu, FD_SLOT_DM, (size_t)call->rows * (size_t)call->block->channels);
  call->da = fd_cpu_scratch(cpu, FD_SLOT_DA, units);
  call->g_left = fd_cpu_scratch(cpu, FD_SLOT_G, units); /* rounded, both operands fit */
  if (!call->g_left) return 0;
  call->da_left = k->round_units ? call->g_left + units / (size_t)k->elements : call->da;
  call->x_packed = fd_cpu_scratch(cpu, FD_SLOT_PACKED_X, strips);
  call->dm_packed = fd_cpu_scratch(cpu, FD_SLOT_PACKED_DM, strips);
  call->sums = fd_cpu_scratch(cpu, FD_SLOT_STRIP, call->sums_floats * (size_t)threads);
  return call->scratch && call->dm && call->da && call->x_packed && call->dm_packed && call->sums;
}

void fd_cpu_mixer_backward(fd_device *dev, const fd_seqs *seqs, const fd_mixer *block, fd_mat x, fd_mat z, fd_mat dy, fd_mat dx,
                           const fd_mixer_grads *grads) {
  if (fd_cpu_of(dev)->kernels->hidden_backward) {
    fd_cpu_mixer_amx_backward(fd_cpu_of(dev), seqs, block, x.at, z.at, dy.at, dx.at, grads);
    return;
  }
  mixer_call call = begin(dev, seqs, block);
  fd_cpu *cpu = call.cpu;
  call.x = x.at;
  call.z = z.at;
  call.dy = dy.at;
  call.dx = dx.at;
  call.grads = grads;
  call.w1 = fd_cpu_weights(cpu, FD_SLOT_W1, block->w2, block->hidden, block->channels, 1);
  call.w2 = fd_cpu_weights(cpu, FD_SLOT_W2, block->w1, block->channels, block->hidden, 1);
  if (!z.at) call.w1_again = fd_cpu_weights(cpu, FD_SLOT_W3, block->w1, block->hidden, block->channels, 0);
  if (!call.w1 || !call.w2 || (!z.at && !call.w1_again) || !alloc_scratch(&call)) return;
  fd_pool_run(cpu->pool, items_of(&call), backward_item, &call);
  fd_pool_run(cpu->pool, 2 * fd_smaller(2 * fd_pool_threads(cpu->pool), panels_of(&call)), weights_item, &call);
  fd_cpu_column_sums(cpu, call.rows, block->channels, call.dm, grads->b2);
}
