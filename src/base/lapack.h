/* The routines of BLAS and LAPACK that the program uses, from OpenBLAS, which is loaded when the first one is needed. */
#ifndef FD_BASE_LAPACK_H
#define FD_BASE_LAPACK_H

#include <cblas.h>
#include <stddef.h>

#include "base/error.h"

typedef struct fd_lapack {
  char *(*openblas_get_config)(void);
  void (*openblas_set_num_threads)(int threads);
  void (*cblas_dsyrk)(enum CBLAS_ORDER, enum CBLAS_UPLO, enum CBLAS_TRANSPOSE, int n, int k, double alpha, const double *a,
                      int lda, double beta, double *c, int ldc);
  void (*cblas_dgemm)(enum CBLAS_ORDER, enum CBLAS_TRANSPOSE, enum CBLAS_TRANSPOSE, int m, int n, int k, double alpha,
                      const double *a, int lda, const double *b, int ldb, double beta, double *c, int ldc);
  void (*dsyevd_)(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
                  const int *lwork, int *iwork, const int *liwork, int *info, size_t jobz_length, size_t uplo_length);
} fd_lapack;

/* Tells OpenBLAS, which starts a thread a core while it is loaded, to start none. Called by main before there are threads: the
 * environment may not change under them. */
void fd_lapack_forbid_threads(void);

/* Loads the library, for the life of the process, and fills *lapack. FD_MISSING: it is not installed or not of the right kind;
 * FD_MEMORY: there is no room for it and its buffer, for which it would wait for ever. */
fd_status fd_lapack_open(fd_lapack *lapack) FD_MUST_CHECK;

/* What doctor says of it: its configuration, or why it cannot be loaded. 1: it can. */
int fd_lapack_describe(char *text, size_t size);

/* Eigenvalues w [n], ascending, and eigenvectors of the symmetric matrix whose lower triangle is a [n, n], column by column; the
 * vectors replace it. FD_NUMERIC: they were not found. */
fd_status fd_lapack_eigen(const fd_lapack *lapack, int n, double *a, double *w) FD_MUST_CHECK;

#endif
