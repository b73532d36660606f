/* Every operation of the CUDA back end against the CPU's, over random shapes with every remainder, in fp32 and in bf16 by every
 * kind of products, each in a process of its own: on the emulated GPU, or on that of FINDNA_PLUGIN. */
#include "cases_attention.h"
#include "cases_delta.h"
#include "cases_linear.h"
#include "cases_rows.h"
#include "cases_students.h"
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
    compare_flat("dw1", kind, g.w1, w, c->dw1, bound);
    compare_flat("dw2", kind, g.w2, w, c->dw2, bound);
    compare_flat("db1", kind, g.b1, h, c->db1, bound);
    compare_flat("db2", kind, g.b2, d, c->db2, bound);
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

/* A GPU without enough shared memory for the chain uses single products; tested on the emulated GPU only. */
static void small_shared_memory_uses_single_products(void **state) {
  (void)state;
  int kind = kind_of_process;
  if (kind < KIND_CHAIN || !is_emulated()) skip();
  fd_device *usual = exchange(kind, "FINDNA_EMULATED_SHARED", "101376");
  block_case c = make_block(random_seqs(2, 40), 308, 70, 28);
  compare_block(&c, kind);
  free_block(&c);
  exchange_back(kind, "FINDNA_EMULATED_SHARED", usual);
}

/* A pass launched as a CUDA graph has the bits of the same operations launched one by one. Of each block's two passes the first
 * one must allocate memory (its copies of the weights; where there are none, the first time that it needs more scratch memory)
 * and is not a graph; the second is a graph, which the next block's updates with other pointers and numbers of rows. */
static void graph_passes_have_the_same_bits(void **state) {
  (void)state;
  block_case c[3] = {make_block(random_seqs(2, 20), 30, 40, 4), make_block(random_seqs(3, 90), 30, 40, 4),
                     make_block(random_seqs(1, 20), 30, 40, 4)};
  int kind = kind_of_process;
  fd_device *usual = exchange(kind, "FINDNA_GRAPH", "1");
  uint64_t cut = 0, built = 0;
  for (int n = 0, most = 0; n < 6; n++) {
    int rows = c[n % 3].rows;
    compare_block(&c[n % 3], kind);
    cut += kinds[kind].options.bf16 || rows > most;
    most = rows > most ? rows : most;
    assert_int_equal(gpu[kind]->graphs.passes, 2 * n + 2);
    assert_int_equal(gpu[kind]->graphs.whole, 2 * n + 2 - (int)cut);
    if (n == 2) built = gpu[kind]->graphs.built;
    if (n > 2) assert_int_equal(gpu[kind]->graphs.built, built);
  }
  exchange_back(kind, "FINDNA_GRAPH", usual);
  for (int i = 0; i < 3; i++) free_block(&c[i]);
}

/* When memory for a pass is lacking, the next wait reports it, as without a graph. */
static void a_graph_without_memory_is_reported(void **state) {
  (void)state;
  enum { KIND = KIND_CHAIN, D = 30, H = 40 };
  only_of(KIND);
  if (!is_emulated()) skip(); /* others have what they have */
  fd_device *usual = exchange(KIND, "FINDNA_GRAPH", "1"), *dev = gpu[KIND];
  fd_seqs seqs = random_seqs(2, 20), there = put_seqs(dev, &seqs);
  int rows = fd_seqs_rows(&seqs);
  float *w = put(dev, NULL, D * H * 4);
  fd_mixer block = {D, H, 4, w, w, w, w};
  fd_mat x = put_rows(dev, NULL, rows, D), y = put_rows(dev, NULL, rows, D);
  setenv("FINDNA_EMULATED_MEMORY", "1", 1);
  dev->begin(dev);
  dev->ops.add_rows(dev, rows, x, x, y);
  dev->ops.mixer_forward(dev, &there, &block, x, (fd_mat){0}, y);
  dev->end(dev);
  assert_int_equal(dev->sync(dev), FD_MEMORY);
  dev->begin(dev); /* nothing is captured from here on */
  dev->ops.add_rows(dev, rows, x, x, y);
  dev->end(dev);
  assert_int_equal(dev->sync(dev), FD_MEMORY);
  assert_int_equal(dev->graphs.whole, 0);
  unsetenv("FINDNA_EMULATED_MEMORY");
  dev->release(dev, w), dev->release(dev, x.at), dev->release(dev, y.at);
  fd_seqs_destroy(&there, dev);
  free(seqs.start);
  exchange_back(KIND, "FINDNA_GRAPH", usual);
}

