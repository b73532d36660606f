/* Products of whole matrices: all threads pack b, then each computes tiles of c, one block of k (a depth) after another. Also
 * sums of columns. */
#include "cpu/product.h"

#include <string.h>

/* Size of a tile of c at most, in whole register tiles: the tile and its block of a, of one depth of k, fit in L2 together. GAP
 * pads the rows of the copied block so that they do not compete for the same cache lines of L1. */
enum { TILE_ROWS = 168, TILE_COLUMNS = 256, GAP = 16 };

typedef struct product_call {
  const fd_product *product;
  const fd_cpu_kernels *kernels;
  fd_cpu_gemm *gemm;
  int padded;     /* columns of the packed b */
  float *packed;  /* the panels of each depth of k, back to back */
  float *scratch; /* per thread: a copy of a block of a, a tile of c */
} product_call;

static int smaller(int a, int b) { return a < b ? a : b; }

static int rows_of_tile(const fd_cpu_kernels *kernels) { return TILE_ROWS / kernels->rows * kernels->rows; }

static int parts_of(int n, int size) { return (n + size - 1) / size; }

/* Offset of the packed panel of a column, in the depth of k that starts at `first` and has k. */
static size_t place_of(const product_call *call, int first, int column, int k) {
  size_t panels = (size_t)(call->padded / call->kernels->panel);
  return (size_t)(first / call->kernels->depth) * panels * fd_cpu_right(call->kernels, call->kernels->depth) +
         (size_t)(column / call->kernels->panel) * fd_cpu_right(call->kernels, k);
}

/* Packs one panel of one depth of k. */
static void pack_item(void *context, int item, int thread) {
  (void)thread;
  const product_call *call = context;
  const fd_product *p = call->product;
  const fd_cpu_kernels *kernels = call->kernels;
  int panels = call->padded / kernels->panel, first = item / panels * kernels->depth, column = item % panels * kernels->panel,
      k = smaller(kernels->depth, p->k - first);
  size_t ld = (size_t)(p->b_is_transposed ? p->k : p->n);
  const float *from = p->b_is_transposed ? p->b + (size_t)column * ld + first : p->b + (size_t)first * ld + column;
  kernels->pack(k, smaller(kernels->panel, p->n - column), from, ld, p->b_is_transposed,
                call->packed + place_of(call, first, column, k));
}

/* Copies a block of a as it is in memory: `rows` rows from `row` on, `k` of k from `first` on; `step` is its stride. */
static void copy_block(const fd_product *p, int row, int rows, int first, int k, float *to, size_t step) {
  if (p->a_is_transposed) {
    const float *from = p->a + (size_t)first * (size_t)p->m + row;
    for (int i = 0; i < k; i++) memcpy(to + (size_t)i * step, from + (size_t)i * (size_t)p->m, (size_t)rows * sizeof(float));
  } else {
    const float *from = p->a + (size_t)row * (size_t)p->k + first;
    for (int i = 0; i < rows; i++) memcpy(to + (size_t)i * step, from + (size_t)i * (size_t)p->k, (size_t)k * sizeof(float));
  }
}

static size_t scratch_floats(const fd_cpu_kernels *kernels) {
  return (size_t)TILE_ROWS * (size_t)(kernels->depth + GAP + TILE_COLUMNS);
}

/* Writes the rows of a finished tile to c and y; the tile itself may change. */
static void write_tile(const product_call *call, int row, int rows, int column, int columns, float *tile) {
  const fd_product *p = call->product;
  size_t c_row = p->c_row ? p->c_row : (size_t)p->n;
  for (int r = 0; r < rows; r++, tile += TILE_COLUMNS) {
    size_t at = (size_t)(row + r);
    float *c = p->c ? p->c + at * c_row + column : tile;
    if (!p->bias && c != tile) memcpy(c, tile, (size_t)columns * sizeof *c);
    for (int j = 0; p->bias && j < columns; j++) c[j] = tile[j] + p->bias[column + j];
    if (p->y)
      call->kernels->act_forward(p->act, columns, c, p->gate ? p->gate + at * p->gate_row + column : NULL,
                                 p->y + at * (size_t)p->n + column);
  }
}

