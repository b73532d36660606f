/* Features of an encoder and k-mer counts as one set of features, for the question whether the encoder knows anything that
 * counting does not. */
#ifndef FD_TASKS_JOINED_H
#define FD_TASKS_JOINED_H

#include "tasks/kmer.h"

/* Sparse rows of both tables: first the columns of the encoder's features, then those of the k-mers. */
typedef struct fd_joined {
  fd_design train, test; /* borrow from the rest */
  int64_t *start[2];
  int *column[2];
  float *value[2];
  double *shift;
} fd_joined;

/* Joins whitened features (dense, in the order train, test) with the standardised counts of the same rows: columns of both kinds
 * have variance 1, so that one lambda serves them. Copies; the features are rounded to fp32. */
fd_status fd_joined_create(fd_joined **joined, const fd_design features[2], const fd_kmers *kmers) FD_MUST_CHECK;
void fd_joined_free(fd_joined **joined);

#endif