/* A row's result does not depend, bit for bit, on its place or on other rows of the pack. */
static void circular_equivariance_and_batch_independence(void **state) {
  (void)state;
  for (int n = 0; n < 12; n++) {
    fd_device *dev = gpu[n % KINDS];
    if (!dev) continue;
    block_case c = make_block(random_seqs(1, 70), 30, 40, 4);
    int last = c.seqs.count - 1, first = c.seqs.start[last], T = c.seqs.start[last + 1] - first, k = between(0, T - 1),
        alone_start[2] = {0, T};
    size_t row = (size_t)c.d;
    float *rolled = malloc((size_t)T * row * sizeof *rolled), *result[2];
    for (int t = 0; t < T; t++) memcpy(rolled + (size_t)t * row, c.x + (size_t)(first + (t + k) % T) * row, row * sizeof *rolled);
    fd_seqs alone = {.count = 1, .cls = 1, .micro_batches = 1, .start = alone_start};
    float *weights[4] = {put(dev, c.w1, 4800), put(dev, c.b1, 160), put(dev, c.w2, 4800), put(dev, c.b2, 120)};
    fd_mixer block = {c.d, c.h, c.track, weights[0], weights[1], weights[2], weights[3]};
    for (int i = 0; i < 2; i++) {
      int rows = i ? T : c.rows;
      fd_seqs seqs = put_seqs(dev, i ? &alone : &c.seqs);
      fd_mat x = put_rows(dev, i ? rolled : c.x, rows, c.d), y = put_rows(dev, NULL, rows, c.d);
      dev->ops.mixer_forward(dev, &seqs, &block, x, (fd_mat){0}, y);
      result[i] = get_rows(dev, y, rows, c.d);
      dev->release(dev, x.at), dev->release(dev, y.at);
      fd_seqs_destroy(&seqs, dev);
    }
    for (int t = 0; t < T; t++)
      assert_memory_equal(result[1] + (size_t)t * row, result[0] + (size_t)(first + (t + k) % T) * row, row * sizeof(float));
    for (int i = 0; i < 4; i++) dev->release(dev, weights[i]);
    free(rolled), free(result[0]), free(result[1]);
    free_block(&c);
  }
}

