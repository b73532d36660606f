/* Linear layers with every set of CPU instructions: each element is the chain of sums that the kernels guarantee, for any number
 * of threads and any other rows in the call. */
#include "check.h"
#include "device/device.h"
#include "values.h"

/* FORWARD: operands are rounded to bf16, in narrow layers in the forward pass only; BOTH: in both passes of all layers. */
enum { GENERIC, AVX2, AVX512, NEON, FORWARD, BOTH, SETS, THREADS = 2 };

/* NULL: not supported by this CPU or build. */
static fd_device *devices[SETS][THREADS];

/* c[m, n] = a b, each element by one chain over k, with fused multiply-add or without. a_step: strides of a's rows and of k;
 * b_step: strides of k and of b's columns. */
static float *chains(int fused, int m, int n, int k, const float *a, const int a_step[2], const float *b, const int b_step[2]) {
  float *c = calloc((size_t)(m * n), sizeof *c);
  for (int i = 0; i < m; i++)
    for (int p = 0; p < k; p++) {
      float x = a[i * a_step[0] + p * a_step[1]], *sum = c + (size_t)i * (size_t)n;
      const float *y = b + p * b_step[0];
      for (int j = 0; j < n; j++) sum[j] = fused ? fmaf(x, y[j * b_step[1]], sum[j]) : sum[j] + x * y[j * b_step[1]];
    }
  return c;
}

/* Inputs and expected results: [0] of kernels without fused multiply-add, [1] of the others. */
typedef struct linear_case {
  int rows, in, out;
  float *x, *w, *b, *dy, *y[2], *dx[2], *dw[2], *db;
} linear_case;

/* In the backward pass products are fused only if both widths are above 640 (src/cpu/linear.c), so that runs of older versions
 * resume with the same bits. */
static linear_case make_case(int rows, int in, int out) {
  linear_case c = {.rows = rows, .in = in, .out = out};
  c.x = random_floats((size_t)(rows * in), 1), c.w = random_floats((size_t)(in * out), 1), c.b = random_floats((size_t)out, 1);
  c.dy = random_floats((size_t)(rows * out), 1);
  for (int fused = 0; fused < 2; fused++) {
    int back = fused && in > 640 && out > 640;
    c.y[fused] = chains(fused, rows, out, in, c.x, (int[]){in, 1}, c.w, (int[]){1, in});
    for (int i = 0; i < rows * out; i++) c.y[fused][i] += c.b[i % out];
    c.dx[fused] = chains(back, rows, in, out, c.dy, (int[]){out, 1}, c.w, (int[]){in, 1});
    c.dw[fused] = chains(back, out, in, rows, c.dy, (int[]){1, out}, c.x, (int[]){in, 1});
  }
  const float one = 1;
  c.db = chains(0, 1, out, rows, &one, (int[]){0, 0}, c.dy, (int[]){out, 1});
  return c;
}

