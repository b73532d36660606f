/* Tests every operation of every CPU instruction set against its plain version over random shapes, with poisoned outputs;
 * backward passes against finite differences; equality of bits for any number of threads. */
#include "cases_attention.h"
#include "cases_delta.h"
#include "cases_mixer.h"
#include "cases_rows.h"
#include "cases_students.h"

static void gelu_is_exact_to_fp32(void **state) {
  (void)state;
  for (int i = 0; i < device_count; i++) {
    fd_device *dev = devices[i].dev;
    if (devices[i].operand != plain_same) continue;
    /* One channel, one hidden unit, weights 1: y - x is GELU itself. */
    int start[2] = {0, 4001};
    fd_seqs seqs = {.count = 1, .cls = 1, .start = start};
    float one = 1, zero = 0, *x = malloc(4001 * sizeof *x), *y = poison(4001), *z = poison(4001), *dy = malloc(4001 * sizeof *dy),
          *dx = poison(4001), g[4];
    for (int k = 0; k < 4001; k++) x[k] = (float)(k - 2000) * 0.005f, dy[k] = 1;
    fd_mixer block = {1, 1, 1, &one, &zero, &one, &zero};
    fd_mixer_grads grads = {g, g + 1, g + 2, g + 3};
    dev->ops.mixer_forward(dev, &seqs, &block, fd_dense(x, 1), fd_dense(z, 1), fd_dense(y, 1));
    dev->ops.mixer_backward(dev, &seqs, &block, fd_dense(x, 1), fd_dense(z, 1), fd_dense(dy, 1), fd_dense(dx, 1), &grads);
    for (int k = 0; k < 4001; k++) {
      double v = (double)x[k];
      assert_near((double)y[k] - v, plain_gelu(v), 2.5e-7 * fmax(1, fabs(v)));
      assert_near((double)dx[k] - 1, plain_gelu_slope(v), 4e-7);
    }
    free(x), free(y), free(z), free(dy), free(dx);
  }
}

static void linear_equals_plain_and_finite_differences(void **state) {
  (void)state;
  for (int n = 0; n < 412; n++) {
    int wide = n >= 400, rows = between(1, wide ? 40 : 150), in = wide ? between(600, 1100) : between(1, n % 2 ? 5 : 90),
        out = wide ? between(600, 1100) : between(1, n % 2 ? 90 : 5);
    size_t xs = (size_t)(rows * in), ys = (size_t)(rows * out), ws = (size_t)(in * out);
    float *x = random_floats(xs, 1), *w = random_floats(ws, 1), *b = random_floats((size_t)out, 1), *dy = random_floats(ys, 1);
    float *y = poison(ys), *dx = poison(xs), *dw = poison(ws), *db = poison((size_t)out);
    double *xd = widen(x, xs), *wd = widen(w, ws), *bd = widen(b, (size_t)out), *yd = malloc(ys * sizeof *yd);
    fd_device *dev = devices[n % device_count].dev;
    plain_linear(devices[n % device_count].operand, rows, in, out, xd, wd, bd, yd);
    dev->ops.linear_forward(dev, rows, in, out, fd_dense(x, in), w, b, fd_dense(y, out));
    compare("y", y, yd, ys, wide ? 4e-6 : 1e-6);
    dev->ops.linear_backward(dev, rows, 1, in, out, fd_dense(x, in), w, fd_dense(dy, out), fd_dense(dx, in), dw, db);
    int keeps_fp32 = devices[n % device_count].simd == FD_SIMD_AVX512 && (in <= 640 || out <= 640); /* cpu/linear.c */
    plain_operand *back = keeps_fp32 ? plain_same : devices[n % device_count].operand;
    double *dxd = calloc(xs, sizeof *dxd), *dwd = calloc(ws, sizeof *dwd), *dbd = calloc((size_t)out, sizeof *dbd);
    for (int r = 0; r < rows; r++)
      for (int o = 0; o < out; o++) {
        dbd[o] += (double)dy[r * out + o];
        for (int i = 0; i < in; i++)
          dxd[r * in + i] += back((double)dy[r * out + o]) * back(wd[o * in + i]),
              dwd[o * in + i] += back((double)dy[r * out + o]) * back(xd[r * in + i]);
      }
    compare("dx", dx, dxd, xs, wide ? 4e-6 : 1e-6);
    compare_sums("dw", dw, dwd, ws, rows, 6e-6);
    compare_sums("db", db, dbd, (size_t)out, rows, 6e-6);
    for (int r = 0; r < rows; r++)
      for (int o = 0; o < out; o++) yd[r * out + o] -= bd[o];
    dev->ops.linear_forward(dev, rows, in, out, fd_dense(x, in), w, NULL, fd_dense(y, out));
    dev->ops.linear_backward(dev, rows, 1, in, out, fd_dense(x, in), w, fd_dense(dy, out), (fd_mat){0}, dw, NULL);
    compare("y without b", y, yd, ys, wide ? 4e-6 : 1e-6);
    compare_sums("dw without db", dw, dwd, ws, rows, 6e-6);
    void *all[] = {x, w, b, dy, y, dx, dw, db, xd, wd, bd, yd, dxd, dwd, dbd};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  }
}