static void losses_equal_cpu(void **state) {
  (void)state;
  for (int n = 0; n < 36; n++) {
    int kind = n % KINDS, bce = n % 2, entry = n % 4 == 1, axis_d = n / 2 % 2, latent = n / 3 % 2,
        width = latent ? between(1, 40) : FD_SYMBOLS;
    fd_device *dev = gpu[kind];
    if (!dev) continue;
    fd_seqs seqs = random_seqs(between(1, 6), 30), there = put_seqs(dev, &seqs);
    int rows = fd_seqs_rows(&seqs), cls = seqs.cls * width;
    size_t zs = (size_t)(rows * FD_SYMBOLS), ps = (size_t)(rows * width), out = (size_t)(seqs.count * cls);
    float *z = random_floats(zs, 3), *dz = random_floats(zs + 1, 1), *p = random_values(ps, 2), *q = random_values(ps, 2),
          *dp = random_values(ps + 1, 1), *centre = random_floats((size_t)cls, 1), *logp = poison(out), *prob = poison(out);
    uint8_t *labels = malloc((size_t)rows), *mask = malloc(zs);
    double sums[2], *sum_cls = malloc((size_t)cls * sizeof *sum_cls);
    for (size_t i = 0; i < zs; i++) mask[i] = (uint8_t)between(0, 1);
    for (int s = 0; s < seqs.count; s++)
      for (int r = seqs.start[s]; r < seqs.start[s + 1]; r++)
        labels[r] = r < seqs.start[s + 1] - seqs.cls ? (uint8_t)between(0, 4) : FD_CLS;
    float *zg = put(dev, z, zs * 4), *dzg = put(dev, dz, zs * 4), *cg = put(dev, centre, (size_t)cls * 4),
          *logpg = put(dev, NULL, out * 4), *probg = put(dev, NULL, out * 4);
    fd_mat pg = latent ? put_rows(dev, p, rows, width) : fd_dense(put(dev, p, ps * 4), width),
           qg = latent ? put_rows(dev, q, rows, width) : fd_dense(put(dev, q, ps * 4), width),
           dpg = latent ? put_rows(dev, dp, rows, width) : fd_dense(put(dev, dp, ps * 4), width);
    uint8_t *lg = put(dev, labels, (size_t)rows), *mg = put(dev, mask, zs);
    double *sg = put(dev, NULL, 2 * sizeof(double)), *sum_cls_g = put(dev, NULL, (size_t)cls * sizeof(double));
    cpu->ops.mnm_loss(cpu, &seqs, z, labels, mask, entry, bce, 0.7f, 0.3f, dz, &sums[0]);
    cpu->ops.cl_loss(cpu, &seqs, width, fd_dense(p, width), fd_dense(q, width), centre, axis_d, 0.5f, 0.3f, 0.9f,
                     fd_dense(dp, width), logp, prob, &sums[1]);
    cpu->ops.cls_sum(cpu, &seqs, width, fd_dense(q, width), sum_cls);
    dev->ops.mnm_loss(dev, &there, zg, lg, mg, entry, bce, 0.7f, 0.3f, dzg, &sg[0]);
    dev->ops.cl_loss(dev, &there, width, pg, qg, cg, axis_d, 0.5f, 0.3f, 0.9f, dpg, logpg, probg, &sg[1]);
    dev->ops.cls_sum(dev, &there, width, qg, sum_cls_g);
    for (int i = 0; i < 2; i++) assert_near(get_sum(dev, sg + i), sums[i], 1e-9 * (1 + fabs(sums[i])));
    for (int i = 0; i < cls; i++) assert_near(get_sum(dev, sum_cls_g + i), sum_cls[i], 1e-12);
    compare_flat("dlogits", kind, dzg, zs, dz, 1e-6);
    compare_rows("dp", kind, dpg, rows, width, dp, dpg.type == FD_BF16 ? 4e-3 : 1e-6);
    compare_flat("logp", kind, logpg, out, logp, 1e-6);
    compare_flat("prob", kind, probg, out, prob, 1e-6);
    void *device_memory[] = {zg, cg, pg.at, qg.at, lg, mg, sg, sum_cls_g},
         *all[] = {seqs.start, z, dz, p, q, dp, centre, logp, prob, labels, mask, sum_cls};
    for (size_t i = 0; i < sizeof device_memory / sizeof *device_memory; i++) dev->release(dev, device_memory[i]);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    fd_seqs_destroy(&there, dev);
  }
}

