/* Test cases of a ChordMixer block, for every CPU device: against its plain version, whose backward pass is compared with central
 * differences of its forward pass. */
#ifndef FD_TESTS_CASES_MIXER_H
#define FD_TESTS_CASES_MIXER_H

#include "cpu_devices.h"

/* A random block with its gradients, and everything in double. */
typedef struct mixer_case {
  fd_seqs seqs;
  int d, h, rows;
  float *x, *w1, *b1, *w2, *b2, *dy;
  double *xd, *w1d, *b1d, *w2d, *b2d, *dyd;
  fd_mixer block;
  plain_block plain;
} mixer_case;

static mixer_case make_mixer(fd_seqs seqs, int d, int h, int track) {
  mixer_case c = {.seqs = seqs, .d = d, .h = h, .rows = fd_seqs_rows(&seqs)};
  size_t dn = (size_t)c.d, hn = (size_t)c.h, rows = (size_t)c.rows;
  c.x = random_floats(rows * dn, 2), c.dy = random_floats(rows * dn, 1);
  c.w1 = random_floats(hn * dn, 1), c.b1 = random_floats(hn, 1), c.w2 = random_floats(dn * hn, 1), c.b2 = random_floats(dn, 1);
  c.xd = widen(c.x, rows * dn), c.dyd = widen(c.dy, rows * dn);
  c.w1d = widen(c.w1, hn * dn), c.b1d = widen(c.b1, hn), c.w2d = widen(c.w2, dn * hn), c.b2d = widen(c.b2, dn);
  c.block = (fd_mixer){c.d, c.h, track, c.w1, c.b1, c.w2, c.b2};
  c.plain = (plain_block){c.d, c.h, track, c.w1d, c.b1d, c.w2d, c.b2d, plain_same};
  return c;
}

static mixer_case random_mixer(int d_max, int h_max, int longest) {
  int d = between(1, d_max);
  return make_mixer(random_seqs(between(1, 3), longest), d, between(1, h_max), between((d + 11) / 12, d));
}