static void activated_linear_once(fd_device *dev, plain_operand *operand, int n) {
  int gated = n % 2, rows = between(1, 180), in = between(1, 90), width = between(1, 300), across = gated ? 2 * width : width;
  fd_act act = (fd_act)(n / 2 % 4);
  size_t xs = (size_t)(rows * in), hs = (size_t)(rows * across), ys = (size_t)(rows * width), ws = (size_t)(in * across);
  float *x = random_floats(xs, 1), *w = random_floats(ws, 1), *b = random_floats((size_t)across, 1), *h = poison(hs),
        *y = poison(ys);
  double *xd = widen(x, xs), *wd = widen(w, ws), *bd = widen(b, (size_t)across), *hd = malloc(hs * sizeof *hd),
         *yd = malloc(ys * sizeof *yd);
  plain_linear(operand, rows, in, across, xd, wd, bd, hd);
  dev->ops.linear_act_forward(dev, rows, in, width, fd_dense(x, in), w, b, act, gated, fd_dense(h, across), fd_dense(y, width));
  compare("h", h, hd, hs, 1e-6);
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < width; c++) {
      const double *row = hd + (size_t)r * (size_t)across;
      yd[r * width + c] = plain_act(act, row[c]) * (gated ? row[width + c] : 1);
    }
  compare("act(h)", y, yd, ys, 4e-6);
  void *all[] = {x, w, b, h, y, xd, wd, bd, hd, yd};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void activated_linear_equals_plain(void **state) {
  (void)state;
  for (int n = 0; n < 96; n++)
    activated_linear_once(devices[n % device_count].dev, devices[n % device_count].operand, n / device_count);
}

static void losses_equal_plain_and_finite_differences(void **state) {
  (void)state;
  fd_device *dev = devices[0].dev;
  for (int n = 0; n < 80; n++) {
    fd_seqs seqs = random_seqs(between(1, 6), 12);
    int rows = fd_seqs_rows(&seqs), bce = n % 2, entry = bce && n % 4 == 1, axis_d = n % 3 == 0;
    int zs = rows * FD_SYMBOLS;
    float *z = random_floats((size_t)zs, 3), *q = random_floats((size_t)zs, 1),
          *centre = random_floats((size_t)(seqs.cls * FD_SYMBOLS), 1), *dz = calloc((size_t)zs, sizeof *dz);
    double *zd = widen(z, (size_t)zs), *qd = widen(q, (size_t)zs), *cd = widen(centre, (size_t)(seqs.cls * FD_SYMBOLS)), mnm, cl,
           cls_sum[64];
    uint8_t *labels = malloc((size_t)rows), *mask = malloc((size_t)zs);
    for (int i = 0; i < zs; i++) mask[i] = (uint8_t)between(0, 1);
    for (int s = 0; s < seqs.count; s++)
      for (int r = seqs.start[s]; r < seqs.start[s + 1]; r++)
        labels[r] = r < seqs.start[s + 1] - seqs.cls ? (uint8_t)between(0, 4) : FD_CLS;
    dev->ops.mnm_loss(dev, &seqs, z, labels, mask, entry, bce, 0.7f, 0.3f, dz, &mnm);
    dev->ops.cl_loss(dev, &seqs, FD_SYMBOLS, fd_dense(z, FD_SYMBOLS), fd_dense(q, FD_SYMBOLS), centre, axis_d, 0.5f, 0.3f, 0.9f,
                     fd_dense(dz, FD_SYMBOLS), NULL, NULL, &cl);
    assert_near(mnm, plain_mnm(&seqs, zd, labels, mask, entry, bce, (double)0.7f), 1e-6 * (1 + fabs(mnm)));
    assert_near(cl, plain_cl(&seqs, FD_SYMBOLS, zd, qd, cd, axis_d, (double)0.5f, (double)0.3f), 1e-6 * (1 + fabs(cl)));
    for (int k = 0; k < 20; k++) {
      int i = between(0, zs - 1);
      double loss[2], kept = zd[i], step = 1e-5;
      for (int side = 0; side < 2; side++) {
        zd[i] = kept + (side ? step : -step);
        loss[side] = (double)0.3f * plain_mnm(&seqs, zd, labels, mask, entry, bce, (double)0.7f) +
                     (double)0.9f * plain_cl(&seqs, FD_SYMBOLS, zd, qd, cd, axis_d, (double)0.5f, (double)0.3f);
      }
      zd[i] = kept;
      assert_near((double)dz[i], (loss[1] - loss[0]) / (2 * step), 1e-5);
    }
    dev->ops.cls_sum(dev, &seqs, FD_SYMBOLS, fd_dense(q, FD_SYMBOLS), cls_sum);
    for (int i = 0; i < seqs.cls * FD_SYMBOLS; i++) {
      double sum = 0;
      for (int s = 0; s < seqs.count; s++) sum += qd[(seqs.start[s + 1] - seqs.cls) * FD_SYMBOLS + i];
      assert_near(cls_sum[i], sum, 1e-12);
    }
    void *all[] = {(void *)seqs.start, z, q, centre, dz, zd, qd, cd, labels, mask};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  }
}

