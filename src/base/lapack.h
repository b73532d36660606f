/* The BLAS and LAPACK routines that the program uses, from a library that is loaded at run time: OpenBLAS, FlexiBLAS, MKL, Arm PL
 * or BLIS. None is needed to build the program. */
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

/* Keeps the library, which starts a thread per core when it is loaded, from starting any, since sums depend on the number of
 * threads. Called by main before any thread exists: setenv is not thread-safe. */
void fd_lapack_forbid_threads(void);

/* Loads the library for the lifetime of the process and fills *lapack: the library that FINDNA_BLAS names, else the first one
 * found of the list. FD_MISSING: none is found, or none is usable; FD_MEMORY: no address space for the library and its buffer,
 * for which OpenBLAS would wait for ever. */
fd_status fd_lapack_open(fd_lapack *lapack) FD_MUST_CHECK;

/* For doctor: the library's name and configuration, or why none can be loaded. Returns 1 when one is loaded. */
int fd_lapack_describe(char *text, size_t size);

/* Eigenvalues w [n], ascending, and eigenvectors of the symmetric matrix whose lower triangle is stored in a [n, n],
 * column-major; the vectors replace it. FD_NUMERIC: dsyevd did not converge. */
fd_status fd_lapack_eigen(const fd_lapack *lapack, int n, double *a, double *w) FD_MUST_CHECK;

#endif
