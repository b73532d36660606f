/* Tests passes of several micro-batches on the emulated GPU or FINDNA_PLUGIN's: sums over rows have the bits of the gradients'
 * tree reduction. */
#include "gpu.h"

#include "cuda/fragment.h"

/* Adds the leaves' sums of n numbers each as a binary tree; sums[0 .. n-1] receives the total. */
static void add_in_pairs(float *sums, int leaves, size_t n) {
  for (int distance = 1; distance < leaves; distance *= 2)
    for (int leaf = 0; leaf < leaves; leaf += 2 * distance)
      for (size_t i = 0; i < n; i++) sums[(size_t)leaf * n + i] += sums[(size_t)(leaf + distance) * n + i];
}

static void add_doubles_in_pairs(double *sums, int leaves) {
  for (int distance = 1; distance < leaves; distance *= 2)
    for (int leaf = 0; leaf < leaves; leaf += 2 * distance) sums[leaf] += sums[leaf + distance];
}

/* A case: `micro_batches` micro-batches of sequences of equal length, whose sums over rows are compared. */
typedef struct pass_case {
  int micro_batches, each, length, cls, rows; /* each: sequences per micro-batch; rows: rows per micro-batch */
  int d, h;
  float *x, *dy, *logits, *centre, *w1, *b1, *w2, *b2; /* weights of a block; w1 also of a linear layer */
  uint8_t *labels, *mask;
  size_t sums; /* numbers in the gradients of the block, the layer, [CLS] tokens, a normalization and a table */
} pass_case;

enum { PASS_IDS = 3, PASS_CLS = 2 * 3, PASS_DOUBLES = 2 + PASS_CLS }; /* losses, and the sum of [CLS] rows of 2 x 3 channels */

/* Computes gradients of a normalization's vectors and of a table of PASS_IDS rows, from row `at` of the case on. */
static void run_rows(const pass_case *c, fd_device *dev, size_t at, int micro_batches, fd_mat x, fd_mat dy, fd_mat y,
                     const float *w, float *sums) {
  int rows = micro_batches * c->rows, *ids = malloc((size_t)rows * sizeof *ids);
  for (int r = 0; r < rows; r++) ids[r] = c->labels[at + (size_t)r] % (PASS_IDS + 1) - 1;
  int *ids_there = put(dev, ids, (size_t)rows * sizeof *ids);
  float *stats = put(dev, NULL, 2 * (size_t)rows * sizeof *stats);
  fd_norm norm = {c->d, c->d % 2, 1e-5f, w, NULL};
  dev->ops.norm_forward(dev, rows, &norm, x, y, stats);
  dev->ops.norm_backward(dev, rows, micro_batches, &norm, x, stats, dy, y, sums, sums + c->d);
  dev->ops.lookup_backward(dev, rows, micro_batches, c->d, PASS_IDS, ids_there, 0, dy, sums + 2 * c->d);
  dev->release(dev, stats), dev->release(dev, ids_there);
  free(ids);
}

/* Computes in one pass everything that is summed over the rows of micro-batches first .. first + micro_batches - 1. */
static void run_pass(const pass_case *c, int kind, int first, int micro_batches, float *sums, double *doubles, float *dx) {
  fd_device *dev = gpu[kind];
  size_t d = (size_t)c->d, h = (size_t)c->h, w = d * h, at = (size_t)(first * c->rows);
  int rows = micro_batches * c->rows, *start = calloc((size_t)(micro_batches * c->each) + 1, sizeof *start);
  for (int i = 0; i < micro_batches * c->each; i++) start[i + 1] = start[i] + c->length;
  fd_seqs here = {.count = micro_batches * c->each, .cls = c->cls, .micro_batches = micro_batches, .start = start},
          seqs = put_seqs(dev, &here);
  float *weights[4] = {put(dev, c->w1, w * 4), put(dev, c->b1, h * 4), put(dev, c->w2, w * 4), put(dev, c->b2, d * 4)};
  fd_mixer block = {c->d, c->h, 2, weights[0], weights[1], weights[2], weights[3]};
  fd_mat x = put_rows(dev, c->x + at * d, rows, c->d), dy = put_rows(dev, c->dy + at * d, rows, c->d),
         dxs = put_rows(dev, NULL, rows, c->d), layer = put_rows(dev, NULL, rows, c->d);
  float *out = put(dev, NULL, c->sums * 4), *layer_out = out + 2 * w + h + d;
  float *logits = put(dev, c->logits + at * FD_SYMBOLS, (size_t)rows * FD_SYMBOLS * 4),
        *dlogits = put(dev, c->logits + at * FD_SYMBOLS, (size_t)rows * FD_SYMBOLS * 4), *centre = put(dev, c->centre, 6 * 4);
  uint8_t *labels = put(dev, c->labels + at, (size_t)rows), *mask = put(dev, c->mask + at, (size_t)rows);
  double *statistics = put(dev, NULL, PASS_DOUBLES * sizeof(double));
  const fd_mixer_grads g = {out, out + 2 * w, out + w, out + 2 * w + h};
  dev->ops.mixer_backward(dev, &seqs, &block, x, (fd_mat){0}, dy, dxs, &g);
  dev->ops.linear_backward(dev, rows, micro_batches, c->d, c->d, x, weights[0], dy, layer, layer_out, layer_out + d * d);
  dev->ops.cls_add_backward(dev, &seqs, 3, dy, layer_out + d * d + d);
  run_rows(c, dev, at, micro_batches, x, dy, layer, weights[3], layer_out + d * d + d + PASS_CLS);
  dev->ops.mnm_loss(dev, &seqs, logits, labels, mask, 0, 0, 1, 1, dlogits, &statistics[0]);
  dev->ops.cl_loss(dev, &seqs, 3, x, dy, centre, 0, 0.5f, 0.3f, 1, dxs, NULL, NULL, &statistics[1]);
  dev->ops.cls_sum(dev, &seqs, 3, dy, &statistics[2]);
  float *values = get(dev, out, c->sums), *rest = get_rows(dev, dxs, rows, c->d);
  memcpy(sums, values, c->sums * sizeof *sums);
  memcpy(dx + at * d, rest, (size_t)rows * d * sizeof *dx);
  for (int i = 0; i < PASS_DOUBLES; i++) doubles[i] = get_sum(dev, statistics + i);
  free(values), free(rest), free(start);
  for (int i = 0; i < 4; i++) dev->release(dev, weights[i]);
  void *all[] = {x.at, dy.at, layer.at, logits, dlogits, centre, labels, mask, statistics};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) dev->release(dev, all[i]);
  fd_seqs_destroy(&seqs, dev);
}

