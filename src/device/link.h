/* A link transfers device memory between the ranks of a job and adds it, asynchronously: calls return at once, and their requests
 * are executed in order. Implemented over MPI (mpi/link.c) and by NCCL (cuda/nccl.cu). */
#ifndef FD_DEVICE_LINK_H
#define FD_DEVICE_LINK_H

#include "device/device.h"

typedef struct fd_link fd_link;

struct fd_link {
  const char *name; /* for the log */
  int rank, size;
  uint64_t bytes_sent;
  uint64_t done; /* requests that are done: while it grows, no rank is stuck */
  /* Later requests begin after the operations that the device was given so far. */
  fd_status (*follow)(fd_link *link);
  /* Sends `send_count` floats to `peer` while receiving `receive_count` from it. */
  fd_status (*exchange)(fd_link *link, int peer, const float *send, size_t send_count, float *receive, size_t receive_count);
  /* out = a + b; out may be a or b. */
  fd_status (*add)(fd_link *link, size_t count, const float *a, const float *b, float *out);
  /* Sum over the ranks in place, in an order that the library chooses. */
  fd_status (*sum)(fd_link *link, float *data, size_t count);
  /* Advances the requests without blocking. *idle: whether all are done, or wait only for the device. FD_LOST when a rank or the
   * network failed. */
  fd_status (*progress)(fd_link *link, int *idle);
  /* Later operations of the device begin after the requests so far; called after progress has returned idle. */
  fd_status (*lead)(fd_link *link);
  /* Ends the link, also in the middle of an operation. When it is idle and nothing has failed, waits at most some seconds for the
   * other ranks; else not at all: they may be gone. */
  void (*close)(fd_link *link);
};

/* Requests the sum of data[count] over the ranks, in place, along the fixed balanced binary tree over the ranks (recursive
 * halving, then doubling): the same bits as adding neighbours pairwise. The number of ranks is a power of two; scratch holds
 * count / 2 + 1 floats of the device. Each rank sends 2 (size - 1) / size of the data, as a ring does. */
fd_status fd_link_tree_sum(fd_link *link, float *data, size_t count, float *scratch) FD_MUST_CHECK;

#endif
