/* Baseline features without a network: square roots of k-mer counts, standardised on the training rows, and plain counts. */
#ifndef FD_TASKS_KMER_H
#define FD_TASKS_KMER_H

#include "data/table.h"
#include "tasks/sparse.h"

enum { FD_KMER_MAX = 8 };

/* Counts the 4^k k-mers (1 <= k <= FD_KMER_MAX) of A, C, G, T of one strand; k-mers that contain an N are skipped. Means and
 * variances are those of the training rows; a k-mer with the same count in all of them is left out. */
fd_status fd_kmers_create(fd_sparse **kmers, const fd_table *train, const fd_table *test, int k) FD_MUST_CHECK;

/* Plain counts, dense: values [rows, 4^k], released with free(). */
fd_status fd_kmers_dense(const fd_table *table, int k, float **values) FD_MUST_CHECK;

#endif
