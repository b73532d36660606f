/* AMX products: the model in C against a second implementation of tdpbf16ps, on packed panels and on unpacked matrices; the
 * model's other kernels against AVX-512; and the hardware, if present, against the model. */
#include "check.h"
#include "cpu/amx.h"
#include "cpu/backend.h"
#include "values.h"

#ifdef FD_WITH_amx_model
static const fd_cpu_kernels *const model = &fd_cpu_kernels_amx_model;

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static uint32_t random_bits(void) { return (uint32_t)between(0, 0xffff) << 16 | (uint32_t)between(0, 0xffff); }

/* Ordinary values, wide exponents, products around 2^-126, subnormals among ones, infinities, zeros of both signs, any bits; the
 * smallest exponents whose products the model takes for exact, and some beyond the largest and the smallest. */
enum { KINDS_OF_VALUE = 10 };
static float value_of(int kind) {
  uint32_t r = random_bits();
  float ordinary = (float)between(-1000000, 1000000) * 1e-6f;
  switch (kind) {
    case 1: return float_of((r & 0x807fffff) | (uint32_t)between(87, 166) << 23);
    case 2: return float_of((r & 0x807fffff) | (uint32_t)between(58, 69) << 23);
    case 3: return between(0, 2) ? float_of(r & 0x80ffffff) : 1.0f;
    case 4: return between(0, 63) ? ordinary : float_of((r & 0x80000000) | 0x7f800000);
    case 5: return between(0, 1) ? float_of(r & 0x80000000) : ordinary;
    case 6: return float_of(r);
    case 7: return float_of((r & 0x807fffff) | (uint32_t)between(71, 73) << 23);
    case 8: return float_of((r & 0x807fffff) | (uint32_t)between(188, 191) << 23);
    case 9: return float_of((r & 0x807fffff) | (uint32_t)between(69, 71) << 23);
    default: return ordinary;
  }
}

static float *values_of(int kind, size_t n) {
  float *x = malloc((n + 1) * sizeof *x);
  for (size_t i = 0; i < n; i++) x[i] = value_of(kind);
  return x;
}

static float flushed(float x) { return bits_of(x) & 0x7f800000 ? x : float_of(bits_of(x) & 0x80000000); }

/* Rounds to the nearest bf16, ties to even, by comparing distances; a NaN stays NaN. */
static float rounded(float x) {
  if (isnan(x)) return NAN;
  x = flushed(x);
  uint32_t down = bits_of(x) & 0xffff0000, rest = bits_of(x) & 0xffff;
  if (rest > 0x8000 || (rest == 0x8000 && down & 0x10000)) down += 0x10000;
  return float_of(down);
}

/* c + the sum over k of a[i] b[i], with elements `a_step` and `b_step` floats apart. */
static float chain(int k, const float *a, int a_step, const float *b, int b_step, float c) {
  for (int first = 0; first < k; first += 32) {
    float even = 0, odd = 0;
    for (int p = first; p < first + 32; p += 2) {
      float a0 = p < k ? a[p * a_step] : 0, b0 = p < k ? b[p * b_step] : 0;
      float a1 = p + 1 < k ? a[(p + 1) * a_step] : 0, b1 = p + 1 < k ? b[(p + 1) * b_step] : 0;
      even = flushed(fmaf(rounded(a0), rounded(b0), even));
      odd = flushed(fmaf(rounded(a1), rounded(b1), odd));
    }
    c = flushed(flushed(c) + flushed(even + odd));
  }
  return c;
}

static void same(const char *what, float got, float expected) {
  if (isnan(got) && isnan(expected)) return;
  if (bits_of(got) != bits_of(expected)) fail_msg("%s: %08x, expected %08x", what, bits_of(got), bits_of(expected));
}

/* A [m, k] and B [k, n] in any layout: transposed or not, with padded rows. */
typedef struct operands {
  int m, n, k, a_turned, b_turned, a_ld, b_ld;
  float *a, *b, *c;
} operands;

static operands random_operands(int m, int n, int k, int kind) {
  operands o = {.m = m, .n = n, .k = k, .a_turned = between(0, 1), .b_turned = between(0, 1)};
  o.a_ld = (o.a_turned ? m : k) + between(0, 3), o.b_ld = (o.b_turned ? k : n) + between(0, 3);
  o.a = values_of(kind, (size_t)(o.a_ld * (o.a_turned ? k : m)));
  o.b = values_of(kind, (size_t)(o.b_ld * (o.b_turned ? n : k)));
  o.c = values_of(kind == 6 ? 0 : kind, (size_t)(m * n));
  return o;
}

