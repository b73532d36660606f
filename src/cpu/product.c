/* Products of whole matrices: all threads pack b, unless it is cached, then each packs rows of a and computes tiles of c, one
 * block of k (a depth) after another. Also sums of columns. */
#include "cpu/product.h"

#include <string.h>

#include "cpu/weights.h"

/* A tile of c has at most TILE_ROWS rows, in whole register tiles, and TILE_COLUMNS columns. Its register tiles are back to back:
 * rows as far apart as those of c would compete for the same cache lines of L1. The columns are halved, down to FEWEST_COLUMNS,
 * until a tile takes half of L2 at most (the rest is for its block of a and panels of b) and each thread has
 * kernels->tiles_per_thread of them; not further, since a thread may have to pack its rows of a again for each. */
enum { TILE_ROWS = 168, TILE_COLUMNS = 768, FEWEST_COLUMNS = 192 };
enum { BLOCKS_MOST = 1 << 20 /* floats of a thread's blocks of a, if it keeps more than one */ };
enum { PART_OF_K = 32 /* a multiple of every unit */, PANELS_TOGETHER = 4, LINE = 16 /* floats of a cache line */ };

typedef struct product_call {
  fd_cpu *cpu;
  const fd_product *product;
  const fd_cpu_kernels *kernels;
  int padded;        /* columns of the packed b */
  int rows, columns; /* of a tile */
  int depths;        /* blocks of k */
  int blocks;        /* of a that a thread keeps: all depths if it may use them again, else 1 */
  float *packed;     /* the panels of each depth of k, back to back */
  float *scratch;    /* per thread: packed blocks of a, a tile of c */
  int *rows_of;      /* per thread: the number of the rows in its blocks; -1: none */
} product_call;

/* Offset of the packed panel of a column, in the depth of k that starts at `first` and has k. */
static size_t place_of(const product_call *call, int first, int column, int k) {
  size_t panels = (size_t)(call->padded / call->kernels->panel);
  return (size_t)(first / call->kernels->depth) * panels * fd_cpu_right(call->kernels, call->kernels->depth) +
         (size_t)(column / call->kernels->panel) * fd_cpu_right(call->kernels, k);
}

/* to[rows, columns] = act of b, times the gate, from this row and column on. */
static void activate(const product_call *call, int row, int rows, int column, int columns, float *to) {
  const fd_product *p = call->product;
  for (int i = row; i < row + rows; i++, to += columns)
    call->kernels->act_forward(p->act, columns, p->b + (size_t)i * p->b_row + column,
                               p->gate ? p->gate + (size_t)i * p->gate_row + column : NULL, to);
}

/* Packs PANELS_TOGETHER panels of one depth of k. Of a b that is not transposed, PART_OF_K at a time, so that they are read as
 * longer stretches of each row. */
static void pack_item(void *context, int item, int thread) {
  (void)thread;
  const product_call *call = context;
  const fd_product *p = call->product;
  const fd_cpu_kernels *kernels = call->kernels;
  int together = PANELS_TOGETHER * kernels->panel, groups = fd_parts(p->n, together), first = item / groups * kernels->depth,
      column = item % groups * together, end = fd_smaller(column + together, p->n), k = fd_smaller(kernels->depth, p->k - first),
      some = p->b_is_transposed ? kernels->depth : PART_OF_K;
  size_t b_row = p->b_row ? p->b_row : (size_t)p->n, down = p->b_is_transposed ? 1 : b_row,
         across = p->b_is_transposed ? (size_t)p->k : 1;
  float room[PART_OF_K * PANELS_TOGETHER * FD_PANEL_MOST];
  for (int at = 0; at < k; at += some) {
    const float *from = p->b + (size_t)(first + at) * down + (size_t)column * across;
    if (p->act_of_b) {
      activate(call, first + at, fd_smaller(some, k - at), column, end - column, room);
      from = room;
      down = (size_t)(end - column);
    }
    for (int j = column; j < end; j += kernels->panel)
      kernels->pack(fd_smaller(some, k - at), fd_smaller(kernels->panel, p->n - j), from + (size_t)(j - column) * across,
                    p->b_is_transposed ? across : down, p->b_is_transposed,
                    call->packed + place_of(call, first, j, k) + fd_cpu_right(kernels, at));
  }
}

/* Packs a block of a: `rows` rows from `row` on, `k` of k from `first` on, and adds them to `sums` unless that is NULL. Of a
 * transposed a, whose rows are columns in memory, PART_OF_K at a time, so that each cache line is loaded once. */