static void learned_tokens_equal_plain(void **state) {
  (void)state;
  for (int n = 0; n < 60; n++) {
    fd_device *dev = devices[n % device_count].dev;
    int cls = between(1, 4), width = between(1, 70);
    fd_seqs seqs = random_seqs(cls, 30);
    size_t rows = (size_t)fd_seqs_rows(&seqs), size = rows * (size_t)width, learned = (size_t)(cls * width);
    float *x = random_floats(size + 1, 1), *w = random_floats(learned, 1), *dw = poison(learned);
    double *xd = widen(x, size), *dwd = calloc(learned, sizeof *dwd);
    x[size] = NAN;
    dev->ops.cls_add_backward(dev, &seqs, width, fd_dense(x, width), dw);
    dev->ops.cls_add(dev, &seqs, width, w, fd_dense(x, width));
    for (int s = 0; s < seqs.count; s++)
      for (size_t i = 0; i < learned; i++) {
        size_t at = (size_t)(seqs.start[s + 1] - cls) * (size_t)width + i;
        dwd[i] += xd[at];
        xd[at] += (double)w[i];
      }
    compare("x + w", x, xd, size, 1e-7);
    compare("dw", dw, dwd, learned, 1e-6);
    void *all[] = {(void *)seqs.start, x, w, dw, xd, dwd};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  }
}

/* The operations of a task's head; test_finetune.c tests its gradients. */
static void head_operations_equal_plain(void **state) {
  (void)state;
  for (int n = 0; n < 60; n++) {
    fd_device *dev = devices[n % device_count].dev;
    int cls = between(1, 4), channels = between(1, 70), stride = channels + between(0, 5), which = n % 2;
    fd_seqs seqs = random_seqs(cls, 30);
    size_t rows = (size_t)fd_seqs_rows(&seqs), size = rows * (size_t)channels, outs = (size_t)(seqs.count * stride);
    float *x = random_floats(size, 1), *out = poison(outs), *dout = random_floats(outs, 1), *dx = random_floats(size + 1, 1),
          *y = poison(size), *gx = poison(size);
    double *dxd = widen(dx, size), *yd = malloc(size * sizeof *yd), *gd = malloc(size * sizeof *gd);
    dx[size] = NAN;
    dev->ops.pool_mean(dev, &seqs, channels, which, fd_dense(x, channels), (size_t)stride, out);
    dev->ops.pool_mean_backward(dev, &seqs, channels, which, dout, (size_t)stride, fd_dense(dx, channels));
    for (int s = 0; s < seqs.count; s++) {
      int middle = seqs.start[s + 1] - cls, first = which ? middle : seqs.start[s], last = which ? seqs.start[s + 1] : middle;
      for (int c = 0; c < channels; c++) {
        double sum = 0;
        for (int r = first; r < last; r++) {
          sum += (double)x[r * channels + c];
          dxd[r * channels + c] += (double)dout[s * stride + c] / (last - first);
        }
        assert_near((double)out[s * stride + c], sum / (last - first), 1e-6);
      }
      for (int c = channels; c < stride; c++) assert_true(isnan(out[s * stride + c])); /* not to be written */
    }
    compare("dx", dx, dxd, size, 1e-6);
    dev->ops.gelu_forward(dev, size, x, y);
    dev->ops.gelu_backward(dev, size, x, dx, gx);
    for (size_t i = 0; i < size; i++) {
      yd[i] = plain_gelu((double)x[i]);
      gd[i] = (double)dx[i] * plain_gelu_slope((double)x[i]);
    }
    compare("gelu", y, yd, size, 1e-7);
    compare("gelu backward", gx, gd, size, 1e-6);
    void *all[] = {(void *)seqs.start, x, out, dout, dx, y, gx, dxd, yd, gd};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  }
}

static void task_losses_equal_plain_and_finite_differences(void **state) {
  (void)state;
  fd_device *dev = devices[0].dev;
  for (int n = 0; n < 60; n++) {
    int count = between(1, 20), classes = between(2, 9), size = count * classes;
    float *z = random_floats((size_t)size, n % 3 ? 3 : 60), *target = malloc((size_t)count * sizeof *target),
          *weight = random_floats((size_t)count, 1), *dz = poison((size_t)size), *dv = poison((size_t)count);
    double sum, values, expected = 0, expected_values = 0;
    for (int i = 0; i < count; i++) target[i] = (float)between(0, classes - 1), weight[i] = fabsf(weight[i]);
    dev->ops.class_loss(dev, count, classes, z, target, weight, 0.3f, dz, &sum);
    dev->ops.value_loss(dev, count, z, target, 0.3f, dv, &values);
    for (int i = 0; i < count; i++) {
      double total = 0, *p = malloc((size_t)classes * sizeof *p), error = (double)z[i] - (double)target[i];
      for (int c = 0; c < classes; c++) total += p[c] = exp((double)z[i * classes + c]);
      expected += (double)weight[i] * (log(total) - (double)z[i * classes + (int)target[i]]);
      for (int c = 0; c < classes; c++)
        assert_near((double)dz[i * classes + c], (double)0.3f * (double)weight[i] * (p[c] / total - (c == (int)target[i])), 1e-6);
      expected_values += error * error;
      assert_near((double)dv[i], 2 * (double)0.3f * error, 1e-6 * (1 + fabs(error)));
      free(p);
    }
    assert_near(sum, expected, 1e-9 * (1 + expected));
    assert_near(values, expected_values, 1e-9 * (1 + expected_values));
    free(z), free(target), free(weight), free(dz), free(dv);
  }
}