static void task_losses_equal_cpu(void **state) {
  (void)state;
  for (int n = 0; n < 12; n++) {
    fd_device *dev = gpu[n % KINDS];
    if (!dev) continue;
    int count = between(1, n % 4 ? 30 : 6000), classes = between(2, 7);
    size_t size = (size_t)(count * classes), c = (size_t)count;
    float *z = random_floats(size, 9), *target = malloc(c * sizeof *target), *weight = random_floats(c, 1), *dz = poison(size),
          *dv = poison(c);
    double class_sum, value_sum;
    for (int i = 0; i < count; i++) target[i] = (float)between(0, classes - 1);
    float *zg = put(dev, z, size * 4), *tg = put(dev, target, c * 4), *wg = put(dev, weight, c * 4),
          *dzg = put(dev, NULL, size * 4), *dvg = put(dev, NULL, c * 4);
    double *sums = put(dev, NULL, 2 * sizeof(double));
    cpu->ops.class_loss(cpu, count, classes, z, target, weight, 0.3f, dz, &class_sum);
    cpu->ops.value_loss(cpu, count, z, target, 0.3f, dv, &value_sum);
    dev->ops.class_loss(dev, count, classes, zg, tg, wg, 0.3f, dzg, &sums[0]);
    dev->ops.value_loss(dev, count, zg, tg, 0.3f, dvg, &sums[1]);
    assert_near(get_sum(dev, &sums[0]), class_sum, 1e-9 * (1 + fabs(class_sum)));
    assert_near(get_sum(dev, &sums[1]), value_sum, 1e-9 * (1 + fabs(value_sum)));
    compare_flat("dz", n % KINDS, dzg, size, dz, 1e-6);
    compare_flat("dv", n % KINDS, dvg, c, dv, 1e-6);
    dev->release(dev, zg), dev->release(dev, tg), dev->release(dev, wg), dev->release(dev, sums);
    free(z), free(target), free(weight), free(dz), free(dv);
  }
}

/* Means over sequences, GELU, sums of rows. */
static void row_operations_equal_cpu(void **state) {
  (void)state;
  for (int n = 0; n < 24; n++) {
    int kind = n % KINDS, channels = between(1, 70), stride = channels + between(0, 5), which = n % 2;
    fd_device *dev = gpu[kind];
    if (!dev) continue;
    fd_seqs seqs = random_seqs(between(1, 4), 30), there = put_seqs(dev, &seqs);
    int rows = fd_seqs_rows(&seqs);
    size_t size = (size_t)(rows * channels), outs = (size_t)(seqs.count * stride);
    float *x = random_values(size, 1), *out = random_floats(outs + 1, 1), *dout = random_floats(outs, 1),
          *dx = random_values(size + 1, 1), *y = poison(size), *gx = poison(size), *both = poison(size);
    float *outg = put(dev, out, outs * 4), *doutg = put(dev, dout, outs * 4), *flat = put(dev, x, size * 4),
          *flat_d = put(dev, dx, size * 4), *yg = put(dev, NULL, size * 4), *gxg = put(dev, NULL, size * 4);
    fd_mat xg = put_rows(dev, x, rows, channels), dxg = put_rows(dev, dx, rows, channels),
           bothg = put_rows(dev, NULL, rows, channels);
    dev->ops.add_rows(dev, rows, xg, dxg, bothg);
    cpu->ops.add_rows(cpu, rows, fd_dense(x, channels), fd_dense(dx, channels), fd_dense(both, channels));
    compare_rows("a + b", kind, bothg, rows, channels, both, xg.type == FD_BF16 ? 4e-3 : 1e-7);
    dev->ops.gelu_forward(dev, size, flat, yg);
    cpu->ops.gelu_forward(cpu, size, x, y);
    compare_flat("gelu", kind, yg, size, y, 5e-7);
    dev->ops.gelu_backward(dev, size, flat, flat_d, gxg);
    cpu->ops.gelu_backward(cpu, size, x, dx, gx);
    compare_flat("gelu backward", kind, gxg, size, gx, 1e-6);
    dev->ops.pool_mean(dev, &there, channels, which, xg, (size_t)stride, outg);
    cpu->ops.pool_mean(cpu, &seqs, channels, which, fd_dense(x, channels), (size_t)stride, out);
    out[outs] = NAN;
    compare_flat("mean", kind, outg, outs, out, 1e-6); /* columns after the channels are unchanged */
    dev->ops.pool_mean_backward(dev, &there, channels, which, doutg, (size_t)stride, dxg);
    cpu->ops.pool_mean_backward(cpu, &seqs, channels, which, dout, (size_t)stride, fd_dense(dx, channels));
    compare_rows("mean backward", kind, dxg, rows, channels, dx, dxg.type == FD_BF16 ? 4e-3 : 1e-6);
    size_t learned = (size_t)(seqs.cls * channels);
    float *w = random_floats(learned, 1), *dw = poison(learned), *wg = put(dev, w, learned * 4),
          *dwg = put(dev, NULL, learned * 4);
    dev->ops.cls_add_backward(dev, &there, channels, xg, dwg);
    cpu->ops.cls_add_backward(cpu, &seqs, channels, fd_dense(x, channels), dw);
    compare_flat("gradient of learned tokens", kind, dwg, learned, dw, 1e-6);
    dev->ops.cls_add(dev, &there, channels, wg, xg);
    cpu->ops.cls_add(cpu, &seqs, channels, w, fd_dense(x, channels));
    compare_rows("learned tokens", kind, xg, rows, channels, x, xg.type == FD_BF16 ? 4e-3 : 1e-6);
    dev->release(dev, wg), free(w), free(dw);
    dev->release(dev, doutg), dev->release(dev, flat), dev->release(dev, flat_d), dev->release(dev, xg.at);
    void *all[] = {seqs.start, x, out, dout, dx, y, gx, both};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    fd_seqs_destroy(&there, dev);
  }
}