static void free_mixer(mixer_case *c) {
  void *all[] = {(void *)c->seqs.start, c->x, c->w1, c->b1, c->w2, c->b2, c->dy, c->xd, c->w1d, c->b1d, c->w2d, c->b2d, c->dyd};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* Compares the forward and backward pass of a block on every device with the plain version; without z the bits are the same. */
static void compare_mixer(mixer_case *c) {
  size_t size = (size_t)(c->rows * c->d), w = (size_t)(c->d * c->h), z_size = (size_t)(c->rows * c->h), d = (size_t)c->d,
         h = (size_t)c->h;
  double *expected = malloc(size * sizeof *expected);
  for (int i = 0; i < device_count; i++) {
    fd_device *dev = devices[i].dev;
    double bound = devices[i].bound;
    plain_gradients plain;
    float *y = poison(size), *z = poison(z_size), *dx = poison(size), *again = poison(size), *dx_again = poison(size);
    fd_mixer_grads g = {poison(w), poison(h), poison(w), poison(d)}, g_again = {poison(w), poison(h), poison(w), poison(d)};
    c->plain.operand = devices[i].operand;
    plain_mixer(&c->seqs, &c->plain, c->xd, expected);
    plain_mixer_backward(&c->seqs, &c->plain, c->xd, c->dyd, &plain);
    dev->ops.mixer_forward(dev, &c->seqs, &c->block, fd_dense(c->x, c->d), fd_dense(z, c->h), fd_dense(y, c->d));
    dev->ops.mixer_backward(dev, &c->seqs, &c->block, fd_dense(c->x, c->d), fd_dense(z, c->h), fd_dense(c->dy, c->d),
                            fd_dense(dx, c->d), &g);
    compare("y", y, expected, size, 2e-6 + bound);
    compare("dx", dx, plain.x, size, 4e-6 + bound);
    compare_sums("dw1", g.w1, plain.w1, w, c->rows, 4e-6 + bound);
    compare_sums("db1", g.b1, plain.b1, h, c->rows, 4e-6 + bound);
    compare_sums("dw2", g.w2, plain.w2, w, c->rows, 4e-6 + bound);
    compare_sums("db2", g.b2, plain.b2, d, c->rows, 4e-6 + bound);
    assert_true(isnan(z[z_size]) && isfinite(z[z_size - 1]));
    dev->ops.mixer_forward(dev, &c->seqs, &c->block, fd_dense(c->x, c->d), (fd_mat){0}, fd_dense(again, c->d));
    dev->ops.mixer_backward(dev, &c->seqs, &c->block, fd_dense(c->x, c->d), (fd_mat){0}, fd_dense(c->dy, c->d),
                            fd_dense(dx_again, c->d), &g_again);
    assert_memory_equal(y, again, size * sizeof *y);
    assert_memory_equal(dx, dx_again, size * sizeof *dx);
    assert_memory_equal(g.w1, g_again.w1, w * sizeof *dx);
    assert_memory_equal(g.b1, g_again.b1, h * sizeof *dx);
    assert_memory_equal(g.w2, g_again.w2, w * sizeof *dx);
    float *all[] = {y, z, dx, again, dx_again, g.w1, g.b1, g.w2, g.b2, g_again.w1, g_again.b1, g_again.w2, g_again.b2};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
    plain_free_gradients(&plain);
  }
  free(expected);
}

/* Covers every remainder of channels and hidden units modulo the panels (6 to 32), and of rows modulo the tiles (8 to 64). */
static void mixer_equals_plain_for_every_remainder(void **state) {
  (void)state;
  for (int n = 0; n < 85; n++) {
    int *start = calloc(2, sizeof *start), d = 1 + n % 33 + (n % 4 ? 0 : 32), h = 1 + n * 5 % 33 + (n % 3 ? 0 : 32);
    start[1] = n + 1;
    mixer_case c =
        make_mixer((fd_seqs){.count = 1, .cls = 1, .micro_batches = 1, .start = start}, d, h, between((d + 11) / 12, d));
    compare_mixer(&c);
    free_mixer(&c);
  }
}

static void mixer_equals_plain_for_random_shapes(void **state) {
  (void)state;
  for (int n = 0; n < 150; n++) {
    mixer_case c = random_mixer(n % 10 ? 40 : 130, n % 10 ? 50 : 150, n % 10 ? 30 : 200);
    compare_mixer(&c);
    free_mixer(&c);
  }
  mixer_case deep = random_mixer(3, 1100, 20); /* longer than one block of k */
  compare_mixer(&deep);
  free_mixer(&deep);
}

/* The derivative of a block's loss, sum(dy * y), by values[i], by central differences of the plain version. */
static double slope(mixer_case *c, double *values, int i) {
  double loss[2], step = 1e-5, kept = values[i];
  size_t size = (size_t)(c->rows * c->d);
  double *y = malloc(size * sizeof *y);
  for (int side = 0; side < 2; side++) {
    values[i] = kept + (side ? step : -step);
    plain_mixer(&c->seqs, &c->plain, c->xd, y);
    loss[side] = 0;
    for (size_t j = 0; j < size; j++) loss[side] += y[j] * c->dyd[j];
  }
  values[i] = kept;
  free(y);
  return (loss[1] - loss[0]) / (2 * step);
}

/* Checks the plain backward pass against central differences of the plain forward pass. */
static void plain_backward_equals_finite_differences(void **state) {
  (void)state;
  for (int n = 0; n < 60; n++) {
    mixer_case c = random_mixer(n % 4 ? 20 : 70, n % 4 ? 24 : 70, n % 6 ? 12 : 120);
    plain_gradients g;
    plain_mixer_backward(&c.seqs, &c.plain, c.xd, c.dyd, &g);
    const struct {
      const char *name;
      double *values, *gradient;
      int n;
    } part[5] = {{"x", c.xd, g.x, c.rows * c.d},
                 {"w1", c.w1d, g.w1, c.d * c.h},
                 {"b1", c.b1d, g.b1, c.h},
                 {"w2", c.w2d, g.w2, c.d * c.h},
                 {"b2", c.b2d, g.b2, c.d}};
    for (int k = 0; k < 60; k++) {
      int i = between(0, part[k / 12].n - 1);
      double got = part[k / 12].gradient[i], expected = slope(&c, part[k / 12].values, i);
      if (!(fabs(got - expected) <= 1e-6 * (1 + fabs(expected))))
        fail_msg("d%s[%d] = %.9g, finite difference %.9g", part[k / 12].name, i, got, expected);
    }
    plain_free_gradients(&g);
    free_mixer(&c);
  }
}

#endif