static void flat_operations_equal_plain(void **state) {
  (void)state;
  for (int n = 0; n < 60; n++) {
    size_t size = n % 6 ? (size_t)between(1, 200) : (size_t)between(16000, 50000);
    fd_device *dev = devices[n % device_count].dev;
    float *g = random_floats(size, 1), *w = random_floats(size + 1, 1), *m = random_floats(size + 1, 0.1f),
          *v = random_floats(size + 1, 0.01f), *t = random_floats(size + 1, 1);
    double sum, expected = 0, pair[] = {1, 2}, more[] = {0.5, 4}, *wd = malloc(size * sizeof *wd),
                *td = malloc(size * sizeof *td);
    fd_adamw h = {1e-3f, 1e-4f, 1e-8f, 0.9f, 0.1f, 0.999f, 0.001f, 0.1f, 0.001f, 0.5f};
    for (size_t i = 0; i < size; i++) {
      v[i] = fabsf(v[i]);
      double gi = (double)g[i] * 0.5, mi = 0.9 * (double)m[i] + 0.1 * gi, vi = 0.999 * (double)v[i] + 0.001 * gi * gi;
      wd[i] = (double)w[i] * (1 - 1e-4) - 1e-3 * (mi / 0.1) / (sqrt(vi / 0.001) + 1e-8);
      td[i] = 0.99 * (double)t[i] + 0.01 * wd[i];
      expected += (double)g[i] * (double)g[i];
    }
    w[size] = t[size] = NAN;
    dev->ops.adamw(dev, size, &h, g, w, m, v, t, 0.99f);
    compare("w", w, wd, size, 1e-6);
    compare("t", t, td, size, 1e-6);
    dev->ops.sum_squares(dev, size, g, &sum);
    assert_near(sum, expected, 1e-9 * expected);
    dev->ops.add_sums(dev, 2, pair, more);
    assert_true(pair[0] == 1.5 && pair[1] == 6);
    free(g), free(w), free(m), free(v), free(t), free(wd), free(td);
  }
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  fd_config config;
  fd_config_defaults(&config);
  for (int n = 0; n < 24; n++) {
    config.device.simd = devices[n % device_count].simd;
    config.device.precision = devices[n % device_count].precision;
    mixer_case c = random_mixer(90, 120, 150);
    size_t size = (size_t)(c.rows * c.d), w = (size_t)(c.d * c.h), total = 2 * size + 2 * w + (size_t)(c.d + c.h);
    float *result[4];
    const int threads[4] = {1, 2, 3, 8};
    for (int i = 0; i < 4; i++) {
      fd_device *dev;
      config.device.threads = threads[i];
      assert_ok(fd_device_open(&dev, &config, 0, 1));
      float *y = result[i] = poison(total), *dx = y + size, *z = poison((size_t)(c.rows * c.h));
      fd_mixer_grads g = {dx + size, dx + size + 2 * w, dx + size + w, dx + size + 2 * w + c.h};
      dev->ops.mixer_forward(dev, &c.seqs, &c.block, fd_dense(c.x, c.d), fd_dense(z, c.h), fd_dense(y, c.d));
      dev->ops.mixer_backward(dev, &c.seqs, &c.block, fd_dense(c.x, c.d), fd_dense(z, c.h), fd_dense(c.dy, c.d),
                              fd_dense(dx, c.d), &g);
      fd_device_close(&dev);
      free(z);
      assert_memory_equal(result[i], result[0], total * sizeof(float));
    }
    for (int i = 0; i < 4; i++) free(result[i]);
    free_mixer(&c);
  }
}