static void pack_block(const product_call *call, int row, int rows, int first, int k, float *to, float *sums) {
  const fd_product *p = call->product;
  const fd_cpu_kernels *kernels = call->kernels;
  size_t ld = (size_t)(p->a_is_transposed ? p->m : p->k), left = fd_cpu_left(kernels, k);
  int some = p->a_is_transposed ? PART_OF_K : kernels->depth;
  for (int at = 0; at < k; at += some) {
    for (int i = 0; i < rows; i += kernels->rows) {
      size_t down = (size_t)(first + at), across = (size_t)(row + i);
      kernels->pack_left(fd_smaller(kernels->rows, rows - i), fd_smaller(some, k - at),
                         p->a + (p->a_is_transposed ? down * ld + across : across * ld + down), ld, p->a_is_transposed,
                         to + (size_t)(i / kernels->rows) * left + fd_cpu_left(kernels, at));
    }
    for (int i = at; sums && i < fd_smaller(at + some, k); i++)
      kernels->add((size_t)rows, sums, p->a + (size_t)(first + i) * ld + row, sums);
  }
}

/* Starts loading floats, which may be past the end of an array, into L2. */
static void fetch(const float *from, size_t floats) {
  for (size_t i = 0; i < floats; i += LINE) __builtin_prefetch(from + i, 0, 2);
}

/* Multiplies a packed block of a by the same depth of b, and meanwhile loads the next panel of b, which may still be in memory,
 * part by part. The tile is [panels][register tiles][rows][panel]. */
static void multiply_block(const product_call *call, const float *block, int rows, int first, int k, int column, int columns,
                           float *tile) {
  const fd_cpu_kernels *kernels = call->kernels;
  size_t left = fd_cpu_left(kernels, k), right = fd_cpu_right(kernels, k), c = (size_t)kernels->rows * (size_t)kernels->panel,
         part = right / (size_t)fd_parts(rows, kernels->rows) + 1;
  for (int j = 0; j < columns; j += kernels->panel) {
    const float *b = call->packed + place_of(call, first, column + j, k), *a = block, *next = b + right;
    for (int i = 0; i < rows; i += kernels->rows, a += left, tile += c, next += part) {
      fetch(next, part);
      (call->product->apart ? kernels->multiply_apart : kernels->multiply)(
          fd_smaller(kernels->rows, rows - i), fd_smaller(kernels->panel, columns - j), k, a, b, tile, (size_t)kernels->panel,
          first ? FD_GEMM_CONTINUE : FD_GEMM_SET);
    }
  }
}

/* Writes the rows of a finished tile to c and y. Rows of a tile are padded to whole register tiles. */
static void write_tile(const product_call *call, int row, int rows, int column, int columns, const float *tile) {
  const fd_product *p = call->product;
  const fd_cpu_kernels *kernels = call->kernels;
  const float *bias = p->bias ? p->bias + column : NULL;
  size_t c_row = p->c_row ? p->c_row : (size_t)p->n, step = (size_t)fd_round_up(rows, kernels->rows) * (size_t)kernels->panel;
  if (!p->y && !p->act_of_c) {
    kernels->write_rows(rows, columns, tile, step, bias, p->c + (size_t)row * c_row + column, c_row, p->past);
    return;
  }
  float room[TILE_COLUMNS];
  for (int r = 0; r < rows; r++, tile += kernels->panel) {
    size_t at = (size_t)(row + r);
    float *c = p->c ? p->c + at * c_row + column : NULL, *gate = p->gate ? p->gate + at * p->gate_row + column : NULL,
          *product = c && !p->act_of_c ? c : room;
    kernels->write_rows(1, columns, tile, step, bias, product, 0, 0);
    if (p->act_of_c) kernels->act_backward(p->act, columns, c, gate, product, c, gate);
    else kernels->act_forward(p->act, columns, product, gate, p->y + at * (size_t)p->n + column);
  }
}

static size_t block_floats(const product_call *call) {
  return (size_t)fd_parts(call->rows, call->kernels->rows) * fd_cpu_left(call->kernels, call->kernels->depth);
}

static size_t tile_floats(const product_call *call) { return (size_t)call->rows * (size_t)call->columns; }

static size_t scratch_floats(const product_call *call) { return (size_t)call->blocks * block_floats(call) + tile_floats(call); }

static int down(const product_call *call) { return fd_parts(call->product->m, call->rows); }

static int across(const product_call *call) { return fd_parts(call->product->n, call->columns); }

/* Items are taken in order. Their tiles are as many rows of tiles as there are threads, column by column, then the next rows: so
 * a thread mostly gets the same rows again, which it has packed. */
static void place_item(const product_call *call, int item, int *row, int *column) {
  int threads = fd_pool_threads(call->cpu->pool), first = item / (threads * across(call)) * threads,
      some = fd_smaller(threads, down(call) - first), at = item - first * across(call);
  *row = first + at % some;
  *column = at / some;
}