static float expected_of(const operands *o, int i, int j, int add) {
  return chain(o->k, o->a_turned ? o->a + i : o->a + i * o->a_ld, o->a_turned ? o->a_ld : 1,
               o->b_turned ? o->b + j * o->b_ld : o->b + j, o->b_turned ? 1 : o->b_ld, add ? o->c[i * o->n + j] : 0);
}

static float *packed_right(const operands *o) {
  int panels = (o->n + model->panel - 1) / model->panel;
  size_t each = fd_cpu_right(model, o->k);
  float *b = poison((size_t)panels * each);
  for (int p = 0; p < panels; p++) {
    int first = p * model->panel, columns = o->n - first < model->panel ? o->n - first : model->panel;
    model->pack(o->k, columns, o->b_turned ? o->b + first * o->b_ld : o->b + first, (size_t)o->b_ld, o->b_turned,
                b + (size_t)p * each);
  }
  assert_true(isnan(b[(size_t)panels * each]));
  return b;
}

static void free_operands(operands *o) { free(o->a), free(o->b), free(o->c); }

/* c with rows of ldc floats, whose other columns and rows must not change. */
static float *start_of(const operands *o, int ldc) {
  float *c = poison((size_t)((o->m + 1) * ldc));
  for (int i = 0; i < o->m; i++) memcpy(c + i * ldc, o->c + i * o->n, (size_t)o->n * sizeof *c);
  for (int i = 0; i < o->m; i++)
    for (int j = o->n; j < ldc; j++) c[i * ldc + j] = 1;
  return c;
}

static void check_result(const char *what, const operands *o, const float *c, int ldc, int add) {
  for (int i = 0; i < o->m; i++)
    for (int j = 0; j < o->n; j++) same(what, c[i * ldc + j], expected_of(o, i, j, add));
  for (int j = 0; j < ldc; j++) assert_true(isnan(c[o->m * ldc + j]));
}

static void packed_products_are_chains(void **state) {
  (void)state;
  for (int n = 0; n < 210; n++) {
    operands o = random_operands(between(1, 32), between(1, 32), between(1, n % 10 ? 70 : 300), n % KINDS_OF_VALUE);
    int add = n / 7 % 2, ldc = 32 + between(0, 5);
    float *left = poison(fd_cpu_left(model, o.k)), *right = packed_right(&o), *c = start_of(&o, ldc);
    model->pack_left(o.m, o.k, o.a, (size_t)o.a_ld, o.a_turned, left);
    assert_true(isnan(left[fd_cpu_left(model, o.k)]));
    model->multiply(o.m, o.n, o.k, left, right, c, (size_t)ldc, add ? FD_GEMM_ADD : FD_GEMM_SET);
    check_result("packed", &o, c, ldc, add);
    free(left), free(right), free(c), free_operands(&o);
  }
}

static void strided_products_are_chains(void **state) {
  (void)state;
  for (int n = 0; n < 42; n++) {
    operands o = random_operands(between(1, 70), between(1, 70), between(1, n % 6 ? 90 : 1100), n % KINDS_OF_VALUE);
    int add = n / 7 % 2, panels = (o.n + 31) / 32, ldc = 32 * panels;
    float *right = packed_right(&o), *c = start_of(&o, ldc);
    size_t ld = (size_t)o.a_ld;
    model->gemm(o.m, o.k, o.a, o.a_turned ? 1 : ld, o.a_turned ? ld : 1, right, panels, c, (size_t)ldc,
                add ? FD_GEMM_CONTINUE : FD_GEMM_SET);
    check_result("strided", &o, c, ldc, add);
    free(right), free(c), free_operands(&o);
  }
}

#if defined(FD_WITH_avx512)
/* Everything but products is computed by vector kernels: the model's have the bits of AVX-512, so that a step has those of AMX.
 */
