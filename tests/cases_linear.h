/* Test cases of linear layers on every kind of GPU against the CPU: narrow layers, wide layers with our own kernels and with
 * cuBLASLt. */
#ifndef FD_TESTS_CASES_LINEAR_H
#define FD_TESTS_CASES_LINEAR_H

#include "gpu.h"

#include "cuda/fragment.h"

/* Where a bias begins behind an aligned address, in floats: among the parameters it may be anywhere. */
static size_t bias_offset;

/* Compares a layer on one kind of device; rows are fp32 on one side (0: in, 1: out), on both (2) or on neither (3). */
static void compare_linear(int kind, int form, int rows, int in, int out) {
  fd_device *dev = gpu[kind];
  if (!dev) return;
  size_t xs = (size_t)(rows * in), ys = (size_t)(rows * out), ws = (size_t)(in * out);
  float *x = random_values(xs, 1), *w = random_values(ws, 1), *bias = random_values(bias_offset + (size_t)out, 1),
        *b = bias + bias_offset, *dy = random_values(ys, 1);
  float *y = poison(ys), *dx = poison(xs), *dw = poison(ws), *db = poison((size_t)out);
  cpu->ops.linear_forward(cpu, rows, in, out, fd_dense(x, in), w, b, fd_dense(y, out));
  cpu->ops.linear_backward(cpu, rows, 1, in, out, fd_dense(x, in), w, fd_dense(dy, out), fd_dense(dx, in), dw, db);
  float *wg = put(dev, w, ws * 4), *biasg = put(dev, bias, (bias_offset + (size_t)out) * 4), *bg = biasg + bias_offset,
        *dwg = put(dev, NULL, ws * 4), *dbg = put(dev, NULL, (size_t)out * 4);
  fd_mat xg = form % 2 ? put_rows(dev, x, rows, in) : fd_dense(put(dev, x, xs * 4), in),
         dxg = form % 2 ? put_rows(dev, NULL, rows, in) : fd_dense(put(dev, NULL, xs * 4), in),
         yg = form % 3 == 0 ? put_rows(dev, NULL, rows, out) : fd_dense(put(dev, NULL, ys * 4), out),
         dyg = form % 3 == 0 ? put_rows(dev, dy, rows, out) : fd_dense(put(dev, dy, ys * 4), out);
  dev->ops.linear_forward(dev, rows, in, out, xg, wg, bg, yg);
  dev->ops.linear_backward(dev, rows, 1, in, out, xg, wg, dyg, dxg, dwg, dbg);
  compare_rows("y", kind, yg, rows, out, y, yg.type == FD_BF16 ? 4e-3 : 2e-6 + 1e-9 * in);
  compare_rows("dx", kind, dxg, rows, in, dx, dxg.type == FD_BF16 ? 4e-3 : 2e-6);
  compare_flat_sums("dw", kind, dwg, ws, dw, rows, 6e-6);
  compare_flat_sums("db", kind, dbg, (size_t)out, db, rows, 6e-6);
  cpu->ops.linear_forward(cpu, rows, in, out, fd_dense(x, in), w, NULL, fd_dense(y, out));
  fd_mat plain = form % 3 == 0 ? put_rows(dev, NULL, rows, out) : fd_dense(put(dev, NULL, ys * 4), out);
  float *alone = put(dev, NULL, ws * 4);
  dev->ops.linear_forward(dev, rows, in, out, xg, wg, NULL, plain);
  dev->ops.linear_backward(dev, rows, 1, in, out, xg, wg, dyg, (fd_mat){0}, alone, NULL);
  compare_rows("y without b", kind, plain, rows, out, y, plain.type == FD_BF16 ? 4e-3 : 2e-6 + 1e-9 * in);
  compare_flat_sums("dw without db", kind, alone, ws, dw, rows, 6e-6);
  dev->release(dev, wg), dev->release(dev, biasg), dev->release(dev, xg.at), dev->release(dev, dyg.at);
  void *all[] = {x, w, bias, dy, y, dx, dw, db};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void linear_equals_cpu(void **state) {
  (void)state;
  for (int n = 0; n < 60; n++) {
    int form = n / KINDS % 3;
    compare_linear(n % KINDS, form, between(1, n % 9 ? 70 : 700), form == 0 ? 5 : between(1, 90), form == 1 ? 5 : between(1, 60));
  }
  compare_linear(0, 2, 40, 4000, 10); /* rows of which few or none fit in shared memory */
  compare_linear(KIND_CHAIN, 2, 9, 13000, 3);
}

/* Layers computed in tiles: rows, inputs and outputs around the tile sizes of 64 and 128; more rows than a chunk of the weight
 * gradients. */
static void wide_linear_equals_cpu(void **state) {
  (void)state;
  const int sides[] = {64, 65, 127, 128, 129, 190, 67, 260}, rows[] = {1, 63, 64, 65, 127, 130, 200};
  for (int n = 0; n < 6 * KINDS; n++)
    compare_linear(n % KINDS, (n / KINDS + 1) % 4, rows[n % 7], sides[n % 8], sides[(n / 2 + 3) % 8]);
  compare_linear(KIND_FP32, 3, FD_CHUNK_MIN + 100, 70, 66);
  compare_linear(KIND_CHAIN, 3, FD_CHUNK_MIN + 100, 70, 66);
}

/* The same with cuBLASLt, for shapes that are multiples of 16. */
static void linear_by_library_equals_cpu(void **state) {
  (void)state;
  const int sides[] = {64, 80, 160, 208}, rows[] = {1, 63, 200};
  for (int kind = KIND_FP32; kind <= KIND_CHAIN; kind += KIND_CHAIN - KIND_FP32) {
    if (!open_library(kind)) skip();
    assert_non_null(strstr(gpu[kind]->kernels, "cuBLASLt"));
    for (int n = 0; n < 12; n++) compare_linear(kind, n % 4, rows[n % 3], sides[n / 3 % 4], sides[(n + n / 4) % 4]);
    for (bias_offset = 0; bias_offset < 4; bias_offset++) compare_linear(kind, 1, 30, 64, 112);
    bias_offset = 0;
    compare_linear(kind, 3, 30, 72, 66);
    fd_device_close(&gpu[kind]);
  }
}

/* The choice of an algorithm does not depend on the number of rows: a row has the same bits with and without others, each on a
 * fresh device. */
static void a_row_by_library_is_the_same_alone(void **state) {
  (void)state;
  enum { KIND = KIND_CHAIN, ROWS = 70, IN = 96, OUT = 80 };
  float *x = random_values(ROWS * IN, 1), *w = random_floats(IN * OUT, 1), *y[2];
  for (int few = 0; few < 2; few++) {
    if (!open_library(KIND)) skip();
    fd_device *dev = gpu[KIND];
    int rows = few ? 3 : ROWS;
    float *there = put(dev, w, IN * OUT * sizeof *w);
    float *ys = put(dev, NULL, ROWS * OUT * sizeof *ys); /* fp32 outputs: all bits are compared */
    fd_mat xs = put_rows(dev, x, rows, IN);
    dev->ops.linear_forward(dev, rows, IN, OUT, xs, there, NULL, fd_dense(ys, OUT));
    y[few] = get(dev, ys, (size_t)(rows * OUT));
    dev->release(dev, there), dev->release(dev, xs.at), dev->release(dev, ys);
    fd_device_close(&gpu[KIND]);
  }
  assert_memory_equal(y[0], y[1], 3 * OUT * sizeof(float));
  free(x), free(w), free(y[0]), free(y[1]);
}

/* A layer fused with its activation, with fp32 or bf16 rows, narrow or in tiles. */
static void compare_linear_act(int kind, int n, int rows, int in, int width) {
  fd_device *dev = gpu[kind];
  if (!dev) return;
  int gated = n % 2, across = gated ? 2 * width : width;
  fd_act act = (fd_act)(n / 2 % 4);
  size_t xs = (size_t)(rows * in), hs = (size_t)(rows * across), ys = (size_t)(rows * width), ws = (size_t)(in * across);
  float *x = random_values(xs, 1), *w = random_values(ws, 0.3f), *b = random_values((size_t)across, 1), *h = poison(hs),
        *y = poison(ys);
  cpu->ops.linear_act_forward(cpu, rows, in, width, fd_dense(x, in), w, b, act, gated, fd_dense(h, across), fd_dense(y, width));
  float *wg = put(dev, w, ws * 4), *bg = put(dev, b, (size_t)across * 4);
  fd_mat xg = put_rows(dev, x, rows, in), hg = put_rows(dev, NULL, rows, across), yg = put_rows(dev, NULL, rows, width);
  dev->ops.linear_act_forward(dev, rows, in, width, xg, wg, bg, act, gated, hg, yg);
  compare_rows("h", kind, hg, rows, across, h, hg.type == FD_BF16 ? 4e-3 : 2e-6 + 1e-9 * in);
  compare_rows("y", kind, yg, rows, width, y, yg.type == FD_BF16 ? 1e-2 : 6e-6);
  dev->release(dev, wg), dev->release(dev, bg), dev->release(dev, xg.at);
  void *all[] = {x, w, b, h, y};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void activated_linear_equals_cpu(void **state) {
  (void)state;
  for (int n = 0; n < 8 * KINDS; n++)
    compare_linear_act(n % KINDS, n / KINDS, between(1, 130), n % 3 ? between(1, 60) : 70, n % 3 ? between(1, 40) : 66);
}

#define case_linear_forward linear_equals_cpu
#define case_linear_act_forward activated_linear_equals_cpu
#define case_linear_backward linear_equals_cpu

#endif