/* The same numbers from the same keys: views differ only in the last bits of sines and logarithms, dropped entries not at all. */
static void random_numbers_equal_cpu(void **state) {
  (void)state;
  for (int n = 0; n < 18; n++) {
    int kind = n % KINDS, channels = between(1, 40);
    fd_device *dev = gpu[kind];
    if (!dev) continue;
    fd_seqs seqs = random_seqs(between(1, 4), n % 5 ? 30 : 1200);
    uint64_t draws[8];
    for (int i = 0; i < 8; i++) draws[i] = (uint64_t)word() << 20 | (uint64_t)i;
    seqs.draws = draws;
    fd_seqs there = put_seqs(dev, &seqs);
    int rows = fd_seqs_rows(&seqs);
    size_t size = (size_t)(rows * channels), xs = (size_t)(rows * FD_SYMBOLS);
    uint8_t *tokens = malloc((size_t)rows);
    for (int i = 0; i < rows; i++) tokens[i] = (uint8_t)between(0, FD_CLS);
    float *view = poison(xs), *x = random_values(size, 1), *y = random_values(size + 1, 1), *dy = random_values(size, 1),
          *masked = poison(size), *rest = poison(size);
    y[size] = NAN;
    fd_rng_key key = fd_rng_key_of(3, FD_RNG_NOISE);
    float noise = n % 2 ? 0.2f : 0, *viewg = put(dev, NULL, xs * 4);
    uint8_t *tokensg = put(dev, tokens, (size_t)rows);
    fd_mat xg = put_rows(dev, x, rows, channels), yg = put_rows(dev, y, rows, channels), dyg = put_rows(dev, dy, rows, channels),
           maskedg = put_rows(dev, NULL, rows, channels), restg = put_rows(dev, NULL, rows, channels);
    cpu->ops.expand(cpu, &seqs, tokens, noise, key, 1, view);
    dev->ops.expand(dev, &there, tokensg, noise, key, 1, viewg);
    compare_flat("view", kind, viewg, xs, view, noise > 0 ? 1e-6 : 0);
    cpu->ops.dropout_forward(cpu, &seqs, channels, 0.3f, key, 7, fd_dense(x, channels), fd_dense(y, channels));
    cpu->ops.dropout_backward(cpu, &seqs, channels, 0.3f, key, 7, fd_dense(dy, channels), fd_dense(masked, channels),
                              fd_dense(rest, channels));
    dev->ops.dropout_forward(dev, &there, channels, 0.3f, key, 7, xg, yg);
    dev->ops.dropout_backward(dev, &there, channels, 0.3f, key, 7, dyg, maskedg, restg);
    double bound = dyg.type == FD_BF16 ? 8e-3 : 1e-6;
    compare_rows("dropped", kind, yg, rows, channels, y, bound);
    compare_rows("masked", kind, maskedg, rows, channels, masked, bound);
    compare_rows("rest", kind, restg, rows, channels, rest, bound);
    dev->release(dev, tokensg), dev->release(dev, xg.at), dev->release(dev, dyg.at);
    void *all[] = {seqs.start, tokens, view, x, y, dy, masked, rest};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    fd_seqs_destroy(&there, dev);
  }
}