static void other_kernels_have_the_bits_of_avx512(void **state) {
  (void)state;
  const fd_cpu_kernels *avx512 = &fd_cpu_kernels_avx512;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl")) {
    printf("skipped - other kernels of the model: this processor has no AVX-512\n");
    return;
  }
  enum { WIDEST = 64, N = 18 * WIDEST }; /* rows of a panel of either */
  float *x = random_floats(N, 6), *dy = random_floats(N, 1), *b = random_floats(N, 1);
  const fd_adamw h = {1e-3f, 1e-5f, 1e-8f, 0.9f, 0.1f, 0.999f, 0.001f, 0.1f, 0.001f, 0.7f};
  const fd_norm norm = {N - 5, 0, 1e-5f, dy, x};
  float *out[2], part[2][2][WIDEST];
  for (int s = 0; s < 2; s++) {
    const fd_cpu_kernels *k = s ? model : avx512;
    float *z = out[s] = poison(12 * N), *y = z + N, *g = z + 2 * N, *da = z + 3 * N, *w = z + 4 * N, *m = z + 5 * N,
          *v = z + 6 * N;
    memset(z, 0, 12 * N * sizeof *z);
    memcpy(z, x, N * sizeof *z), memcpy(w, x, N * sizeof *z), memcpy(m, dy, N * sizeof *z);
    for (int i = 0; i < N; i++) v[i] = dy[i] * dy[i];
    for (int i = 0; i < N; i += k->panel) k->bias_gelu(1, &b[i / WIDEST], z + i, y + i);
    k->gelu_backward(N / k->panel, k->panel, x, (size_t)k->panel, dy, g, da);
    k->gelu_backward(1, 29, x, (size_t)k->panel, dy, part[s][0], part[s][1]); /* an incomplete panel */
    k->adamw(N - 3, &h, dy, w, m, v);
    k->ema(N - 7, 0.99f, dy, z + 7 * N);
    k->norm_forward(&norm, x, z + 8 * N, z + 12 * N - 2);
    k->norm_backward(&norm, x, z + 12 * N - 2, dy, z + 9 * N);
    for (int act = FD_ACT_GELU; act <= FD_ACT_TANH; act++)
      k->act_forward((fd_act)act, N / 4 - 3, x, NULL, z + 10 * N + act * N / 4);
    k->transpose(35, 32, x, 32, z + 11 * N, 35);
  }
  for (int i = 0; i < 12 * N; i++) same("a kernel that is no product", out[1][i], out[0][i]);
  for (int i = 0; i < 2 * 29; i++) same("an incomplete panel", part[1][i / 29][i % 29], part[0][i / 29][i % 29]);
  free(x), free(dy), free(b), free(out[0]), free(out[1]);
}
#endif

/* Panels packed and multiplied by both, with every kind of value. */
static void hardware_equals_the_model(void **state) {
  (void)state;
#ifdef FD_WITH_amx
  if (!fd_cpu_amx_refused()) {
    for (int n = 0; n < 700; n++) {
      operands o = random_operands(between(1, 32), between(1, 32), between(1, 200), n % KINDS_OF_VALUE);
      const fd_cpu_kernels *k[2] = {model, &fd_cpu_kernels_amx};
      float *c[2];
      for (int s = 0; s < 2; s++) {
        float *left = poison(fd_cpu_left(model, o.k)), *right = poison(fd_cpu_right(model, o.k));
        k[s]->pack_left(o.m, o.k, o.a, (size_t)o.a_ld, o.a_turned, left);
        k[s]->pack(o.k, o.n, o.b, (size_t)o.b_ld, o.b_turned, right);
        c[s] = start_of(&o, 32);
        k[s]->multiply(o.m, o.n, o.k, left, right, c[s], 32, n % 2 ? FD_GEMM_ADD : FD_GEMM_SET);
        free(left), free(right);
      }
      for (int i = 0; i < o.m * 32; i++) same("hardware", c[1][i], c[0][i]);
      free(c[0]), free(c[1]), free_operands(&o);
    }
    fd_cpu_kernels_amx.rest();
    return;
  }
#endif
  printf("skipped - AMX of this machine against the model: %s\n", fd_cpu_amx_refused());
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(packed_products_are_chains),
    cmocka_unit_test(strided_products_are_chains),
#if defined(FD_WITH_avx512)
    cmocka_unit_test(other_kernels_have_the_bits_of_avx512),
#endif
    cmocka_unit_test(hardware_equals_the_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) {
  printf("skipped - AMX: this build has no AMX model\n");
  return 0;
}
#endif