static void tile_item(void *context, int item, int thread) {
  const product_call *call = context;
  const fd_product *p = call->product;
  const fd_cpu_kernels *kernels = call->kernels;
  int across = parts_of(p->n, TILE_COLUMNS), most = rows_of_tile(kernels), row = item / across * most,
      column = item % across * TILE_COLUMNS, rows = smaller(most, p->m - row), columns = smaller(TILE_COLUMNS, p->n - column),
      first = 0;
  float *block = call->scratch + (size_t)thread * scratch_floats(kernels), *tile = block + TILE_ROWS * (kernels->depth + GAP);
  size_t step = (size_t)(p->a_is_transposed ? TILE_ROWS : kernels->depth + GAP);
  do { /* once even for k = 0 */
    int k = smaller(kernels->depth, p->k - first);
    copy_block(p, row, rows, first, k, block, step);
    call->gemm(rows, k, block, p->a_is_transposed ? 1 : step, p->a_is_transposed ? step : 1,
               call->packed + place_of(call, first, column, k), parts_of(columns, kernels->panel), tile, TILE_COLUMNS,
               first ? FD_GEMM_CONTINUE : FD_GEMM_SET);
  } while ((first += kernels->depth) < p->k);
  write_tile(call, row, rows, column, columns, tile);
}

void fd_cpu_multiply(fd_cpu *cpu, const fd_cpu_kernels *kernels, fd_cpu_gemm *gemm, const fd_product *product) {
  product_call call = {.product = product, .kernels = kernels, .gemm = gemm, .padded = fd_round_up(product->n, kernels->panel)};
  size_t right = fd_cpu_right(kernels, kernels->depth); /* the last depth needs no more */
  call.packed = fd_cpu_scratch(cpu, FD_SLOT_W1,
                               (size_t)parts_of(product->k, kernels->depth) * (size_t)(call.padded / kernels->panel) * right);
  call.scratch = fd_cpu_scratch(cpu, FD_SLOT_TILE, scratch_floats(kernels) * (size_t)fd_pool_threads(cpu->pool));
  if (!call.packed || !call.scratch) return;
  fd_pool_run(cpu->pool, parts_of(product->k, kernels->depth) * (call.padded / kernels->panel), pack_item, &call);
  fd_pool_run(cpu->pool, parts_of(product->m, rows_of_tile(kernels)) * parts_of(product->n, TILE_COLUMNS), tile_item, &call);
}

enum { SUMS_PER_ITEM = 128 };

typedef struct sums_call {
  int rows, columns;
  const float *from;
  float *sums;
} sums_call;

static void sums_item(void *context, int item, int thread) {
  (void)thread;
  const sums_call *c = context;
  int first = item * SUMS_PER_ITEM, columns = smaller(c->columns - first, SUMS_PER_ITEM);
  float sums[SUMS_PER_ITEM] = {0};
  for (int r = 0; r < c->rows; r++) {
    const float *from = c->from + (size_t)r * (size_t)c->columns + first;
    for (int j = 0; j < columns; j++) sums[j] += from[j];
  }
  memcpy(c->sums + first, sums, (size_t)columns * sizeof *sums);
}

void fd_cpu_column_sums(fd_cpu *cpu, int rows, int columns, const float *m, float *sums) {
  fd_pool_run(cpu->pool, parts_of(columns, SUMS_PER_ITEM), sums_item, &(sums_call){rows, columns, m, sums});
}

void fd_cpu_pack(const fd_cpu_kernels *kernels, int n, int columns, const float *from, int ld, int transposed, float *to) {
  int across = transposed ? n : columns, down = transposed ? columns : n;
  for (int j = 0; j < across; j += kernels->panel)
    kernels->pack(down, smaller(kernels->panel, across - j), from + (size_t)j * (size_t)(transposed ? ld : 1), (size_t)ld,
                  transposed, to + (size_t)(j / kernels->panel) * fd_cpu_right(kernels, down));
}
