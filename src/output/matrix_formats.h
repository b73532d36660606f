/* Interface of a matrix format; private to the files matrix*.c. */
#ifndef FD_OUTPUT_MATRIX_FORMATS_H
#define FD_OUTPUT_MATRIX_FORMATS_H

#include "base/output.h"
#include "output/matrix.h"

typedef struct fd_matrix_format {
  const char *ending;
  fd_status (*begin)(fd_matrix *m);
  fd_status (*append)(fd_matrix *m, const char *id, int64_t rows, const float *values, const int64_t *spans);
  fd_status (*commit)(fd_matrix *m);
  void (*end)(fd_matrix *m);
} fd_matrix_format;

struct fd_matrix {
  const fd_matrix_format *format;
  fd_matrix_info info;
  char path[FD_PATH_MAX];
  int64_t items, rows; /* so far */
  void *own;           /* private data of the format */
};

/* The name of the file of names that belongs to an .npy file. FD_USAGE if it is too long. */
fd_status fd_matrix_npy_names(char names[FD_PATH_MAX], const char *path) FD_MUST_CHECK;

extern const fd_matrix_format fd_matrix_h5, fd_matrix_npy, fd_matrix_tsv;

#endif
