/* How well an assignment to clusters agrees with classes, beyond what chance gives. */
#ifndef FD_TASKS_AMI_H
#define FD_TASKS_AMI_H

#include "base/error.h"

/* Adjusted mutual information with the arithmetic mean of the entropies (Vinh, Epps and Bailey, JMLR 2010):
 * (I - E[I]) / ((H(class) + H(cluster)) / 2 - E[I]), the expectation over all assignments with clusters of these sizes. 1 where
 * both are one cluster, or both are clusters of one row each; around 0 for a random assignment. class, cluster: [count] whole
 * numbers from 0. The time is that of the pairs of different sizes of clusters. */
fd_status fd_ami(int count, const int *class, const int *cluster, double *ami) FD_MUST_CHECK;

#endif