static void flat_operations_equal_cpu(void **state) {
  (void)state;
  for (int n = 0; n < 15; n++) {
    int kind = n % KINDS;
    fd_device *dev = gpu[kind];
    if (!dev) continue;
    size_t size = n % 5 ? (size_t)between(1, 600) : (size_t)between(4000, 20000);
    fd_adamw h = {1e-3f, 1e-4f, 1e-8f, 0.9f, 0.1f, 0.999f, 0.001f, 0.1f, 0.001f, 0.5f};
    float *g = random_floats(size, 1), *w = random_floats(size + 1, 1), *m = random_floats(size + 1, 0.1f),
          *v = random_floats(size + 1, 0.01f), *t = random_floats(size + 1, 1), *sum = poison(size);
    for (size_t i = 0; i < size; i++) v[i] = fabsf(v[i]);
    w[size] = m[size] = v[size] = t[size] = NAN;
    float *gg = put(dev, g, size * 4), *wg = put(dev, w, size * 4), *mg = put(dev, m, size * 4), *vg = put(dev, v, size * 4),
          *tg = put(dev, t, size * 4), *sumg = put(dev, NULL, size * 4);
    double squares[2], pair[2] = {0.1, 0.2}, more[2] = {3, 4}, *pairg = put(dev, pair, sizeof pair),
                       *moreg = put(dev, more, sizeof more);
    uint64_t hash[2];
    cpu->ops.add(cpu, size, g, w, sum);
    dev->ops.add(dev, size, gg, wg, sumg);
    compare_flat("sum", kind, sumg, size, sum, 0);
    cpu->ops.hash(cpu, size, g, &hash[0]);
    dev->ops.hash(dev, size, gg, &hash[1]);
    assert_true(hash[0] == hash[1]);
    cpu->ops.sum_squares(cpu, size, g, &squares[0]);
    dev->ops.sum_squares(dev, size, gg, &squares[1]);
    assert_near(squares[1], squares[0], 1e-12 * squares[0]);
    cpu->ops.adamw(cpu, size, &h, g, w, m, v, n % 2 ? t : NULL, 0.99f);
    dev->ops.adamw(dev, size, &h, gg, wg, mg, vg, n % 2 ? tg : NULL, 0.99f);
    cpu->ops.ema(cpu, size, 0.9f, w, t);
    dev->ops.ema(dev, size, 0.9f, wg, tg);
    compare_flat("w", kind, wg, size, w, 2e-7);
    compare_flat("m", kind, mg, size, m, 2e-7);
    compare_flat("v", kind, vg, size, v, 2e-7);
    compare_flat("t", kind, tg, size, t, 2e-7);
    dev->ops.add_sums(dev, 2, pairg, moreg);
    assert_near(get_sum(dev, pairg), 3.1, 1e-15);
    dev->ops.zero(dev, 9, moreg);
    assert_true(get_sum(dev, moreg) == 0);
    dev->release(dev, gg), dev->release(dev, pairg), dev->release(dev, moreg);
    free(g), free(w), free(m), free(v), free(t), free(sum);
  }
}

