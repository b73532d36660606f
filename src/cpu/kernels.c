/* Inner loops; compiled once for each instruction set (FD_ISA). */
#include "cpu/kernels.h"

#include "base/normal.h"
#include "cpu/vector.h"

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#define TEXT2(a) #a
#define TEXT(a) TEXT2(a)

#if defined(FD_AMX) || defined(FD_AMX_MODEL)
#include "cpu/gemm_amx.h"
#elif defined(__AVX512BF16__)
#include "cpu/gemm_bf16.h"
#else
#include "cpu/gemm_fp32.h"
#endif
#if !defined(TILES_END)
#define TILES_END NULL
#endif

/* Phi(x), see base/normal.h. */
INLINE vfloat normal_cdf(vfloat x) {
  static const float p[FD_NORMAL_CDF_TERMS] = FD_NORMAL_CDF;
  x = v_max(v_min(x, v_set(FD_NORMAL_CDF_END)), v_set(-FD_NORMAL_CDF_END));
  vfloat s = v_fma(x * x, v_set(2.0f / (FD_NORMAL_CDF_END * FD_NORMAL_CDF_END)), v_set(-1.0f)),
         sum = v_set(p[FD_NORMAL_CDF_TERMS - 1]);
  for (int i = FD_NORMAL_CDF_TERMS - 2; i >= 0; i--) sum = v_fma(sum, s, v_set(p[i]));
  return v_fma(x, sum, v_set(0.5f));
}

/* 2^t for t <= 0, but 2^least for t < least >= -126, and for NaN. */
INLINE vfloat exp2_above(float least, vfloat t) {
  static const float c[8] = {1.0f,
                             0.6931471805599453f,
                             0.2402265069591007f,
                             0.05550410866482158f,
                             0.00961812910762848f,
                             0.001333355814642844f,
                             0.0001540353039338161f,
                             1.525273380405984e-05f};
  const vfloat magic = v_set(12582912.0f); /* 1.5 * 2^23: adding it rounds to a whole number held in the low bits */
  t = v_max(t, v_set(least));
  vfloat shifted = t + magic, f = t - (shifted - magic), sum = v_set(c[7]);
  for (int i = 6; i >= 0; i--) sum = v_fma(sum, f, v_set(c[i]));
  return (vfloat)((vint)sum + (((vint)shifted - (vint)magic) << 23));
}

INLINE vfloat exp2_negative(vfloat t) { return exp2_above(-126, t); }

/* GELU'(x) = Phi(x) + x phi(x), given Phi(x). phi is no denormal number, with which processors calculate many times slower. */
INLINE vfloat gelu_slope(vfloat x, vfloat cdf) {
  vfloat density = exp2_above(-100, x * x * v_set(-0.7213475204444817f)) * v_set(0.3989422804014327f);
  return v_fma(x, density, cdf);
}

#if defined(FD_AMX) || defined(FD_AMX_MODEL)
#include "cpu/hidden_amx.h"
#endif
#include "cpu/row_kernels.h"
#include "cpu/softmax.h"
#include "cpu/delta_kernels.h"

static void bias_gelu(int rows, const float *bias, float *z, float *h) {
  for (int i = 0; i < rows; i++, z += PANEL, h += PANEL) {
    vfloat b = v_set(bias[i]);
    for (int j = 0; j < PANEL; j += LANES) {
      vfloat x = v_load(z + j) + b;
      v_store(z + j, x);
      v_store(h + j, x * normal_cdf(x));
    }
  }
}

INLINE void gelu_back(vfloat x, const float *dh, float *g, float *da) {
  vfloat cdf = normal_cdf(x);
  v_store(g, x * cdf);
  v_store(da, v_load(dh) * gelu_slope(x, cdf));
}

static void gelu_backward(int rows, int n, const float *z, size_t z_ld, const float *dh, float *g, float *da) {
  for (int i = 0; i < rows; i++, z += z_ld, dh += PANEL, g += PANEL, da += PANEL)
    for (int j = 0; j < PANEL; j += LANES) {
      int part = n - j < 0 ? 0 : n - j;
      if (part >= LANES) gelu_back(v_load(z + j), dh + j, g + j, da + j);
      else gelu_back(part ? v_load_part(z + j, part) : (vfloat){0}, dh + j, g + j, da + j);
    }
}

