/* Every operation of the CUDA back end against the CPU's, over random shapes with every remainder, in fp32 and in bf16 by every
 * kind of products, each in a process of its own: on the emulated GPU, or on that of FINDNA_PLUGIN. */
#include "cases_attention.h"
#include "cases_blocks.h"
#include "cases_delta.h"
#include "cases_linear.h"
#include "cases_rows.h"
#include "cases_students.h"
#include "gpu.h"

#include "cuda/fragment.h"

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
  static const int rows_of[3] = {33, 400, 30}; /* only the second needs more memory than those before */
  block_case c[3];
  for (int i = 0; i < 3; i++) {
    int *start = malloc(3 * sizeof *start);
    start[0] = 0, start[1] = between(5, 25), start[2] = rows_of[i];
    c[i] = make_block((fd_seqs){.count = 2, .cls = 2, .micro_batches = 1, .start = start}, 30, 40, 4);
  }
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
    fd_rng_key key = fd_rng_key_of(drawn_seed(3), FD_RNG_NOISE);
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
  load_substitute("fake_nccl/libfake_nccl.so.2");
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