/* Products read a copy of the weights: it is renewed after every way to write them. One hidden unit, and d channels. */
static void see_changed_weights(fd_device *dev, int d) {
  enum { MOST = 176, ROWS = 8 };
  int start[2] = {0, ROWS};
  fd_seqs seqs = {.count = 1, .cls = 1, .start = start}, there = put_seqs(dev, &seqs);
  size_t n = (size_t)d, bytes = n * sizeof(float);
  float one[MOST], two[MOST], zero[MOST] = {0}, x[ROWS * MOST] = {0}, expected[] = {16, 24, 8, 40, 8};
  for (int i = 0; i < MOST; i++) one[i] = 1, two[i] = 2;
  for (int i = 0; i < ROWS; i++) x[i * d] = 8;
  float *w = put(dev, one, bytes), *w2 = put(dev, one, bytes), *b = put(dev, zero, bytes);
  fd_mixer block = {d, 1, d, w, b, w2, b};
  fd_mat xg = put_rows(dev, x, ROWS, d), y = put_rows(dev, NULL, ROWS, d);
  for (int step = 0; step < 5; step++) {
    fd_adamw h = {-3, 0, 0, 0, 1, 0, 1, 1, 1, 1}; /* w + 3 sign(g) */
    float *g = put(dev, one, bytes), *m = put(dev, zero, bytes), *v = put(dev, zero, bytes);
    if (step == 1) assert_ok(dev->copy(dev, w, two, bytes));
    if (step == 2) dev->ops.zero(dev, bytes, w);
    if (step == 3) dev->ops.adamw(dev, n, &h, g, w, m, v, NULL, 0), dev->ops.add(dev, n, w, g, w);
    if (step == 4) dev->ops.ema(dev, n, 0, b, w);
    dev->ops.mixer_forward(dev, &there, &block, xg, (fd_mat){0}, y);
    float *got = get_rows(dev, y, ROWS, d);
    assert_near((double)got[3 * d], (double)expected[step], 0.01 * (double)expected[step]);
    free(got);
    dev->release(dev, g), dev->release(dev, m), dev->release(dev, v);
  }
  dev->release(dev, w), dev->release(dev, w2), dev->release(dev, b), dev->release(dev, xg.at), dev->release(dev, y.at);
  fd_seqs_destroy(&there, dev);
}

static void changed_weights_are_seen(void **state) {
  (void)state;
  if (kind_of_process < KIND_CHAIN) skip();
  see_changed_weights(gpu[kind_of_process], 1), see_changed_weights(gpu[kind_of_process], 170);
}

/* Whoever asks for a copy to the device may change its source at once. */
static void the_source_of_a_copy_may_change(void **state) {
  (void)state;
  enum { N = 300000 };
  fd_device *dev = gpu[kind_of_process];
  float *x = random_floats(N, 1), *source = malloc(N * sizeof *source), *at = put(dev, NULL, N * sizeof *x),
        *sum = put(dev, NULL, N * sizeof *x);
  for (int n = 0; n < 3; n++) {
    memcpy(source, x, N * sizeof *x);
    dev->ops.add(dev, N, sum, sum, sum); /* the copy is not the first thing that the stream has to do */
    assert_ok(dev->copy(dev, at, source, N * sizeof *x));
    memset(source, 0xff, N * sizeof *x);
    dev->ops.add(dev, N, at, at, sum);
    assert_ok(dev->sync(dev));
    float *got = get(dev, sum, N);
    for (int i = 0; i < N; i++) assert_true(got[i] == x[i] + x[i]);
    free(got);
  }
  dev->release(dev, at), dev->release(dev, sum);
  free(x), free(source);
}