/* The other operations with sums over rows or several items per row. */
static void bits_of_rows_do_not_depend_on_threads(void **state) {
  (void)state;
  fd_config config;
  fd_config_defaults(&config);
  fd_seqs seqs = random_seqs(1, 700);
  uint64_t draws[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  seqs.draws = draws;
  enum { HEADS = 3, WIDTH = HEADS * 40, IDS = 50 };
  int rows = fd_seqs_rows(&seqs), *ids = malloc((size_t)rows * sizeof *ids);
  size_t size = (size_t)rows * WIDTH, all = 5 * size + (size_t)rows * (HEADS + 2) + (IDS + 2) * WIDTH;
  float *x = random_floats(size, 1), *dy = random_floats(size, 1), *first = NULL;
  for (int r = 0; r < rows; r++) ids[r] = between(-1, IDS - 1);
  fd_attention a = {.heads = HEADS, .dim = 40, .scale = 0.2f, .dropout = 0.1f};
  fd_norm norm = {WIDTH, 0, 1e-5f, dy, dy};
  for (int threads = 1; threads < 9; threads += threads < 3 ? 1 : 5) {
    config.device.threads = threads;
    fd_device *dev;
    assert_ok(fd_device_open(&dev, &config, 0, 1));
    float *out = poison(all), *rest = out + 5 * size, *lse = rest + (IDS + 2) * WIDTH, *stats = lse + (size_t)rows * HEADS;
    fd_mat m[7] = {fd_dense(x, WIDTH), fd_dense(dy, WIDTH)};
    for (size_t i = 0; i < 5; i++) m[2 + i] = fd_dense(out + i * size, WIDTH);
    dev->ops.attention_forward(dev, &seqs, &seqs, &a, m[0], m[1], m[0], m[2], lse);
    dev->ops.attention_backward(dev, &seqs, &seqs, &a, m[0], m[1], m[0], m[2], lse, m[1], m[3], m[4], m[5]);
    dev->ops.norm_forward(dev, rows, &norm, m[0], m[6], stats);
    dev->ops.norm_backward(dev, rows, 1, &norm, m[0], stats, m[1], m[6], rest, rest + WIDTH);
    dev->ops.lookup_backward(dev, rows, 1, WIDTH, IDS, ids, 0, m[1], rest + 2 * WIDTH);
    if (first) assert_memory_equal(out, first, all * sizeof *out), free(out);
    else first = out;
    fd_device_close(&dev);
  }
  free(x), free(dy), free(first), free(ids), free(seqs.start);
}

/* Runs one of GRADIENTS backward passes over no rows; used: floats of to[4] that are gradients of parameters. */
enum { GRADIENTS = 8, WIDE = 650, PARAMETERS = WIDE * WIDE };
static void learn_from_nothing(fd_device *dev, int which, const float *w, float *to[4], size_t used[4]) {
  enum { IN = 21, OUT = 37, TAPS = 4, HIDDEN = 50 };
  int start[] = {0, 0, 0}, id = 0, wide = which == 1;
  const fd_seqs seqs = {.count = 2, .micro_batches = 1, .start = start};
  const fd_norm norm = {OUT, 0, 1e-5f, NULL, NULL};
  const fd_mat none = fd_dense(&(float){0}, OUT);
  const fd_delta delta = {2, 5, 7, 0, 1e-6f, w, w};
  const fd_mixer block = {OUT, HIDDEN, 7, w, w, w, w};
  used[0] = used[1] = OUT, used[2] = used[3] = 0;
  switch (which) {
    case 0:
    case 1:
      used[0] = wide ? WIDE * WIDE : IN * OUT, used[1] = wide ? WIDE : OUT;
      dev->ops.linear_backward(dev, 0, 1, wide ? WIDE : IN, (int)used[1], none, w, none, none, to[0], to[1]);
      break;
    case 2: dev->ops.norm_backward(dev, 0, 1, &norm, none, w, none, none, to[0], to[1]); break;
    case 3:
      used[1] = 0;
      dev->ops.gated_norm_backward(dev, 0, 1, 2, &norm, none, none, none, none, none, to[0]);
      break;
    case 4:
      used[0] = IN * OUT, used[1] = OUT * TAPS;
      dev->ops.lookup_backward(dev, 0, 1, OUT, IN, &id, 0, none, to[0]);
      dev->ops.causal_conv_weights(dev, &seqs, OUT, TAPS, 0, none, none, to[1]);
      break;
    case 5:
      used[0] = used[1] = 2;
      dev->ops.delta_backward(dev, &seqs, &delta, none, none, w, none, none, none, to[0], to[1]);
      break;
    case 6:
      used[0] = IN * OUT, used[1] = OUT;
      dev->ops.act_linear_backward(dev, 0, 1, IN, OUT, FD_ACT_SILU, 1, fd_dense(none.at, 2 * IN), w, none, to[0], to[1]);
      break;
    default:
      used[0] = used[1] = OUT * HIDDEN, used[2] = HIDDEN, used[3] = OUT;
      dev->ops.mixer_backward(dev, &seqs, &block, none, (fd_mat){0}, none, none, &(fd_mixer_grads){to[0], to[2], to[1], to[3]});
  }
}

/* Gradients of parameters over no rows are zero, also in the first call of a device, which has no scratch memory yet. */
static void no_rows_have_no_gradients(void **state) {
  (void)state;
  fd_config config;
  float *w = random_floats(PARAMETERS, 1);
  fd_config_defaults(&config);
  for (int n = 0; n < GRADIENTS * device_count; n++) {
    fd_device *dev;
    float *to[4];
    size_t used[4];
    config.device.simd = devices[n / GRADIENTS].simd, config.device.precision = devices[n / GRADIENTS].precision;
    config.device.threads = 1 + n % 2;
    assert_ok(fd_device_open(&dev, &config, 0, 1));
    for (int k = 0; k < 4; k++) to[k] = poison(PARAMETERS);
    learn_from_nothing(dev, n % GRADIENTS, w, to, used);
    assert_ok(dev->sync(dev));
    for (int k = 0; k < 4; k++) {
      for (size_t i = 0; i < used[k]; i++)
        if (!(to[k][i] == 0)) fail_msg("%s: backward pass %d, gradient %d: [%zu] is not 0", dev->simd, n % GRADIENTS, k, i);
      assert_true(isnan(to[k][used[k]]));
      free(to[k]);
    }
    fd_device_close(&dev);
  }
  free(w);
}

/* A sequence without rows changes nothing for the others of its pack. */
static void an_empty_sequence_is_skipped(void **state) {
  (void)state;
  for (int n = 0; n < 2 * device_count; n++) {
    fd_device *dev = devices[n % device_count].dev;
    mixer_case c = random_mixer(40, 40, 60);
    size_t size = (size_t)(c.rows * c.d);
    int count = c.seqs.count, *start = calloc((size_t)count + 2, sizeof *start), empty = between(0, count);
    for (int i = 0; i <= count; i++) start[i + (i > empty)] = c.seqs.start[i];
    start[empty + 1] = c.seqs.start[empty];
    fd_seqs more = {.count = count + 1, .micro_batches = 1, .start = start};
    float *y = poison(size), *same = poison(size);
    dev->ops.mixer_forward(dev, &c.seqs, &c.block, fd_dense(c.x, c.d), (fd_mat){0}, fd_dense(y, c.d));
    dev->ops.mixer_forward(dev, &more, &c.block, fd_dense(c.x, c.d), (fd_mat){0}, fd_dense(same, c.d));
    assert_memory_equal(y, same, size * sizeof *y);
    free(start), free(y), free(same);
    free_mixer(&c);
  }
}

/* ALiBi gives most keys of a long sequence next to no weight: their weights and gradients are 0, or numbers with which processors
 * calculate at full speed. */
static void far_keys_have_no_denormal_numbers(void **state) {
  (void)state;
  enum { ROWS = 500, DIM = 8, SIZE = ROWS * DIM };
  int one[] = {0, 1}, many[] = {0, ROWS};
  const fd_seqs query = {.count = 1, .micro_batches = 1, .start = one}, keys = {.count = 1, .micro_batches = 1, .start = many};
  const float slope = 0.5f;
  const fd_attention a = {.heads = 1, .dim = DIM, .scale = 0.3f, .slopes = &slope};
  for (int i = 0; i < device_count; i++) {
    fd_device *dev = devices[i].dev;
    float *q = random_floats(DIM, 1), *k = random_floats(SIZE, 1), *v = random_floats(SIZE, 1), *dy = random_floats(DIM, 1e-3f),
          lse, *y = poison(DIM), *dq = poison(DIM), *dk = poison(SIZE), *dv = poison(SIZE);
    fd_mat m[] = {fd_dense(q, DIM), fd_dense(k, DIM), fd_dense(v, DIM), fd_dense(y, DIM)};
    dev->ops.attention_forward(dev, &query, &keys, &a, m[0], m[1], m[2], m[3], &lse);
    dev->ops.attention_backward(dev, &query, &keys, &a, m[0], m[1], m[2], m[3], &lse, fd_dense(dy, DIM), fd_dense(dq, DIM),
                                fd_dense(dk, DIM), fd_dense(dv, DIM));
    for (int n = 0; n < SIZE; n++) {
      assert_true(fpclassify(dk[n]) != FP_SUBNORMAL && fpclassify(dv[n]) != FP_SUBNORMAL);
      if (n >= 200 * DIM) assert_true(dk[n] == 0 && dv[n] == 0);
      else if (n < 50 * DIM) assert_true(dv[n] != 0);
    }
    for (int n = 0; n < DIM; n++) assert_true(isnormal(y[n]) && isnormal(dq[n]));
    void *all[] = {q, k, v, dy, y, dq, dk, dv};
    for (size_t n = 0; n < sizeof all / sizeof *all; n++) free(all[n]);
  }
}

/* A gated delta rule that forgets quickly ends in zeros, not in denormal numbers: only the first row has a value, and each later
 * row keeps 1/20 of it. */
static void forgotten_rows_are_zeros(void **state) {
  (void)state;
  enum { ROWS = 100, KEYS_OF = 6, VALUES_OF = 5, IN = 2 * KEYS_OF + VALUES_OF };
  int start[] = {0, ROWS};
  const fd_seqs seqs = {.count = 1, .micro_batches = 1, .start = start};
  const float none = 0;
  const fd_delta delta = {1, KEYS_OF, VALUES_OF, 0, 1e-6f, &none, &none};
  for (int i = 0; i < device_count; i++) {
    fd_device *dev = devices[i].dev;
    float *x = random_floats(ROWS * IN, 1), gates[ROWS][2], y[ROWS][VALUES_OF];
    for (int r = 0; r < ROWS; r++) {
      gates[r][0] = logf(19), gates[r][1] = 0; /* softplus: ln 20 */
      for (int c = 2 * KEYS_OF; r && c < IN; c++) x[r * IN + c] = 0;
    }
    dev->ops.delta_forward(dev, &seqs, &delta, fd_dense(x, IN), fd_dense(gates[0], 2), fd_dense(y[0], VALUES_OF), NULL);
    for (int r = 0; r < ROWS; r++)
      for (int c = 0; c < VALUES_OF; c++) {
        assert_true(fabsf(y[r][c]) <= 1.001f * powf(0.05f, (float)r) && (r <= 2 * 13 || y[r][c] == 0)); /* 0.05^14 < 2^-60 */
        if (r < 10) assert_true(y[r][c] != 0);
      }
    free(x);
  }
}

/* A row's result depends neither on its place (rolled input yields rolled output, bit for bit) nor on other sequences in the
 * pack. */
static void circular_equivariance_and_batch_independence(void **state) {
  (void)state;
  for (int n = 0; n < 40; n++) {
    fd_device *dev = devices[n % device_count].dev;
    mixer_case c = random_mixer(60, 60, 90);
    size_t d = (size_t)c.d, bytes = d * sizeof(float);
    int last = c.seqs.count - 1, start = c.seqs.start[last], T = c.seqs.start[last + 1] - start, k = between(0, T - 1),
        alone_start[2] = {0, T};
    fd_seqs alone = {.count = 1, .cls = c.seqs.cls, .start = alone_start};
    float *y = poison((size_t)c.rows * d), *rolled = malloc((size_t)T * bytes), *y_rolled = poison((size_t)T * d);
    for (int t = 0; t < T; t++) memcpy(rolled + (size_t)t * d, c.x + (size_t)(start + (t + k) % T) * d, bytes);
    dev->ops.mixer_forward(dev, &c.seqs, &c.block, fd_dense(c.x, c.d), (fd_mat){0}, fd_dense(y, c.d));
    dev->ops.mixer_forward(dev, &alone, &c.block, fd_dense(rolled, c.d), (fd_mat){0}, fd_dense(y_rolled, c.d));
    for (int t = 0; t < T; t++) assert_memory_equal(y_rolled + (size_t)t * d, y + (size_t)(start + (t + k) % T) * d, bytes);
    free(y), free(rolled), free(y_rolled);
    free_mixer(&c);
  }
}

static void noise_is_normal_and_keyed(void **state) {
  (void)state;
  fd_device *dev = devices[0].dev;
  enum { T = 203, N = 40 };
  static uint8_t tokens[T * N];
  static float x[T * N * FD_SYMBOLS + 1], y[T * N * FD_SYMBOLS + 1];
  int start[N + 1];
  uint64_t draws[N];
  for (int i = 0; i <= N; i++) start[i] = i * T;
  for (int i = 0; i < N; i++) draws[i] = (uint64_t)i / 2; /* pairs share a draw, hence their noise */
  for (int i = 0; i < T * N; i++) tokens[i] = i % T >= T - 3 ? FD_CLS : (uint8_t)(i % 6);
  fd_seqs seqs = {.count = N, .cls = 3, .start = start, .draws = draws};
  fd_rng_key key = fd_rng_key_of(drawn_seed(3), FD_RNG_NOISE);
  double sum = 0, squares = 0, count = 0;
  dev->ops.expand(dev, &seqs, tokens, 0.2f, key, 1, x);
  dev->ops.expand(dev, &seqs, tokens, 0.2f, key, 0, y);
  for (int i = 0; i < T * N; i++)
    for (int c = 0; c < FD_SYMBOLS; c++) {
      double e = (double)x[i * FD_SYMBOLS + c] - (tokens[i] == c);
      if (tokens[i] == FD_CLS) assert_true(x[i * FD_SYMBOLS + c] == 0);
      else sum += e, squares += e * e, count++;
    }
  assert_near(sum / count, 0, 0.005);
  assert_near(sqrt(squares / count), 0.2, 0.005);
  /* window 1 is window 0 shifted by T mod 6 symbols: same draw, same noise */
  for (int i = 0; i < 50; i++)
    assert_near((double)x[i * 5] - (tokens[i] == 0), (double)x[(T + i) * 5] - (tokens[T + i] == 0), 1e-6);
  assert_true(memcmp(x, y, sizeof x) != 0);
}

/* Entries are dropped at the rate, the mean is preserved, and the mask depends only on draw, layer, position and channel. */
static void dropout_is_fair_and_keyed(void **state) {
  (void)state;
  enum { ROWS = 400, CHANNELS = 45, SIZE = ROWS * CHANNELS };
  const float rate = 0.3f;
  fd_rng_key key = fd_rng_key_of(drawn_seed(3), FD_RNG_DROPOUT);
  int start[] = {0, 150, 300, ROWS}, swapped[] = {0, 150, 250, ROWS};
  uint64_t draws[] = {5, 5, 6}, other[] = {5, 6, 5};
  fd_seqs seqs = {.count = 3, .cls = 2, .start = start, .draws = draws},
          turned = {.count = 3, .cls = 2, .start = swapped, .draws = other};
  for (int d = 0; d < device_count; d++) {
    fd_device *dev = devices[d].dev;
    float *x = random_floats(SIZE, 1), *y = random_floats(SIZE, 1), *old = malloc(SIZE * sizeof *old), *masked = poison(SIZE),
          *rest = poison(SIZE), *dy = random_floats(SIZE, 1), *again = poison(SIZE), *rest_again = poison(SIZE);
    double zeros = 0;
    memcpy(old, y, SIZE * sizeof *old);
    dev->ops.dropout_forward(dev, &seqs, CHANNELS, rate, key, 7, fd_dense(x, CHANNELS), fd_dense(y, CHANNELS));
    dev->ops.dropout_backward(dev, &seqs, CHANNELS, rate, key, 7, fd_dense(dy, CHANNELS), fd_dense(masked, CHANNELS),
                              fd_dense(rest, CHANNELS));
    for (int i = 0; i < SIZE; i++) {
      double factor = masked[i] == 0 ? 0 : 1 / (1 - (double)rate);
      zeros += masked[i] == 0;
      assert_near((double)masked[i], factor * (double)dy[i], 1e-6);
      assert_near((double)rest[i], (double)dy[i] * (1 - factor), 1e-6);
      assert_near((double)y[i], (double)x[i] + factor * ((double)old[i] - (double)x[i]), 1e-5);
    }
    assert_near(zeros / SIZE, (double)rate, 0.02);
    for (int i = 0; i < 150 * CHANNELS; i++) assert_true((masked[i] == 0) == (masked[150 * CHANNELS + i] == 0)); /* same draw */
    dev->ops.dropout_backward(dev, &turned, CHANNELS, rate, key, 7, fd_dense(dy, CHANNELS), fd_dense(again, CHANNELS),
                              fd_dense(rest_again, CHANNELS));
    for (int i = 0; i < 100 * CHANNELS; i++) assert_true((again[150 * CHANNELS + i] == 0) == (masked[300 * CHANNELS + i] == 0));
    dev->ops.dropout_backward(dev, &seqs, CHANNELS, rate, key, 8, fd_dense(dy, CHANNELS), fd_dense(again, CHANNELS),
                              fd_dense(rest_again, CHANNELS));
    double same = 0;
    for (int i = 0; i < SIZE; i++) same += (again[i] == 0) == (masked[i] == 0);
    assert_near(same / SIZE, 0.58, 0.03); /* another layer: 0.3^2 + 0.7^2 agree by chance */
    void *all[] = {x, y, old, masked, rest, dy, again, rest_again};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
  }
}

#define case_linear_forward linear_equals_plain_and_finite_differences
#define case_linear_backward linear_equals_plain_and_finite_differences
#define case_linear_act_forward activated_linear_equals_plain
#define case_mixer_forward mixer_equals_plain_for_random_shapes
#define case_mixer_backward mixer_equals_plain_for_random_shapes
#define case_expand noise_is_normal_and_keyed
#define case_mnm_loss losses_equal_plain_and_finite_differences
#define case_cl_loss losses_equal_plain_and_finite_differences
#define case_cls_sum losses_equal_plain_and_finite_differences
#define case_cls_add learned_tokens_equal_plain
#define case_cls_add_backward learned_tokens_equal_plain
#define case_add_sums flat_operations_equal_plain
#define case_sum_squares flat_operations_equal_plain
#define case_adamw flat_operations_equal_plain
#define case_pool_mean head_operations_equal_plain
#define case_pool_mean_backward head_operations_equal_plain
#define case_gelu_forward head_operations_equal_plain
#define case_gelu_backward head_operations_equal_plain
#define case_class_loss task_losses_equal_plain_and_finite_differences
#define case_value_loss task_losses_equal_plain_and_finite_differences
#define case_dropout_forward dropout_is_fair_and_keyed
#define case_dropout_backward dropout_is_fair_and_keyed
#include "cases.h"

int main(void) {
  const struct CMUnitTest more[] = {
      cmocka_unit_test(mixer_equals_plain_for_every_remainder),
      cmocka_unit_test(plain_backward_equals_finite_differences),
      cmocka_unit_test(gelu_is_exact_to_fp32),
      cmocka_unit_test(bits_do_not_depend_on_threads),
      cmocka_unit_test(bits_of_rows_do_not_depend_on_threads),
      cmocka_unit_test(no_rows_have_no_gradients),
      cmocka_unit_test(an_empty_sequence_is_skipped),
      cmocka_unit_test(far_keys_have_no_denormal_numbers),
      cmocka_unit_test(forgotten_rows_are_zeros),
      cmocka_unit_test(attention_does_not_depend_on_place),
      cmocka_unit_test(delta_rule_does_not_depend_on_place),
      cmocka_unit_test(circular_equivariance_and_batch_independence),
  };
  return run_cases(more, sizeof more / sizeof *more, open_devices, close_devices);
}
