/* Sparse rows of the features of a training and a test table, which own their memory. */
#ifndef FD_TASKS_SPARSE_H
#define FD_TASKS_SPARSE_H

#include "tasks/logistic.h"

typedef struct fd_sparse {
  fd_design train, test; /* borrow from the rest */
  int64_t *start[2];     /* of train and of test, as the next two: [rows + 1], first entry of each row */
  int *column[2];        /* [entries] */
  float *value[2];       /* [entries] */
  double *shift;         /* [dims], of both */
} fd_sparse;

/* Releases the rows, if there are any, and sets *sparse to NULL. */
void fd_sparse_free(fd_sparse **sparse);

#endif