/* Where NCCL is: a link of one rank, whose sum is what it was; else nothing but that it is said to be missing. */
static void nccl_link_of_one_rank(void **state) {
  (void)state;
  fd_device *dev = gpu[KIND_FP32];
  char id[FD_LINK_ID];
  const char *why;
  fd_link *link;
  fd_status there = dev->link_id(dev, id, &why);
  if (there == FD_MISSING) {
    printf("skipped - NCCL: %s\n", why);
    skip();
  }
  assert_ok(there);
  assert_ok(dev->link(dev, &link, 0, 1, id, 30));
  enum { N = 100000 };
  float *x = random_floats(N, 1), *at = put(dev, x, N * sizeof *x), *twice = put(dev, NULL, N * sizeof *x);
  assert_ok(link->follow(link));
  assert_ok(link->sum(link, at, N));
  assert_ok(link->add(link, N, at, at, twice));
  for (int idle = 0; !idle;) assert_ok(link->progress(link, &idle));
  assert_ok(link->lead(link));
  float *same = get(dev, at, N), *sum = get(dev, twice, N);
  for (int i = 0; i < N; i++) assert_true(same[i] == x[i] && sum[i] == x[i] + x[i]);
  link->close(link);
  dev->release(dev, at), dev->release(dev, twice);
  free(x), free(same), free(sum);
}

#define case_mixer_forward block_equals_cpu_for_every_remainder
#define case_mixer_backward block_equals_cpu_for_every_remainder
#define case_expand random_numbers_equal_cpu
#define case_mnm_loss losses_equal_cpu
#define case_cl_loss losses_equal_cpu
#define case_cls_sum losses_equal_cpu
#define case_cls_add row_operations_equal_cpu
#define case_cls_add_backward row_operations_equal_cpu
#define case_add_sums flat_operations_equal_cpu
#define case_sum_squares flat_operations_equal_cpu
#define case_adamw flat_operations_equal_cpu
#define case_pool_mean row_operations_equal_cpu
#define case_pool_mean_backward row_operations_equal_cpu
#define case_gelu_forward row_operations_equal_cpu
#define case_gelu_backward row_operations_equal_cpu
#define case_class_loss task_losses_equal_cpu
#define case_value_loss task_losses_equal_cpu
#define case_dropout_forward random_numbers_equal_cpu
#define case_dropout_backward random_numbers_equal_cpu
#include "cases.h"

static int run(void) {
  const struct CMUnitTest more[] = {
      cmocka_unit_test(wide_linear_equals_cpu),
      cmocka_unit_test(block_equals_cpu_beyond_one_tile),
      cmocka_unit_test(wide_blocks_equal_cpu),
      cmocka_unit_test(rotations_of_short_sequences_equal_cpu),
      cmocka_unit_test(blocks_by_warpgroups_equal_cpu),
      cmocka_unit_test(small_shared_memory_uses_single_products),
      cmocka_unit_test(graph_passes_have_the_same_bits),
      cmocka_unit_test(a_graph_without_memory_is_reported),
      cmocka_unit_test(circular_equivariance_and_batch_independence),
      cmocka_unit_test(attention_does_not_depend_on_place),
      cmocka_unit_test(delta_rule_does_not_depend_on_place),
      cmocka_unit_test(changed_weights_are_seen),
      cmocka_unit_test(the_source_of_a_copy_may_change),
  };
  const struct CMUnitTest of_library[] = {cmocka_unit_test(linear_by_library_equals_cpu),
                                          cmocka_unit_test(blocks_by_library_equal_cpu),
                                          cmocka_unit_test(a_row_by_library_is_the_same_alone)};
  const struct CMUnitTest of_nccl[] = {cmocka_unit_test(nccl_link_of_one_rank)};
  if (kind_of_process == KIND_NCCL) return cmocka_run_group_tests(of_nccl, open_devices, close_devices);
  if (kind_of_process == KIND_LIBRARY) return cmocka_run_group_tests(of_library, open_devices, close_devices);
  return run_cases(more, sizeof more / sizeof *more, open_devices, close_devices);
}

int main(int argc, char **argv) { return run_kinds(argc, argv, run); }
