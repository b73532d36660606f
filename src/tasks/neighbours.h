/* Exact nearest neighbours by cosine similarity. */
#ifndef FD_TASKS_NEIGHBOURS_H
#define FD_TASKS_NEIGHBOURS_H

#include "device/device.h"

enum { FD_NEIGHBOURS_MAX = 100 };

/* Vectors as rows [rows, width], in host memory; borrowed. The cosine of a row of zeros with any other row is 0. */
typedef struct fd_vectors {
  const float *at;
  int rows, width;
} fd_vectors;

/* For each query the k keys (1 .. FD_NEIGHBOURS_MAX, at most keys.rows) of largest cosine, in descending order, the first key
 * first among equals: index, cosine [queries, k]. The matrix products run on `dev`, a CPU, with all of its threads; the result
 * has the same bits for any number of threads. Keys and queries of different widths are FD_DATA. */
fd_status fd_neighbours_find(fd_device *dev, fd_vectors keys, fd_vectors queries, int k, int *index, float *cosine) FD_MUST_CHECK;

/* The most frequent label of a query's k neighbours; among equally frequent labels that of the nearest neighbour. */
int fd_neighbours_vote(const int *index, int k, const int *label);

#endif
