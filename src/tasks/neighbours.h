/* The nearest of many rows by the cosine of the angle between them, exactly. */
#ifndef FD_TASKS_NEIGHBOURS_H
#define FD_TASKS_NEIGHBOURS_H

#include "device/device.h"

enum { FD_NEIGHBOURS_MAX = 100 };

/* Rows of vectors [rows, width], in host memory; borrowed. A row of zeros is at a right angle to every other. */
typedef struct fd_vectors {
  const float *at;
  int rows, width;
} fd_vectors;

/* For each query the k keys (1 .. FD_NEIGHBOURS_MAX, at most the keys that there are) of the largest cosine, the largest first,
 * of equal ones the key that comes first: index, cosine [queries, k]. The products are those of `dev`, a CPU, by all of its
 * threads; the result has the same bits for any number of them. Vectors of other widths are FD_DATA. */
fd_status fd_neighbours_find(fd_device *dev, fd_vectors keys, fd_vectors queries, int k, int *index, float *cosine) FD_MUST_CHECK;

/* The label that most of a query's k neighbours have; of those that as many have, that of the nearest. */
int fd_neighbours_vote(const int *index, int k, const int *label);

#endif
