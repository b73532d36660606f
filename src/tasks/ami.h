/* Agreement of a clustering with classes, adjusted for chance. */
#ifndef FD_TASKS_AMI_H
#define FD_TASKS_AMI_H

#include "base/error.h"

/* Adjusted mutual information with the arithmetic mean of the entropies (Vinh, Epps and Bailey, JMLR 2010):
 * (I - E[I]) / ((H(class) + H(cluster)) / 2 - E[I]), with the expectation over all assignments of the same cluster sizes. 1 where
 * both are a single cluster or both consist of clusters of one row each; near 0 for a random assignment. class, cluster: [count]
 * integers from 0. Time grows with the number of pairs of distinct class and cluster sizes. */
fd_status fd_ami(int count, const int *class, const int *cluster, double *ami) FD_MUST_CHECK;

#endif
