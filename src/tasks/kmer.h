/* Baseline features without a network: square roots of k-mer counts, standardised on the training rows, and plain counts. */
#ifndef FD_TASKS_KMER_H
#define FD_TASKS_KMER_H

#include "data/table.h"
#include "tasks/logistic.h"

enum { FD_KMER_MAX = 8 };

/* Sparse rows of both tables over the 4^k k-mers of one strand. */
typedef struct fd_kmers {
  fd_design train, test; /* borrow from the rest */
  int64_t *start[2];
  int *column[2];
  float *value[2];
  double *shift;
} fd_kmers;

/* Counts k-mers (1 <= k <= FD_KMER_MAX) of A, C, G, T; k-mers that contain an N are skipped. Means and variances are those of the
 * training rows; a k-mer with the same count in all of them is left out. */
fd_status fd_kmers_create(fd_kmers **kmers, const fd_table *train, const fd_table *test, int k) FD_MUST_CHECK;
void fd_kmers_free(fd_kmers **kmers);

/* Plain counts, dense: values [rows, 4^k], released with free(). */
fd_status fd_kmers_dense(const fd_table *table, int k, float **values) FD_MUST_CHECK;

#endif
