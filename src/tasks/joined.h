/* Features of an encoder and k-mer counts as one set of features, for the question whether the encoder knows anything that
 * counting does not. */
#ifndef FD_TASKS_JOINED_H
#define FD_TASKS_JOINED_H

#include "tasks/sparse.h"

/* Joins whitened features (dense, in the order train, test) with the standardised counts of the same rows: columns of both kinds
 * have variance 1, so that one lambda serves them. First come the columns of the encoder's features, then those of the k-mers.
 * Copies; the features are rounded to fp32. */
fd_status fd_joined_create(fd_sparse **joined, const fd_design features[2], const fd_sparse *kmers) FD_MUST_CHECK;

#endif
