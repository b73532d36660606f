/* Part of kernels.c: the hidden layer of a ChordMixer block with AMX. Tokens are rows, so that neither operand nor result is ever
 * transposed. While the tile unit multiplies one tile of tokens and panel of hidden units, the vector units compute GELU of the
 * one before. */
#ifndef FD_CPU_HIDDEN_AMX_H
#define FD_CPU_HIDDEN_AMX_H

#include "cpu/gemm_amx.h"

/* A tile and a panel, whose products are in z (unless it was kept) and dh; [ROWS, PANEL] each. */
typedef struct hidden_part {
  const fd_cpu_hidden *call;
  int tile, panel, tokens, part[2]; /* part: units in the lanes of the panel's two vectors */
  const float *z, *dh;
  float *kept;       /* z in memory, or NULL */
  const float *next; /* z of the next part, to be loaded meanwhile */
  vfloat bias[2];
  float *h, *g, *da;
  vfloat sums[2];
} hidden_part;

INLINE int units_in(int hidden, int first, int most) {
  int rest = hidden - first;
  return rest < 0 ? 0 : rest < most ? rest : most;
}

/* z of a part, or NULL if it is not kept. */
INLINE float *place_of_z(const fd_cpu_hidden *c, int index) {
  int tile = index % c->tiles, tokens = tile == c->tiles - 1 ? c->last : FD_TILE_TOKENS;
  return c->z ? c->z + (size_t)tile * FD_TILE_TOKENS * (size_t)c->hidden + (size_t)(index / c->tiles * PANEL * tokens) : NULL;
}

INLINE void begin_part(hidden_part *s, const fd_cpu_hidden *c, int index, const float *z, const float *dh) {
  int panels = (c->hidden + PANEL - 1) / PANEL, tile = index % c->tiles, panel = index / c->tiles, first = panel * PANEL;
  int number = c->first + tile, chunk = number / FD_CHUNK_TILES;
  s->call = c, s->tile = tile, s->panel = panel, s->tokens = tile == c->tiles - 1 ? c->last : FD_TILE_TOKENS;
  s->z = z, s->dh = dh;
  s->kept = place_of_z(c, index);
  s->next = index + 1 < panels * c->tiles ? place_of_z(c, index + 1) : NULL;
  for (int i = 0; i < 2; i++) {
    s->part[i] = units_in(c->hidden, first + i * LANES, LANES);
    s->bias[i] = v_load_part(c->b1 + (s->part[i] ? first + i * LANES : 0), s->part[i]);
    s->sums[i] = (vfloat){0};
  }
  s->h = c->h + ((size_t)tile * (size_t)panels + (size_t)panel) * STEP;
  if (dh) {
    size_t at = (size_t)(chunk * panels + panel) * FD_CHUNK_TILES * STEP + (size_t)(number % FD_CHUNK_TILES) * STEP;
    s->g = c->g + at, s->da = c->da + at;
  }
}

/* The place of two vectors of a row in a left operand. */
INLINE float *left_of(float *to, int row) { return to + row / TILE_ROWS * TILE_FLOATS + row % TILE_ROWS * LANES; }

/* Two rows from `row` on of the forward pass. */
INLINE void forward_rows(hidden_part *s, int row) {
  int width = s->part[0] + s->part[1];
  for (int i = row; i < row + 2; i++) {
    vfloat h[2];
    for (int j = 0; j < 2; j++) {
      vfloat z = v_load(s->z + i * PANEL + j * LANES) + s->bias[j];
      if (s->kept && i < s->tokens) v_store_part(s->kept + i * width + j * LANES, z, s->part[j]);
      h[j] = z * normal_cdf(z);
    }
    v_store(left_of(s->h, i), (vfloat)pairs_along(h[0], h[1]));
  }
}

