/* Test cases of ChordMixer blocks on every kind of GPU against the CPU: all remainders of rows and channels, several tiles, wide
 * blocks, the library's products, short sequences, products by warpgroups. */
#ifndef FD_TESTS_CASES_BLOCKS_H
#define FD_TESTS_CASES_BLOCKS_H

#include "gpu.h"

#include "cuda/fragment.h"

typedef struct block_case {
  fd_seqs seqs;
  int rows, d, h, track;
  float *x, *w1, *b1, *w2, *b2, *dy;     /* inputs */
  float *y, *dx, *dw1, *db1, *dw2, *db2; /* the CPU's results */
} block_case;

static block_case make_block(fd_seqs seqs, int d, int h, int track) {
  block_case c = {.seqs = seqs, .rows = fd_seqs_rows(&seqs), .d = d, .h = h, .track = track};
  size_t size = (size_t)(c.rows * d), w = (size_t)(d * h);
  c.x = random_values(size, 1), c.dy = random_values(size, 1);
  c.w1 = random_values(w, 0.5f), c.b1 = random_values((size_t)h, 1), c.w2 = random_values(w, 0.5f),
  c.b2 = random_values((size_t)d, 1);
  c.y = poison(size), c.dx = poison(size);
  c.dw1 = poison(w), c.dw2 = poison(w), c.db1 = poison((size_t)h), c.db2 = poison((size_t)d);
  fd_mixer block = {d, h, track, c.w1, c.b1, c.w2, c.b2};
  fd_mixer_grads grads = {c.dw1, c.db1, c.dw2, c.db2};
  cpu->ops.mixer_forward(cpu, &seqs, &block, fd_dense(c.x, d), (fd_mat){0}, fd_dense(c.y, d));
  cpu->ops.mixer_backward(cpu, &seqs, &block, fd_dense(c.x, d), (fd_mat){0}, fd_dense(c.dy, d), fd_dense(c.dx, d), &grads);
  return c;
}

