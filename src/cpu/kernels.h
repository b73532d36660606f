/* The inner loops of the CPU back end, compiled once for each instruction set. A result does not depend on where in a tile or
 * vector its element lies: every output is one chain of fused multiply-adds in a fixed order. */
#ifndef FD_CPU_KERNELS_H
#define FD_CPU_KERNELS_H

#include <stddef.h>

#include "device/tensors.h"

enum { FD_PANEL_MAX = 32, FD_ROWS_MAX = 32 };

/* Scores of attention: `rows` queries and n keys (a multiple of every vector's length), `ld` floats a row. */
typedef struct fd_cpu_scores {
  int rows, n;
  size_t ld;
  float scale, slope;    /* times log2 e; slope 0: positions do not matter */
  const float *bias;     /* [n] 0, or FD_SCORE_HIDDEN of a key that nobody looks at */
  const float *key_at;   /* [n] positions */
  const float *query_at; /* [rows] */
} fd_cpu_scores;

#define FD_SCORE_HIDDEN (-2e30f)
#define FD_SCORE_LEAST (-1e29f) /* below: hidden */

/* What becomes of the C that a product finds. */
enum {
  FD_GEMM_SET,     /* it is overwritten */
  FD_GEMM_ADD,     /* the product is added to it */
  FD_GEMM_CONTINUE /* it is the product over an earlier k: the result is that over both. In fp32 its chains go on; with bf16
                    * operands, whose sums begin anew every `depth` of k in any case, it is ADD */
};

/* C[m, panels * panel] = A[m, k] B, or as FD_GEMM_ADD and FD_GEMM_CONTINUE say. A's element (i, p) is a[i * row_step + p *
 * k_step], one of the steps being 1; B is packed, its panels fd_cpu_right floats apart; C has rows of `ldc` floats. */
typedef void fd_cpu_gemm(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c,
                         size_t ldc, int start);

typedef struct fd_cpu_kernels {
  const char *name; /* avx512bf16, amx: products round their operands to bf16 */
  int rows;         /* rows of the register tile: tiles of a multiple of it waste nothing */
  int panel;        /* columns of a packed panel of B */
  int wide;         /* panels that a gemm should get at once where there is a choice */
  int depth;        /* the k after which a long product should end and continue: a panel of it stays in L1 */
  int unit;         /* packed panels have a multiple of it of k */
  int elements;     /* of an operand in a float of a panel: 1, or 2 of bf16 */

  void (*rest)(void); /* a thread that has no more to do calls it; or NULL */

  fd_cpu_gemm *gemm;
  fd_cpu_gemm *gemm_apart; /* of narrow layers, backward. In fp32 every product is rounded before it is added: the same bits by
                            * every kernel. NULL: linear layers go backward in fp32, as those of avx512bf16 always did */

  /* Packs columns [0, columns) of a row-major matrix [k, ld] (or, transposed, of rows of [columns, ld]) into a panel in the form
   * that gemm reads, fd_cpu_right floats, padded with zeros. Panels of parts of k that are multiples of `unit` make one, one
   * behind the other. */
  void (*pack)(int k, int columns, const float *from, size_t ld, int transposed, float *to);

  /* The same for m <= rows rows of a left operand [m, ld] (or, transposed, columns of [k, ld]): fd_cpu_left floats. */
  void (*pack_left)(int m, int k, const float *from, size_t ld, int transposed, float *to);

  /* C[m, panel] = A[m, k] B, both packed, m <= rows, or as `start` says, as gemm. */
  void (*multiply)(int m, int k, const float *a, const float *b, float *c, size_t ldc, int start);

  /* to[columns, rows] = the transpose of from[rows, columns]; each with the stride of its rows. */
  void (*turn)(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld);

  /* Channels as rows of `panel` tokens: z += bias[channel]; h = GELU(z). */
  void (*bias_gelu)(int rows, const float *bias, float *z, float *h);

  /* g = GELU(z), da = dh * GELU'(z); z has rows of z_ld floats with n used, the others of `panel`. */
  void (*gelu_backward)(int rows, int n, const float *z, size_t z_ld, const float *dh, float *g, float *da);

  void (*add)(size_t n, const float *a, const float *b, float *out);
  double (*sum_squares)(size_t n, const float *x);
  void (*adamw)(size_t n, const fd_adamw *h, const float *g, float *w, float *m, float *v);
  void (*ema)(size_t n, float lambda, const float *s, float *t);

  /* A row: y = act(x), times gate if that is not NULL; and back. */
  void (*act_forward)(fd_act act, int n, const float *x, const float *gate, float *y);
  void (*act_backward)(fd_act act, int n, const float *x, const float *gate, const float *dy, float *dx, float *dgate);

  /* A row, and back; then gradients of n columns of w and b, each NULL where there is none. */
  void (*norm_forward)(const fd_norm *norm, const float *x, float *y, float stats[2]);
  void (*norm_backward)(const fd_norm *norm, const float *x, const float stats[2], const float *dy, float *dx);
  void (*norm_weights)(int rows, int n, const float *x, size_t x_ld, const float *stats, const float *dy, size_t dy_ld, float *dw,
                       float *db);

  /* Products q k to 2^(score - most), in place: most (from FD_SCORE_LEAST on) and sum, of each row, take in these keys, and its
   * row of acc[rows, width] shrinks as most grows. */
  void (*soften)(const fd_cpu_scores *c, float *s, float *most, float *sum, float *acc, int width);

  /* Products q k to probabilities p, dy v to scale p (dy v - delta), in place; lse is times log2 e. */
  void (*soften_backward)(const fd_cpu_scores *c, float *s, float *d, const float *lse, const float *delta, float scale);

  /* bits[n][8]: the words of fd_philox, lower halves first, for the counters (high, low + groups[i]); no sum passes 32 bits. */
  void (*draw)(int n, const uint32_t *groups, fd_rng_key key, uint64_t high, uint64_t low, uint16_t *bits);
} fd_cpu_kernels;

/* Floats of a packed panel of a right operand, and of a left one, over k. */
static inline size_t fd_cpu_right(const fd_cpu_kernels *kernels, int k) {
  return (size_t)((k + kernels->unit - 1) / kernels->unit * kernels->unit / kernels->elements) * (size_t)kernels->panel;
}
static inline size_t fd_cpu_left(const fd_cpu_kernels *kernels, int k) {
  return (size_t)((k + kernels->unit - 1) / kernels->unit * kernels->unit / kernels->elements) * (size_t)kernels->rows;
}

extern const fd_cpu_kernels fd_cpu_kernels_generic, fd_cpu_kernels_avx2, fd_cpu_kernels_avx512, fd_cpu_kernels_avx512bf16,
    fd_cpu_kernels_amx, fd_cpu_kernels_amx_model, fd_cpu_kernels_neon;

#endif