/* Two rows of the backward pass. Rows beyond the tokens have dh = 0, hence da = 0. */
INLINE void backward_rows(hidden_part *s, int row) {
  int width = s->part[0] + s->part[1];
  vfloat g[2][2], da[2][2];
  for (int i = 0; s->next && i < 4; i++) __builtin_prefetch(s->next + (row * 2 + i) * LANES);
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 2; j++) {
      vfloat z;
      if (s->kept) z = v_load_part(s->kept + (row + i) * width + j * LANES, row + i < s->tokens ? s->part[j] : 0);
      else z = v_load(s->z + (row + i) * PANEL + j * LANES) + s->bias[j];
      vfloat cdf = normal_cdf(z);
      g[i][j] = z * cdf;
      da[i][j] = v_load(s->dh + (row + i) * PANEL + j * LANES) * gelu_slope(z, cdf);
      s->sums[j] += da[i][j];
    }
  for (int i = 0; i < 2; i++) {
    int at = i * TILE_FLOATS + row / 2 * LANES;
    v_store(left_of(s->h, row + i), (vfloat)pairs_along(da[i][0], da[i][1]));
    v_store(s->g + at, (vfloat)pairs_across(g[0][i], g[1][i]));
    v_store(s->da + at, (vfloat)pairs_across(da[0][i], da[1][i]));
  }
}

INLINE void end_part(hidden_part *s) {
  const fd_cpu_hidden *c = s->call;
  float *sums = c->sums + (size_t)(c->first + s->tile) * (size_t)c->hidden + (size_t)s->panel * PANEL;
  v_store_part(sums, s->sums[0], s->part[0]);
  if (s->part[1]) v_store_part(sums + LANES, s->sums[1], s->part[1]);
}

typedef void part_rows(hidden_part *s, int row);

/* c[ROWS, PANEL] = A B over `units` of k; in between, all rows of the part `s` unless that is NULL. */
INLINE void multiply_beside(int units, const float *a, const float *b, float *c, hidden_part *s, part_rows *rows) {
  zero_tiles();
  for (int u = 0, row = 0; u < units; u++, a += STEP, b += STEP) {
    multiply_unit(a, b);
    for (int end = ROWS * (u + 1) / units; s && row + 2 <= end; row += 2) rows(s, row);
  }
  store_tiles(c, PANEL);
}

static void hidden_forward(const fd_cpu_hidden *c) {
  _Alignas(64) float z[2][ROWS * PANEL];
  hidden_part part;
  int units = (c->channels + UNIT - 1) / UNIT, all = (c->hidden + PANEL - 1) / PANEL * c->tiles;
  tiles_begin();
  for (int i = 0; i < all; i++) {
    const float *x = c->x + (size_t)(i % c->tiles * units) * STEP, *w = c->w1 + (size_t)(i / c->tiles * units) * STEP;
    if (i) begin_part(&part, c, i - 1, z[(i - 1) % 2], NULL);
    TILE_BARRIER;
    multiply_beside(units, x, w, z[i % 2], i ? &part : NULL, forward_rows);
    TILE_BARRIER;
  }
  begin_part(&part, c, all - 1, z[(all - 1) % 2], NULL);
  for (int row = 0; row < ROWS; row += 2) forward_rows(&part, row);
}

static void hidden_backward(const fd_cpu_hidden *c) {
  _Alignas(64) float z[2][ROWS * PANEL], dh[2][ROWS * PANEL];
  hidden_part part;
  int units = (c->channels + UNIT - 1) / UNIT, all = (c->hidden + PANEL - 1) / PANEL * c->tiles;
  tiles_begin();
  for (int i = 0; i < all; i++) {
    size_t token = (size_t)(i % c->tiles * units) * STEP, unit = (size_t)(i / c->tiles * units) * STEP;
    if (i) begin_part(&part, c, i - 1, z[(i - 1) % 2], dh[(i - 1) % 2]);
    TILE_BARRIER;
    if (!c->z) multiply_beside(units, c->x + token, c->w1 + unit, z[i % 2], NULL, backward_rows);
    multiply_beside(units, c->dm + token, c->w2 + unit, dh[i % 2], i ? &part : NULL, backward_rows);
    TILE_BARRIER;
    if (i) end_part(&part);
  }
  begin_part(&part, c, all - 1, z[(all - 1) % 2], dh[(all - 1) % 2]);
  for (int row = 0; row < ROWS; row += 2) backward_rows(&part, row);
  end_part(&part);
}

#endif
