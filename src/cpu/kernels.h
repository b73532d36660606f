/* The inner loops of the CPU back end, compiled once for each instruction set. A result does not depend on the position of its
 * element in a tile or vector: every output is one chain of fused multiply-adds in a fixed order. */
#ifndef FD_CPU_KERNELS_H
#define FD_CPU_KERNELS_H

#include <stddef.h>

#include "device/tensors.h"

/* Attention scores of `rows` queries and n keys (a multiple of every vector length), with rows of `ld` floats. */
typedef struct fd_cpu_scores {
  int rows, n;
  size_t ld;
  float scale, slope;    /* times log2 e; slope 0: positions are not read */
  const float *bias;     /* [n] 0, or FD_SCORE_HIDDEN for a masked key */
  const float *key_at;   /* [n] positions */
  const float *query_at; /* [rows] */
} fd_cpu_scores;

#define FD_SCORE_HIDDEN (-2e30f)
#define FD_SCORE_LEAST (-1e29f) /* lower scores are those of masked keys */

/* Decays of the gated delta rule below this are 0: they are lost in any sum, and their products would be denormal numbers, with
 * which processors calculate many times slower. */
#define FD_DECAY_LEAST 0x1p-60f

/* How a product combines with the previous contents of C. */
enum {
  FD_GEMM_SET, /* C is overwritten */
  FD_GEMM_ADD, /* the product is added to C */
  /* C is the product over an earlier part of k, and becomes that over both. In fp32 its chains of multiply-adds continue; with
   * bf16 operands, whose sums start anew every `depth` of k in any case, this is FD_GEMM_ADD. */
  FD_GEMM_CONTINUE
};

/* C[m, panels * narrow] = A[m, k] B; `start` is FD_GEMM_SET, FD_GEMM_ADD or FD_GEMM_CONTINUE. A's element (i, p) is
 * a[i * row_step + p * k_step], one of the steps being 1; B is packed by pack_narrow, its panels fd_cpu_right_narrow floats
 * apart; C has rows of `ldc` floats. */
typedef void fd_cpu_gemm(int m, int k, const float *a, size_t row_step, size_t k_step, const float *b, int panels, float *c,
                         size_t ldc, int start);

/* The hidden layer of a ChordMixer block for tiles of FD_TILE_TOKENS tokens, the last of which may have fewer (`last`). Operands
 * are packed for `multiply`. Hidden units are in panels of `panel` units; the last panel may have fewer. */
enum { FD_TILE_TOKENS = 32, FD_CHUNK_TILES = 16 /* of a right operand whose k are tokens */ };
typedef struct fd_cpu_hidden {
  int first, tiles, last; /* first: its number among the tiles of the batch */
  int channels, hidden;
  const float *x, *dm;       /* per tile: left operand [tokens, channels] */
  const float *w1, *w2, *b1; /* right operands [channels, hidden]: of W1 and of the transpose of W2 */
  float *z;                  /* per tile and panel: [tokens, units of the panel]; NULL: not kept */
  float *h;                  /* per tile: left operand [tokens, hidden]: GELU(z), or backward da */
  float *g, *da;             /* of the batch: per chunk of tiles and panel a right operand [tokens, units of it] */
  float *sums;               /* of the batch: [tiles, hidden], da summed over the tokens of a tile */
} fd_cpu_hidden;

enum { FD_PANEL_MOST = 64 };