/* Checks that a pass of several micro-batches has the bits of one pass per micro-batch, whose sums are added as a tree. */
static void compare_pass(pass_case c, int kind) {
  size_t d = (size_t)c.d, h = (size_t)c.h, rows = (size_t)(c.micro_batches * c.rows);
  if (!gpu[kind]) return;
  if (c.d * c.d > c.d * c.h) c.h = c.d, h = d; /* w1 also holds the layer's weights */
  c.sums = 2 * d * h + h + d + d * d + d + PASS_CLS + (2 + PASS_IDS) * d;
  c.x = random_values(rows * d, 1), c.dy = random_values(rows * d, 1), c.logits = random_floats(rows * FD_SYMBOLS, 2),
  c.centre = random_floats(6, 1);
  c.w1 = random_values(d * h, 0.5f), c.b1 = random_values(h, 1), c.w2 = random_values(d * h, 0.5f), c.b2 = random_values(d, 1);
  c.labels = malloc(rows), c.mask = malloc(rows);
  for (size_t i = 0; i < rows; i++) c.mask[i] = (uint8_t)between(0, 1), c.labels[i] = (uint8_t)between(0, FD_CLS);
  float *alone = poison((size_t)c.micro_batches * c.sums), *together = poison(c.sums),
        *dx[2] = {poison(rows * d), poison(rows * d)};
  double doubles[FD_MICRO_BATCHES_MAX][PASS_DOUBLES], all[PASS_DOUBLES];
  for (int p = 0; p < c.micro_batches; p++) run_pass(&c, kind, p, 1, alone + (size_t)p * c.sums, doubles[p], dx[0]);
  run_pass(&c, kind, 0, c.micro_batches, together, all, dx[1]);
  add_in_pairs(alone, c.micro_batches, c.sums);
  assert_memory_equal(together, alone, c.sums * sizeof *alone);
  assert_memory_equal(dx[1], dx[0], rows * d * sizeof(float));
  for (int i = 0; i < PASS_DOUBLES; i++) {
    double leaf[FD_MICRO_BATCHES_MAX];
    for (int p = 0; p < c.micro_batches; p++) leaf[p] = doubles[p][i];
    add_doubles_in_pairs(leaf, c.micro_batches);
    assert_memory_equal(&all[i], &leaf[0], sizeof leaf[0]);
  }
  void *memory[] = {c.x, c.dy, c.logits, c.centre, c.w1, c.b1, c.w2, c.b2, c.labels, c.mask, alone, together, dx[0], dx[1]};
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) free(memory[i]);
}

static void a_pass_equals_the_tree_of_its_micro_batches(void **state) {
  (void)state;
  for (int n = 0; n < 4 * KINDS; n++) {
    int kind = n % KINDS, wide = n / KINDS == 3;
    pass_case c = {
        .micro_batches = 2 << n % 4, .each = between(1, 3), .cls = 2, .d = wide ? 172 : between(3, 40), .h = between(1, 70)};
    if (n == 2) c.micro_batches = FD_MICRO_BATCHES_MAX, c.each = 1;
    c.length = c.cls + between(1, n % 3 ? 60 : 25), c.rows = c.each * c.length;
    if (n == KINDS || n == KINDS + KIND_CHAIN) /* more than a chunk each */
      c.length = FD_CHUNK_MIN + 300, c.each = 1, c.rows = c.length, c.micro_batches = 2, c.d = n == KINDS ? c.d : 66;
    compare_pass(c, kind);
  }
}

/* All products by cuBLASLt. */
static void the_same_by_library(void **state) {
  (void)state;
  for (int kind = KIND_FP32; kind <= KIND_CHAIN; kind += KIND_CHAIN - KIND_FP32) {
    if (!open_library(kind)) skip();
    for (int micro_batches = 1; micro_batches <= 8; micro_batches *= 2)
      compare_pass((pass_case){.micro_batches = micro_batches, .each = 2, .length = 20, .rows = 40, .cls = 2, .d = 80, .h = 80},
                   kind);
    fd_device_close(&gpu[kind]);
  }
}

static int run(void) {
  const struct CMUnitTest of_kind[] = {cmocka_unit_test(a_pass_equals_the_tree_of_its_micro_batches)},
                          of_library[] = {cmocka_unit_test(the_same_by_library)};
  if (kind_of_process == KIND_NCCL) return 0; /* it has no passes */
  if (kind_of_process == KIND_LIBRARY) return cmocka_run_group_tests(of_library, open_devices, close_devices);
  return cmocka_run_group_tests(of_kind, open_devices, close_devices);
}

int main(int argc, char **argv) { return run_kinds(argc, argv, run); }