static void free_block(block_case *c) {
  void *all[] = {c->seqs.start, c->x, c->w1, c->b1, c->w2, c->b2, c->dy, c->y, c->dx, c->dw1, c->db1, c->dw2, c->db2};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Forward and backward pass on one kind of device, which have the same bits without z. */
static void compare_block(const block_case *c, int kind) {
  fd_device *dev = gpu[kind];
  if (!dev) return;
  size_t w = (size_t)(c->d * c->h), d = (size_t)c->d, h = (size_t)c->h;
  double bound = kinds[kind].bound;
  fd_seqs seqs = put_seqs(dev, &c->seqs);
  float *weights[4] = {put(dev, c->w1, w * 4), put(dev, c->b1, h * 4), put(dev, c->w2, w * 4), put(dev, c->b2, d * 4)};
  fd_mixer block = {c->d, c->h, c->track, weights[0], weights[1], weights[2], weights[3]};
  fd_mat x = put_rows(dev, c->x, c->rows, c->d), dy = put_rows(dev, c->dy, c->rows, c->d);
  float *bits[2][5];
  for (int again = 0; again < 2; again++) {
    fd_mat y = put_rows(dev, NULL, c->rows, c->d), dx = put_rows(dev, NULL, c->rows, c->d),
           z = again ? (fd_mat){0} : put_rows(dev, NULL, c->rows, c->h);
    fd_mixer_grads g = {put(dev, NULL, w * 4), put(dev, NULL, h * 4), put(dev, NULL, w * 4), put(dev, NULL, d * 4)};
    if (dev->begin) dev->begin(dev);
    dev->ops.mixer_forward(dev, &seqs, &block, x, z, y);
    dev->ops.mixer_backward(dev, &seqs, &block, x, z, dy, dx, &g);
    if (dev->end) dev->end(dev);
    assert_ok(dev->sync(dev));
    if (z.at) free(get_rows(dev, z, c->rows, c->h)), dev->release(dev, z.at);
    bits[again][0] = get_rows(dev, y, c->rows, c->d), bits[again][1] = get_rows(dev, dx, c->rows, c->d);
    bits[again][2] = get(dev, g.w1, w), bits[again][3] = get(dev, g.w2, w), bits[again][4] = get(dev, g.b1, h);
    compare_rows("y", kind, y, c->rows, c->d, c->y, bound);
    compare_rows("dx", kind, dx, c->rows, c->d, c->dx, bound);
    compare_flat_sums("dw1", kind, g.w1, w, c->dw1, c->rows, bound);
    compare_flat_sums("dw2", kind, g.w2, w, c->dw2, c->rows, bound);
    compare_flat_sums("db1", kind, g.b1, h, c->db1, c->rows, bound);
    compare_flat_sums("db2", kind, g.b2, d, c->db2, c->rows, bound);
  }
  const size_t sizes[5] = {(size_t)(c->rows * c->d), (size_t)(c->rows * c->d), w, w, h};
  for (int i = 0; i < 5; i++) {
    assert_memory_equal(bits[0][i], bits[1][i], sizes[i] * sizeof(float));
    free(bits[0][i]), free(bits[1][i]);
  }
  for (int i = 0; i < 4; i++) dev->release(dev, weights[i]);
  dev->release(dev, x.at), dev->release(dev, dy.at);
  fd_seqs_destroy(&seqs, dev);
}

/* Rows around the tile sizes 64 and 128, channels and hidden units around the pieces of 4, 8, 16 and 32. */
static void block_equals_cpu_for_every_remainder(void **state) {
  (void)state;
  for (int n = 0; n < 66; n++) {
    int d = 1 + n % 35, h = 1 + n * 5 % 33 + (n % 3 ? 0 : 32);
    block_case c =
        make_block(random_seqs(between(1, 3), n % 11 ? 40 : 150), d, h, n % 2 ? between((d + 11) / 12, d) : (d + 11) / 12 * 4);
    for (int kind = 0; kind < KINDS; kind++) compare_block(&c, kind);
    free_block(&c);
  }
}

/* More than one tile in every direction, and more tokens than a chunk of the weights' gradients. */
static void block_equals_cpu_beyond_one_tile(void **state) {
  (void)state;
  int *start = calloc(3, sizeof *start), *many = calloc(3, sizeof *many);
  start[1] = 130, start[2] = 301;
  many[1] = 1100, many[2] = FD_CHUNK_MIN + 1200;
  block_case wide = make_block((fd_seqs){.count = 2, .cls = 1, .micro_batches = 1, .start = start}, 140, 270, 14),
             deep = make_block((fd_seqs){.count = 2, .cls = 1, .micro_batches = 1, .start = many}, 12, 20, 4);
  for (int kind = 0; kind < KINDS; kind++) compare_block(&wide, kind), compare_block(&deep, kind);
  free_block(&wide), free_block(&deep);
}

/* From the widest block of the chain of products down to widths for which it is not used. */
static void wide_blocks_equal_cpu(void **state) {
  (void)state;
  const int widths[] = {308, 320, 171, 160, 250, 321};
  for (size_t n = 0; n < sizeof widths / sizeof *widths; n++) {
    int d = widths[n], h = n % 2 ? 70 : 128 + (int)n;
    block_case c = make_block(random_seqs(2, n % 3 ? 20 : 90), d, h, n == 0 ? 28 : (d + 11) / 12);
    for (int kind = 0; kind < KINDS; kind++) compare_block(&c, kind);
    free_block(&c);
  }
}

/* Blocks whose products the library computes: channels and hidden units of every remainder, more than one tile, the paper's
 * width, and more tokens than a chunk. */
static void blocks_by_library_equal_cpu(void **state) {
  (void)state;
  for (int kind = KIND_FP32; kind <= KIND_CHAIN; kind += KIND_CHAIN - KIND_FP32) {
    if (!open_library(kind)) skip();
    for (int n = 0; n < 24; n++) {
      int d = n < 20 ? between(1, 40) : n == 20 ? 308 : between(120, 170), h = n < 20 ? between(1, 70) : between(100, 200);
      block_case c = make_block(random_seqs(between(1, 3), n < 20 ? 60 : 150), d, h, between((d + 11) / 12, d));
      compare_block(&c, kind);
      free_block(&c);
    }
    int *many = calloc(3, sizeof *many);
    many[1] = 1100, many[2] = FD_CHUNK_MIN + 1200;
    block_case deep = make_block((fd_seqs){.count = 2, .cls = 1, .micro_batches = 1, .start = many}, 12, 20, 4);
    compare_block(&deep, kind);
    free_block(&deep);
    fd_device_close(&gpu[kind]);
  }
}

/* Rotations of a tile with many sequences, from one row on, with more tracks than an epilogue notes, and with tracks and channels
 * that are not multiples of four. */
static void rotations_of_short_sequences_equal_cpu(void **state) {
  (void)state;
  const struct {
    int sequences, longest, d, h, track;
  } shapes[] = {{150, 2, 308, 33, 28}, {40, 9, 176, 20, 4}, {90, 3, 170, 20, 16},
                {3, 120, 166, 20, 28}, {60, 5, 36, 20, 12}, {70, 4, 180, 20, 32}};
  for (size_t n = 0; n < sizeof shapes / sizeof *shapes; n++) {
    int count = shapes[n].sequences, *start = calloc((size_t)count + 1, sizeof *start);
    for (int i = 0; i < count; i++) start[i + 1] = start[i] + between(1, shapes[n].longest);
    block_case c = make_block((fd_seqs){.count = count, .cls = 1, .micro_batches = 1, .start = start}, shapes[n].d, shapes[n].h,
                              shapes[n].track);
    for (int kind = 1; kind < KINDS; kind++) compare_block(&c, kind);
    free_block(&c);
  }
}

/* The chain of warpgroup products and the gradients of its weights: rows around its tiles of 64 and pairs of thread blocks, the
 * last of which may be empty, and around the end of a chunk; hidden units around its chunks, from fewer to more than its slots,
 * and around pairs of tiles; channels and tracks. */
static void blocks_by_warpgroups_equal_cpu(void **state) {
  (void)state;
  only_of(KIND_WARPGROUP);
  const int rows[] = {1, 300, 64, 129, 191, 2, 257, 128, 65, 17, 63}, hidden[] = {1, 70, 257, 64, 200, 129, 33, 128},
            channels[] = {308, 161, 320, 177, 319, 240, 256};
  for (int n = 0; n < 24; n++) {
    int all = n < 22 ? rows[n % 11] : FD_CHUNK_MIN + (n == 22 ? 1 : 95), d = n < 22 ? channels[n % 7] : 166,
        *start = calloc(3, sizeof *start);
    start[1] = all > 1 ? between(1, all - 1) : all, start[2] = all;
    block_case c = make_block((fd_seqs){.count = 1 + (all > 1), .cls = 1, .micro_batches = 1, .start = start}, d,
                              n == 21 ? 300 : hidden[n % 8], n % 2 ? 28 : between((d + 11) / 12, d));
    compare_block(&c, KIND_WARPGROUP);
    free_block(&c);
  }
}

#endif
