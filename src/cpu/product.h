/* Products of whole matrices on the CPU, packed and blocked for the caches, by all threads; and sums of columns. */
#ifndef FD_CPU_PRODUCT_H
#define FD_CPU_PRODUCT_H

#include "cpu/backend.h"

/* c[m, n] = a[m, k] b[k, n] + bias[n]. Every element is one chain of multiply-adds over k in order (with bf16 kernels a sum of
 * chains), to which the bias is added last: its bits depend neither on the threads nor on the other rows and columns of the
 * call. */
typedef struct fd_product {
  int m, n, k;
  const float *a, *b, *bias;            /* bias NULL: none */
  int a_is_transposed, b_is_transposed; /* the matrix in memory is [k, m], or [n, k] */
  int b_is_weights;                     /* b are parameters: packed once for as long as they are held, if m is small */
  float *c;
  size_t b_row, c_row; /* floats from a row of b, which is then not transposed, or of c to the next; 0: n */
  /* An activation, times a gate (NULL: 1) whose rows are gate_row floats apart:
   *   act_of_b  b stands for act(b) times the gate
   *   y         y [m, n] receives act(c) times the gate, which may be y; c may then be NULL
   *   act_of_c  the product is the gradient of act(c) times the gate: c and the gate, which are read, become their gradients */
  fd_act act;
  int act_of_b, act_of_c;
  float *y, *gate;
  size_t gate_row;
  float *a_sums; /* [m], unless NULL: the sums over k, in order, of a, which is transposed */
  int past;      /* c is written past the caches, as it is large and not read soon */
  int apart;     /* round each product before it is added: by kernels->multiply_apart, which must not be NULL */
} fd_product;

/* Uses the scratch slots W1 and TILE; a failed allocation is recorded in cpu->failed. */
void fd_cpu_multiply(fd_cpu *cpu, const fd_cpu_kernels *kernels, const fd_product *product);

/* Packs rows [n, columns] of stride `ld` as the right operand [n, columns] of the kernels' gemm, or transposed as [columns,
 * n]. */
void fd_cpu_pack(const fd_cpu_kernels *kernels, int n, int columns, const float *from, int ld, int transposed, float *to);

/* Takes the next floats [rows, width] of a thread's scratch memory; if base is NULL, only counts them in *used. */
static inline float *fd_cpu_take(float *base, size_t *used, int rows, int width) {
  float *at = base ? base + *used : NULL;
  *used += ((size_t)rows * (size_t)width + 15) / 16 * 16;
  return at;
}

/* sums[columns] = the sums over the rows of m[rows, columns], in order. */
void fd_cpu_column_sums(fd_cpu *cpu, int rows, int columns, const float *m, float *sums);

#endif