static void free_case(linear_case *c) {
  void *all[] = {c->x, c->w, c->b, c->dy, c->y[0], c->y[1], c->dx[0], c->dx[1], c->dw[0], c->dw[1], c->db};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void same_bits(const char *what, float *got, const float *expected, size_t n) {
  if (!isnan(got[n])) fail_msg("%s: written beyond its end", what);
  for (size_t i = 0; i < n; i++)
    if (memcmp(got + i, expected + i, sizeof *got))
      fail_msg("%s[%zu] = %.9g, expected %.9g", what, i, (double)got[i], (double)expected[i]);
  free(got);
}

/* Checks the whole layer in one call, then y and dx with the rows in two calls. */
static void check_layer(fd_device *dev, const linear_case *c, const float *y_expected, const float *dx_expected,
                        const float *dw_expected) {
  int in = c->in, out = c->out;
  size_t xs = (size_t)(c->rows * in), ys = (size_t)(c->rows * out), ws = (size_t)(in * out);
  float *y = poison(ys), *dx = poison(xs), *dw = poison(ws), *db = poison((size_t)out);
  dev->ops.linear_forward(dev, c->rows, in, out, fd_dense(c->x, in), c->w, c->b, fd_dense(y, out));
  dev->ops.linear_backward(dev, c->rows, 1, in, out, fd_dense(c->x, in), c->w, fd_dense(c->dy, out), fd_dense(dx, in), dw, db);
  same_bits("y", y, y_expected, ys);
  same_bits("dx", dx, dx_expected, xs);
  same_bits("dw", dw, dw_expected, ws);
  same_bits("db", db, c->db, (size_t)out);
  y = poison(ys), dx = poison(xs), dw = poison(ws), db = poison((size_t)out);
  for (int first = 0, half = c->rows / 2, part = 0; part < 2; part++, first = half) {
    int rows = part ? c->rows - half : half;
    fd_mat x = fd_dense(c->x + first * in, in), dy = fd_dense(c->dy + first * out, out);
    dev->ops.linear_forward(dev, rows, in, out, x, c->w, c->b, fd_dense(y + first * out, out));
    dev->ops.linear_backward(dev, rows, 1, in, out, x, c->w, dy, fd_dense(dx + first * in, in), dw, db);
  }
  same_bits("y in two calls", y, y_expected, ys);
  same_bits("dx in two calls", dx, dx_expected, xs);
  free(dw), free(db);
}

/* Results of one thread as the expected ones for bf16 operands, for which there is no oracle here (but in test_amx.c). */
static void take_own(fd_device *dev, const linear_case *c, float *y, float *dx, float *dw) {
  float *db = poison((size_t)c->out);
  dev->ops.linear_forward(dev, c->rows, c->in, c->out, fd_dense(c->x, c->in), c->w, c->b, fd_dense(y, c->out));
  dev->ops.linear_backward(dev, c->rows, 1, c->in, c->out, fd_dense(c->x, c->in), c->w, fd_dense(c->dy, c->out),
                           fd_dense(dx, c->in), dw, db);
  free(db);
}

static void check_devices(int rows, int in, int out) {
  linear_case c = make_case(rows, in, out);
  float *y = poison((size_t)(rows * out)), *dx = poison((size_t)(rows * in)), *dw = poison((size_t)(in * out));
  for (int s = 0; s < SETS; s++)
    for (int t = 0; t < THREADS && devices[s][t]; t++) {
      fd_device *dev = devices[s][t];
      int fused = s != GENERIC, rounds_back = s == BOTH || (s == FORWARD && in > 640 && out > 640);
      if (s >= FORWARD && t == 0) take_own(dev, &c, y, dx, dw);
      check_layer(dev, &c, s >= FORWARD ? y : c.y[fused], rounds_back ? dx : c.dx[fused], rounds_back ? dw : c.dw[fused]);
    }
  free(y), free(dx), free(dw);
  free_case(&c);
}

/* Covers every remainder of register tiles, panels, the threads' tiles and depths of k. */
static void narrow_layers_are_chains(void **state) {
  (void)state;
  static const int edges[] = {1,  2,  5,  6,  7,  8,   9,   13,  14,  15,  16,  17,  28,
                              31, 32, 33, 63, 65, 167, 168, 169, 255, 256, 257, 511, 513};
  for (int n = 0; n < 150;) {
    int size[3];
    for (int i = 0; i < 3; i++) size[i] = edges[between(0, (int)(sizeof edges / sizeof *edges) - 1)];
    if (size[0] * size[1] * size[2] > 1 << 20) continue;
    check_devices(size[0], size[1], size[2]);
    n++;
  }
  check_devices(3, 1025, 640);
  check_devices(3, 640, 1025);
}

/* 6,401 inputs: more than a thread keeps packed, though it computes several tiles of the same rows. */
static void wide_layers_are_chains(void **state) {
  (void)state;
  static const int sizes[][3] = {{1, 641, 1025}, {15, 769, 641},  {29, 673, 767}, {2, 641, 4097},
                                 {3, 4096, 641}, {257, 641, 641}, {2, 6401, 641}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) check_devices(sizes[i][0], sizes[i][1], sizes[i][2]);
}

/* A linear layer with a fused activation has the bits of layer and activation, whether the pre-activations are kept or not. */
static void check_activation(fd_device *dev, int n, int rows, int in, int width) {
  int gated = n % 2, biased = n / 2 % 2, across = gated ? 2 * width : width;
  fd_act act = (fd_act)(n / 4 % 4);
  size_t hs = (size_t)(rows * across), ys = (size_t)(rows * width);
  float *x = random_floats((size_t)(rows * in), 1), *w = random_floats((size_t)(in * across), 1),
        *b = random_floats((size_t)across, 1), *h = poison(hs), *y = poison(ys), *h_got = poison(hs), *y_got = poison(ys),
        *alone = poison(ys);
  dev->ops.linear_forward(dev, rows, in, across, fd_dense(x, in), w, biased ? b : NULL, fd_dense(h, across));
  dev->ops.act_forward(dev, rows, width, act, gated, fd_dense(h, across), fd_dense(y, width));
  dev->ops.linear_act_forward(dev, rows, in, width, fd_dense(x, in), w, biased ? b : NULL, act, gated, fd_dense(h_got, across),
                              fd_dense(y_got, width));
  dev->ops.linear_act_forward(dev, rows, in, width, fd_dense(x, in), w, biased ? b : NULL, act, gated, (fd_mat){0},
                              fd_dense(alone, width));
  same_bits("h", h_got, h, hs);
  same_bits("act(h)", y_got, y, ys);
  same_bits("act(h) without h", alone, y, ys);
  free(x), free(w), free(b), free(h), free(y);
}

static void fused_activations_have_the_same_bits(void **state) {
  (void)state;
  static const int edges[] = {1, 3, 15, 16, 17, 47, 168, 170, 255, 257, 300};
  enum { EDGES = sizeof edges / sizeof *edges };
  for (int s = 0; s < SETS; s++)
    for (int t = 0; t < THREADS && devices[s][t]; t++)
      for (int n = 0; n < 16; n++)
        check_activation(devices[s][t], n, edges[between(0, EDGES - 1)], between(1, n % 4 ? 90 : 600),
                         edges[between(0, EDGES - 1)]);
}

/* Weights that are held are packed once, for all calls with them: for as many rows as get a cached copy and for one more, and
 * for a square matrix, which both passes read with the same sizes. New weights at the same address are packed anew. */
static void held_weights_have_the_same_bits(void **state) {
  (void)state;
  static const int sizes[][3] = {{7, 70, 70}, {512, 33, 65}, {513, 65, 33}};
  for (int s = 0; s < SETS; s++)
    for (int t = 0; t < THREADS && devices[s][t]; t++)
      for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        int rows = sizes[n][0], in = sizes[n][1], out = sizes[n][2];
        fd_device *dev = devices[s][t];
        size_t xs = (size_t)(rows * in), ys = (size_t)(rows * out), ws = (size_t)(in * out);
        float *x = random_floats(xs, 1), *dy = random_floats(ys, 1), *w = random_floats(ws, 1), *dw = poison(ws);
        for (int update = 0; update < 3; update++) {
          float *y = poison(ys), *dx = poison(xs);
          for (size_t i = 0; i < ws; i++) w[i] *= -1.5f;
          dev->ops.linear_forward(dev, rows, in, out, fd_dense(x, in), w, NULL, fd_dense(y, out));
          dev->ops.linear_backward(dev, rows, 1, in, out, fd_dense(x, in), w, fd_dense(dy, out), fd_dense(dx, in), dw, NULL);
          fd_device_hold_weights(dev);
          for (int pass = 0; pass < 2; pass++) {
            float *y_held = poison(ys), *dx_held = poison(xs);
            dev->ops.linear_forward(dev, rows, in, out, fd_dense(x, in), w, NULL, fd_dense(y_held, out));
            dev->ops.linear_backward(dev, rows, 1, in, out, fd_dense(x, in), w, fd_dense(dy, out), fd_dense(dx_held, in), dw,
                                     NULL);
            same_bits("y with held weights", y_held, y, ys);
            same_bits("dx with held weights", dx_held, dx, xs);
          }
          fd_device_release_weights(dev);
          free(y), free(dx);
        }
        free(x), free(dy), free(w), free(dw);
      }
}

