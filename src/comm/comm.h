/* Collectives between the ranks of a job. src/ owns this interface; mpi/ implements it, comm_self.c is the one-process version.
 */
#ifndef FD_COMM_COMM_H
#define FD_COMM_COMM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct fd_comm fd_comm;

/* What an implementation provides. All calls are collective over the ranks (exchange: over the two) and block. */
typedef struct fd_comm_ops {
  const char *name;
  /* Sends `send_bytes` to `peer` while receiving `receive_bytes` from it. */
  fd_status (*exchange)(fd_comm *comm, int peer, const void *send, size_t send_bytes, void *receive, size_t receive_bytes);
  fd_status (*broadcast)(fd_comm *comm, void *data, size_t bytes, int root);
  /* Sum over ranks in place, exact in any order. */
  fd_status (*sum_u64)(fd_comm *comm, uint64_t *data, size_t count);
  /* Sum over ranks in place, in whatever order the library likes (comm.reduction: fast). */
  fd_status (*sum_f32)(fd_comm *comm, float *data, size_t count);
  fd_status (*barrier)(fd_comm *comm);
  /* Ends the whole job with this exit code; does not return. */
  void (*abort)(fd_comm *comm, int code);
  /* Orderly end; releases the communicator. */
  void (*finish)(fd_comm *comm);
} fd_comm_ops;

struct fd_comm {
  int rank, size;
  int local_rank, local_size; /* among the ranks of this machine */
  uint64_t bytes_sent;        /* payload that this rank sent, for tests and the report */
  const fd_comm_ops *ops;
};

/* The communicator of a single process. */
fd_comm *fd_comm_self(void);

/* Sum over ranks, in place, along the fixed balanced binary tree over the ranks (recursive halving, then doubling): the same bits
 * as adding neighbours pairwise. The number of ranks is a power of two. `scratch` holds count / 2 + 1 elements (may be NULL with
 * one rank). Each rank sends 2 (size - 1) / size of the data, as a ring does. */
fd_status fd_comm_tree_sum_f32(fd_comm *comm, float *data, size_t count, float *scratch) FD_MUST_CHECK;
fd_status fd_comm_tree_sum_f64(fd_comm *comm, double *data, size_t count, double *scratch) FD_MUST_CHECK;

/* Root's text to everyone: on other ranks *text is allocated (released with free()). */
fd_status fd_comm_share_text(fd_comm *comm, char **text, size_t *bytes) FD_MUST_CHECK;

/* The largest status over the ranks: all ranks learn whether one of them failed. */
fd_status fd_comm_agree(fd_comm *comm, fd_status mine);

#endif
