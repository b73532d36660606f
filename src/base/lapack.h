/* The routines of BLAS and LAPACK that the program uses, from a library of the site, which is loaded when the first one is
 * needed: OpenBLAS, FlexiBLAS, MKL, Arm PL or BLIS. None is needed to build the program. */
#ifndef FD_BASE_LAPACK_H
#define FD_BASE_LAPACK_H

#include <stddef.h>

#include "base/error.h"

/* Values of CBLAS, the same in all libraries. */
enum { FD_ROW_MAJOR = 101, FD_NO_TRANS = 111, FD_TRANS = 112, FD_UPPER = 121 };

typedef struct fd_lapack {
  void (*cblas_dsyrk)(int order, int uplo, int trans, int n, int k, double alpha, const double *a, int lda, double beta,
                      double *c, int ldc);
  void (*cblas_dgemm)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha, const double *a, int lda,
                      const double *b, int ldb, double beta, double *c, int ldc);
  void (*dsyevd_)(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
                  const int *lwork, int *iwork, const int *liwork, int *info, size_t jobz_length, size_t uplo_length);
} fd_lapack;

/* Tells the library, which starts a thread a core while it is loaded, to start none: sums depend on the number of threads. Called
 * by main before there are threads: the environment may not change under them. */
void fd_lapack_forbid_threads(void);

/* Loads the library, for the life of the process, and fills *lapack: the one that FINDNA_BLAS names, else the first of the list
 * that is there. FD_MISSING: none is, or not of the right kind; FD_MEMORY: there is no room for it and its buffer, for which
 * OpenBLAS would wait for ever. */
fd_status fd_lapack_open(fd_lapack *lapack) FD_MUST_CHECK;

/* What doctor says of it: its name and configuration, or why none can be loaded. 1: it can. */
int fd_lapack_describe(char *text, size_t size);

/* Eigenvalues w [n], ascending, and eigenvectors of the symmetric matrix whose lower triangle is a [n, n], column by column; the
 * vectors replace it. FD_NUMERIC: they were not found. */
fd_status fd_lapack_eigen(const fd_lapack *lapack, int n, double *a, double *w) FD_MUST_CHECK;

#endif