#if !defined(FD_AMX) && !defined(FD_AMX_MODEL)
/* Rows are transposed in registers, so that the sums of LANES rows are a vector. */
static void row_sums(int m, int n, const float *from, float *sums) {
  for (int i = 0; i < m; i += LANES) {
    int rows = m - i < LANES ? m - i : LANES;
    vfloat sum = v_load_part(sums + i, rows);
    for (int j = 0; j < n; j += LANES) {
      vfloat r[LANES];
      for (int row = 0; row < LANES; row++) r[row] = row < rows ? v_load(from + (size_t)(i + row) * PANEL + j) : (vfloat){0};
      v_transpose(LANES, r);
      if (n - j >= LANES) {
        _Pragma("GCC unroll 16") for (int column = 0; column < LANES; column++) sum = sum + r[column];
      } else {
        for (int column = 0; column < n - j; column++) sum = sum + r[column];
      }
    }
    v_store_part(sums + i, sum, rows);
  }
}
#endif

static void add(size_t n, const float *a, const float *b, float *out) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] + b[i];
}

static double sum_squares(size_t n, const float *x) {
  enum { WAYS = 8 };
  double sum[WAYS] = {0}, total = 0;
  size_t i = 0;
  for (; i + WAYS <= n; i += WAYS)
    for (size_t j = 0; j < WAYS; j++) sum[j] += (double)x[i + j] * (double)x[i + j];
  for (; i < n; i++) sum[i % WAYS] += (double)x[i] * (double)x[i];
  for (int j = 0; j < WAYS; j++) total += sum[j];
  return total;
}

INLINE void adamw_vector(const fd_adamw *h, vfloat g, vfloat *w, vfloat *m, vfloat *v) {
  g = g * v_set(h->clip);
  *m = v_fma(v_set(h->beta1), *m, v_set(h->rest1) * g);
  *v = v_fma(v_set(h->beta2), *v, v_set(h->rest2) * (g * g));
  vfloat root = v_sqrt(*v / v_set(h->c2)) + v_set(h->epsilon);
  *w = *w * v_set(1.0f - h->decay) - v_set(h->lr) * (*m / v_set(h->c1) / root);
}

static void adamw(size_t n, const fd_adamw *h, const float *g, float *w, float *m, float *v) {
  for (size_t i = 0; i < n; i += LANES) {
    int part = n - i < LANES ? (int)(n - i) : LANES;
    vfloat wi = v_load_part(w + i, part), mi = v_load_part(m + i, part), vi = v_load_part(v + i, part);
    adamw_vector(h, v_load_part(g + i, part), &wi, &mi, &vi);
    v_store_part(w + i, wi, part);
    v_store_part(m + i, mi, part);
    v_store_part(v + i, vi, part);
  }
}

static void ema(size_t n, float lambda, const float *s, float *t) {
  for (size_t i = 0; i < n; i += LANES) {
    int part = n - i < LANES ? (int)(n - i) : LANES;
    v_store_part(t + i, v_fma(v_set(lambda), v_load_part(t + i, part), v_set(1.0f - lambda) * v_load_part(s + i, part)), part);
  }
}

/* Functions that a kind of kernels lacks are NULL. */
const fd_cpu_kernels PASTE(fd_cpu_kernels_, FD_ISA) = {
    .name = TEXT(FD_ISA),
    .rows = ROWS,
    .panel = PANEL,
    .narrow = NARROW,
    .narrow_rows = NARROW_ROWS,
    .depth = DEPTH,
    .unit = UNIT,
    .elements = ELEMENTS,
    .tiles_per_thread = TILES_PER_THREAD,
    .rest = TILES_END,
#if defined(FD_AMX) || defined(FD_AMX_MODEL)
    .pack_narrow = pack,
    .hidden_forward = hidden_forward,
    .hidden_backward = hidden_backward,
#else
    .pack_narrow = pack_narrow,
    .multiply_tiled = multiply_tiled,
    .round_units = ROUND_UNITS,
    .row_sums = row_sums,
#endif
    .multiply_apart = MULTIPLY_APART,
    .gemm = gemm,
    .pack = pack,
    .pack_left = pack_left,
    .multiply = multiply,
    .transpose = transpose,
    .bias_gelu = bias_gelu,
    .gelu_backward = gelu_backward,
    .add = add,
    .sum_squares = sum_squares,
    .adamw = adamw,
    .ema = ema,
    .write_rows = write_rows,
    .act_forward = act_forward,
    .act_backward = act_backward,
    .norm_forward = norm_forward,
    .norm_backward = norm_backward,
    .norm_weights = norm_weights,
    .soften = soften,
    .soften_backward = soften_backward,
    .draw = draw,
    .scale = scale,
    .blend = blend,
    .times = times,
    .dot = dot,
    .to_unit = to_unit,
    .to_unit_backward = to_unit_backward,
    .decays = decays,
    .invert = invert,
    .conv = conv,
    .conv_weights = conv_weights,
};