static void tile_item(void *context, int item, int thread) {
  const product_call *call = context;
  const fd_product *p = call->product;
  float *block = call->scratch + (size_t)thread * scratch_floats(call), *tile = block + (size_t)call->blocks * block_floats(call);
  int y, x;
  place_item(call, item, &y, &x);
  int row = y * call->rows, column = x * call->columns, rows = fd_smaller(call->rows, p->m - row),
      columns = fd_smaller(call->columns, p->n - column), is_packed = call->blocks == call->depths && call->rows_of[thread] == y;
  float *sums = p->a_sums && x == 0 ? p->a_sums + row : NULL; /* a thread packs a row's first tile before the others */
  if (sums) memset(sums, 0, (size_t)rows * sizeof *sums);
  for (int i = 0; i < call->depths; i++) {
    int first = i * call->kernels->depth, k = fd_smaller(call->kernels->depth, p->k - first);
    if (!is_packed) pack_block(call, row, rows, first, k, block, sums);
    multiply_block(call, block, rows, first, k, column, columns, tile);
    if (call->blocks > 1) block += block_floats(call);
  }
  call->rows_of[thread] = y;
  write_tile(call, row, rows, column, columns, tile);
}

void fd_cpu_multiply(fd_cpu *cpu, const fd_cpu_kernels *kernels, const fd_product *product) {
  int packed = 0, threads = fd_pool_threads(cpu->pool), rows_of[threads];
  product_call call = {.cpu = cpu,
                       .product = product,
                       .kernels = kernels,
                       .padded = fd_round_up(product->n, kernels->panel),
                       .rows = TILE_ROWS / kernels->rows * kernels->rows,
                       .columns = TILE_COLUMNS,
                       .depths = product->k ? fd_parts(product->k, kernels->depth) : 1, /* for k = 0, c is set to zero */
                       .rows_of = rows_of};
  size_t half_of_l2 = cpu->l2 / 2 / sizeof(float);
  int panels = call.padded / kernels->panel;
  while (call.columns > FEWEST_COLUMNS &&
         (down(&call) * across(&call) < kernels->tiles_per_thread * threads || tile_floats(&call) > half_of_l2))
    call.columns /= 2;
  int keeps = across(&call) > 1 && (size_t)call.depths * block_floats(&call) <= BLOCKS_MOST;
  call.blocks = keeps ? call.depths : 1;
  size_t floats = (size_t)call.depths * (size_t)panels * fd_cpu_right(kernels, kernels->depth); /* the last depth needs less */
  const fd_cpu_matrix b = {product->b, kernels, 1, product->n, product->k, product->b_is_transposed};
  call.scratch = fd_cpu_scratch(cpu, FD_SLOT_TILE, scratch_floats(&call) * (size_t)threads);
  if (!call.scratch) return;
  call.packed = product->b_is_weights && product->m <= FD_CACHED_ROWS
                    ? fd_cpu_room_for_weights(cpu, FD_SLOT_W1, &b, floats, &packed)
                    : fd_cpu_scratch(cpu, FD_SLOT_W1, floats);
  if (!call.packed) return;
  for (int i = 0; i < threads; i++) rows_of[i] = -1;
  if (!packed && product->k)
    fd_pool_run(cpu->pool, call.depths * fd_parts(product->n, PANELS_TOGETHER * kernels->panel), pack_item, &call);
  fd_pool_run(cpu->pool, down(&call) * across(&call), tile_item, &call);
}

enum { SUMS_MOST = 1024 /* columns of an item; wide ones read memory in long stretches */ };

typedef struct sums_call {
  int rows, columns, width; /* width: columns of an item */
  const float *from;
  float *sums;
} sums_call;

static void sums_item(void *context, int item, int thread) {
  (void)thread;
  const sums_call *c = context;
  int first = item * c->width, columns = fd_smaller(c->columns - first, c->width);
  float sums[SUMS_MOST] = {0};
  for (int r = 0; r < c->rows; r++) {
    const float *from = c->from + (size_t)r * (size_t)c->columns + first;
    for (int j = 0; j < columns; j++) sums[j] += from[j];
  }
  memcpy(c->sums + first, sums, (size_t)columns * sizeof *sums);
}

void fd_cpu_column_sums(fd_cpu *cpu, int rows, int columns, const float *m, float *sums) {
  int width = fd_smaller(fd_round_up(fd_parts(columns, fd_pool_threads(cpu->pool)), LINE), SUMS_MOST);
  fd_pool_run(cpu->pool, fd_parts(columns, width), sums_item, &(sums_call){rows, columns, width, m, sums});
}

void fd_cpu_pack(const fd_cpu_kernels *kernels, int n, int columns, const float *from, int ld, int transposed, float *to) {
  int across = transposed ? n : columns, down = transposed ? columns : n;
  for (int j = 0; j < across; j += kernels->narrow)
    kernels->pack_narrow(down, fd_smaller(kernels->narrow, across - j), from + (size_t)j * (size_t)(transposed ? ld : 1),
                         (size_t)ld, transposed, to + (size_t)(j / kernels->narrow) * fd_cpu_right_narrow(kernels, down));
}