/* A gradient over no rows is zero. */
static void no_rows_give_no_gradient(void **state) {
  (void)state;
  for (int s = 0; s < SETS; s++)
    for (int t = 0; t < THREADS && devices[s][t]; t++) {
      float *w = random_floats(6, 1), *dw = poison(6), *db = poison(2), zero[6] = {0};
      devices[s][t]->ops.linear_backward(devices[s][t], 0, 1, 3, 2, fd_dense(w, 3), w, fd_dense(w, 2), (fd_mat){0}, dw, db);
      same_bits("dw", dw, zero, 6);
      same_bits("db", db, zero, 2);
      free(w);
    }
}

static int open_devices(void **state) {
  (void)state;
  fd_config config;
  fd_config_defaults(&config);
  const int simd[SETS] = {FD_SIMD_GENERIC, FD_SIMD_AVX2, FD_SIMD_AVX512, FD_SIMD_NEON, FD_SIMD_AVX512, FD_SIMD_AMX_MODEL};
  for (int s = 0; s < SETS; s++)
    for (int t = 0; t < THREADS; t++) {
      config.device.simd = simd[s];
      config.device.precision = s >= FORWARD ? FD_PRECISION_BF16 : FD_PRECISION_FP32;
      config.device.threads = t + 1;
      if (fd_device_open(&devices[s][t], &config, 0, 1) != FD_OK) devices[s][t] = NULL;
    }
  return devices[0][0] == NULL;
}

static int close_devices(void **state) {
  (void)state;
  for (int s = 0; s < SETS; s++)
    for (int t = 0; t < THREADS; t++)
      if (devices[s][t]) fd_device_close(&devices[s][t]);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(narrow_layers_are_chains),
      cmocka_unit_test(wide_layers_are_chains),
      cmocka_unit_test(fused_activations_have_the_same_bits),
      cmocka_unit_test(held_weights_have_the_same_bits),
      cmocka_unit_test(no_rows_give_no_gradient),
  };
  return cmocka_run_group_tests(tests, open_devices, close_devices);
}