typedef struct fd_cpu_kernels {
  const char *name; /* avx512bf16, amx: products round their operands to bf16 */
  int rows;         /* of the register tile: larger tiles should have a multiple of it */
  int panel;        /* columns of a packed panel of B; at most FD_PANEL_MOST */
  int narrow;       /* columns of a narrow panel: of a gemm's B, which may have few columns */
  int narrow_rows;  /* of a gemm's register tile */
  int depth;        /* block size for a long k: a panel of this depth stays in L1 */
  int unit;         /* the k of packed panels is padded to a multiple of it */
  int elements;     /* of an operand per float of a panel: 1, or 2 in bf16 */
  /* Tiles of a product that each thread should get, at least. Fewer are wider, so that less is packed and read again; more are
   * shared out more evenly. */
  int tiles_per_thread;

  void (*rest)(void); /* called by a thread that has no more items; or NULL */

  fd_cpu_gemm *gemm;

  /* Packs columns [0, columns) of a row-major matrix [k, ld] (transposed: rows [0, columns) of [columns, ld]) into a panel in the
   * layout that multiply reads: fd_cpu_right floats, padded with zeros. The panels of consecutive parts of k, each a multiple of
   * `unit`, form one panel if they are stored back to back. */
  void (*pack)(int k, int columns, const float *from, size_t ld, int transposed, float *to);

  /* The same in the layout that gemm reads: columns <= narrow, fd_cpu_right_narrow floats. */
  void (*pack_narrow)(int k, int columns, const float *from, size_t ld, int transposed, float *to);

  /* The same for m <= rows rows of a left operand [m, ld] (or, transposed, columns of [k, ld]): fd_cpu_left floats. */
  void (*pack_left)(int m, int k, const float *from, size_t ld, int transposed, float *to);

  /* C[m, panel] = A[m, k] B, both packed, m <= rows; `start` as in gemm. At least the first n columns are computed, the others
   * left as they are. */
  void (*multiply)(int m, int n, int k, const float *a, const float *b, float *c, size_t ldc, int start);

  /* The same for an A in tiles of `panel` of k, not packed: a tile has rows of `panel` elements, and the next one is `step`
   * floats further on. The elements are those of round_units; k is at most `depth` with bf16 operands. NULL for kernels that have
   * hidden_forward, as the next two. */
  void (*multiply_tiled)(int m, int n, int k, const float *a, size_t step, const float *b, float *c, size_t ldc, int start);

  /* Rounds m rows of `panel` floats, of which the first n are used, to rows of panel / 2 pairs. NULL: fp32 needs no rounding. */
  void (*round_units)(int m, int n, const float *from, float *to);

  /* sums[i] += the first n of the `panel` floats of row i, one after another. */
  void (*row_sums)(int m, int n, const float *from, float *sums);

  /* to[rows, columns], with rows of `ld` floats, = a tile of multiply's results [panels][rows][panel], plus bias[columns] unless
   * that is NULL; panels are `step` floats apart. `past`: the rows are written past the caches, since they are not read soon. */
  void (*write_rows)(int rows, int columns, const float *tile, size_t step, const float *bias, float *to, size_t ld, int past);

  /* For the backward pass of narrow layers (linear.c): with fp32 operands every product is rounded before it is added, so
   * the bits are the same with every instruction set. NULL: this pass uses the fp32 kernels instead. */
  void (*multiply_apart)(int m, int n, int k, const float *a, const float *b, float *c, size_t ldc, int start);

  /* to[columns, rows] = the transpose of from[rows, columns]; ld and to_ld are their row strides. */
  void (*transpose)(int rows, int columns, const float *from, size_t ld, float *to, size_t to_ld);

  /* For each channel, a row of `panel` tokens: z += bias[channel]; h = GELU(z). */
  void (*bias_gelu)(int rows, const float *bias, float *z, float *h);

  /* g = GELU(z), da = dh * GELU'(z); z has rows of z_ld floats, of which n are used; the others have rows of `panel` floats. */
  void (*gelu_backward)(int rows, int n, const float *z, size_t z_ld, const float *dh, float *g, float *da);

  void (*add)(size_t n, const float *a, const float *b, float *out);
  double (*sum_squares)(size_t n, const float *x);
  void (*adamw)(size_t n, const fd_adamw *h, const float *g, float *w, float *m, float *v);
  void (*ema)(size_t n, float lambda, const float *s, float *t);

  /* One row: y = act(x), times gate unless that is NULL; and its backward pass. */
  void (*act_forward)(fd_act act, int n, const float *x, const float *gate, float *y);
  void (*act_backward)(fd_act act, int n, const float *x, const float *gate, const float *dy, float *dx, float *dgate);

  /* Normalizes one row; its backward pass; the gradients of n columns of w and b, NULL for a parameter that the layer lacks. */
  void (*norm_forward)(const fd_norm *norm, const float *x, float *y, float stats[2]);
  void (*norm_backward)(const fd_norm *norm, const float *x, const float stats[2], const float *dy, float *dx);
  void (*norm_weights)(int rows, int n, const float *x, size_t x_ld, const float *stats, const float *dy, size_t dy_ld, float *dw,
                       float *db);

  /* One block of keys of an online softmax: turns products q k into 2^(score - most), in place, 0 below 2^-64. Updates the
   * running maximum `most` (initially FD_SCORE_LEAST) and the running sum of each row, and rescales its row of acc[rows, width]
   * when the maximum grows. */
  void (*soften)(const fd_cpu_scores *c, float *s, float *most, float *sum, float *acc, int width);

  /* Turns products q k into probabilities p, and products dy v into scale p (dy v - delta), in place; lse is multiplied by log2
   * e, and finite also for a query whose keys are all masked. */
  void (*soften_backward)(const fd_cpu_scores *c, float *s, float *d, const float *lse, const float *delta, float scale);

  /* bits[n][8]: the words of fd_philox, lower halves first, for the counters (high, low + groups[i]); these sums must not
   * overflow 32 bits. */
  void (*draw)(int n, const uint32_t *groups, fd_rng_key key, uint64_t high, uint64_t low, uint16_t *bits);

  /* Rows of n floats: y = a x; y = a x + b y; y = x y; the dot product of x and y. */
  void (*scale)(int n, float a, const float *x, float *y);
  void (*blend)(int n, float a, const float *x, float b, float *y);
  void (*times)(int n, const float *x, float *y);
  double (*dot)(int n, const float *x, const float *y);

  /* y = scale x r with r = 1 / sqrt(sum of squares + eps), which is returned; and its backward pass, from y. */
  float (*to_unit)(int n, float eps, float scale, const float *x, float *y);
  void (*to_unit_backward)(int n, float r, float scale, const float *y, const float *dy, float *dx);

  /* Matrices of n <= FD_DELTA_CHUNK rows of FD_DELTA_CHUNK floats: d[i][j] = alpha[j + 1] ... alpha[i], 1 for j = i, 0 for j > i;
   * and the inverse t of 1 + the part of a below the diagonal. Entries below FD_DECAY_LEAST are 0. */
  void (*decays)(int n, const float *alpha, float *d);
  void (*invert)(int n, const float *a, float *t);

  /* y = sum over j of w[j][n] x[j][n], without rows that are NULL; and dw[j][n] += the sum over the rows of a sequence of dy
   * times the row of x at tap j (ops.def, causal_conv). */
  void (*conv)(int n, int taps, const float *const *x, const float *w, float *y);
  void (*conv_weights)(int rows, int n, int taps, int reverse, const float *x, size_t x_ld, const float *dy, size_t dy_ld,
                       float *dw, size_t dw_ld);

  /* z = x W1 + b1 and h = GELU(z); backward, with z computed again if it was not kept: g = GELU(z) and da = (dm W2) GELU'(z).
   * NULL for kernels whose blocks have channels as rows (mixer.c). */
  void (*hidden_forward)(const fd_cpu_hidden *hidden);
  void (*hidden_backward)(const fd_cpu_hidden *hidden);
} fd_cpu_kernels;

/* Floats of a packed panel over k: of a right operand, of a narrow one, and of a left operand. */
static inline size_t fd_cpu_floats(const fd_cpu_kernels *kernels, int k, int width) {
  return (size_t)((k + kernels->unit - 1) / kernels->unit * kernels->unit / kernels->elements) * (size_t)width;
}
static inline size_t fd_cpu_right(const fd_cpu_kernels *kernels, int k) { return fd_cpu_floats(kernels, k, kernels->panel); }
static inline size_t fd_cpu_right_narrow(const fd_cpu_kernels *kernels, int k) {
  return fd_cpu_floats(kernels, k, kernels->narrow);
}
static inline size_t fd_cpu_left(const fd_cpu_kernels *kernels, int k) { return fd_cpu_floats(kernels, k, kernels->rows); }

extern const fd_cpu_kernels fd_cpu_kernels_generic, fd_cpu_kernels_avx2, fd_cpu_kernels_avx512, fd_cpu_kernels_avx512bf16,
    fd_cpu_kernels_amx, fd_cpu_kernels_amx_model, fd_cpu_kernels_neon;

#endif
