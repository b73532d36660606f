/* Products of blocks and linear layers by cuBLASLt (FINDNA_PRODUCTS=library), loaded at run time and only if chosen. */
#ifndef FD_CUDA_BLAS_H
#define FD_CUDA_BLAS_H

#include "cuda/backend.h"

/* c[i, j] = sum over k of a(i, k) b(j, k), plus bias[j], of c's type, unless bias is NULL; for each of `count` products, whose
 * matrices are consecutive in memory. A transposed operand is stored as [k, i] or [k, j]. */
typedef struct fd_blas_product {
  int rows, columns, depth, count; /* i, j, k */
  fd_mat a, b, c;
  int a_t, b_t;
  const void *bias;
} fd_blas_product;

/* Loads the library (FD_GPU if it is missing) and appends its version to the description of the device's kernels. */
fd_status fd_blas_open(fd_cuda *cuda);
void fd_blas_close(fd_cuda *cuda);

/* Whether the library computes linear layers of this shape and type, which must be that of the device's activations; the number
 * of rows does not matter. It computes blocks of any shape, if it is loaded. */
int fd_blas_takes(const fd_cuda *cuda, int in, int out, fd_mat x);

void fd_blas_multiply(fd_cuda *cuda, const fd_blas_product &p);

#endif
