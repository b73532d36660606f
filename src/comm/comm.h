/* Collectives between the ranks of a job. src/ owns this interface; mpi/ implements it, comm_self.c is the one-process version.
 */
#ifndef FD_COMM_COMM_H
#define FD_COMM_COMM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

typedef struct fd_comm fd_comm;
struct fd_link;   /* device/link.h */
struct fd_device; /* device/device.h */

/* What an implementation provides. All calls are collective over the ranks (exchange: over the two) and block. */
typedef struct fd_comm_ops {
  const char *name;
  /* Sends `send_bytes` to `peer` while receiving `receive_bytes` from it. */
  fd_status (*exchange)(fd_comm *comm, int peer, const void *send, size_t send_bytes, void *receive, size_t receive_bytes);
  fd_status (*broadcast)(fd_comm *comm, void *data, size_t bytes, int root);
  /* Sum over ranks in place, exact in any order. */
  fd_status (*sum_u64)(fd_comm *comm, uint64_t *data, size_t count);
  fd_status (*barrier)(fd_comm *comm);
  /* Opens a link between the ranks' devices; NULL for a single process. Does not wait. */
  fd_status (*link)(struct fd_link **link, fd_comm *comm, struct fd_device *dev);
  /* Ends the whole job with this exit code; does not return. */
  void (*abort)(fd_comm *comm, int code);
  /* Orderly end; releases the communicator. */
  void (*finish)(fd_comm *comm);
} fd_comm_ops;

/* What a rank is doing: written by its main thread, told to the other ranks by its watchdog. */
typedef struct fd_watch {
  _Atomic double limit, stall; /* seconds without a sign of life, and of waiting for a rank that lives without a sign of progress,
                                  that end the job; 0: none */
  _Atomic int64_t step;        /* -1: not in a step */
  const char *_Atomic phase;   /* lives for ever; NULL: none */
  const char *_Atomic waiting; /* the collective that it is in, or NULL */
  _Atomic double phase_since, waiting_since;
  double waited; /* seconds in collectives so far */
} fd_watch;

enum { FD_HOST_MAX = 64, FD_PLACE_MAX = FD_HOST_MAX + 32 };

struct fd_comm {
  int rank, size;
  char (*host)[FD_HOST_MAX];  /* [size] names of the ranks' machines; NULL: all are this one */
  int64_t *_Atomic gpu;       /* [size] numbers of the ranks' GPUs there; NULL: they have none */
  int local_rank, local_size; /* among the ranks of this machine */
  uint64_t bytes_sent;        /* payload that this rank sent, for tests and the report */
  fd_watch watch;
  const fd_comm_ops *ops;
};

/* Says what this rank does from now on, for messages: "step 12 in backward". `phase` is a text that lives for ever. */
static inline void fd_comm_phase(fd_comm *comm, int64_t step, const char *phase) {
  atomic_store(&comm->watch.step, step);
  atomic_store(&comm->watch.phase, phase);
  atomic_store(&comm->watch.phase_since, fd_seconds());
}

/* The machine of a rank, for messages. */
static inline const char *fd_comm_host(const fd_comm *comm, int rank) { return comm->host ? comm->host[rank] : "this machine"; }

/* Where a rank computes, for messages: "node7" or "node7, GPU 3". Returns `text`. */
const char *fd_comm_place(const fd_comm *comm, int rank, char text[FD_PLACE_MAX]);

/* The communicator of a single process. */
fd_comm *fd_comm_self(void);

/* Sum over ranks, in place and blocking, along the same tree as fd_link_tree_sum. `scratch` holds count / 2 + 1 elements. */
fd_status fd_comm_tree_sum_f64(fd_comm *comm, double *data, size_t count, double *scratch) FD_MUST_CHECK;

/* Root's text to everyone: on other ranks *text is allocated (released with free()). */
fd_status fd_comm_share_text(fd_comm *comm, char **text, size_t *bytes) FD_MUST_CHECK;

/* rows[size][words]: each rank has filled its own row; afterwards all have all of them. */
fd_status fd_comm_gather_rows(fd_comm *comm, void *rows, size_t words) FD_MUST_CHECK;

/* FD_RETRY on all ranks when one of them was asked to stop by a signal, else FD_OK. */
fd_status fd_comm_stop_asked(fd_comm *comm) FD_MUST_CHECK;

/* The largest status over the ranks: all ranks learn whether one of them failed. */
fd_status fd_comm_agree(fd_comm *comm, fd_status mine);

/* FD_OK where all ranks have the same words (each with its NUL, `bytes` in all), else `status` on all of them, and the root has
 * said which rank on which host has which word in the place of the others'. `what` is the name of the thing, `remedy` what would
 * be right. Costs one small collective. */
fd_status fd_comm_same(fd_comm *comm, fd_status status, const char *what, const char *words, size_t bytes,
                       const char *remedy) FD_MUST_CHECK;
fd_status fd_comm_same_text(fd_comm *comm, fd_status status, const char *what, const char *text,
                            const char *remedy) FD_MUST_CHECK;

/* Compares program, environment and command line: before a command reads its arguments, since a rank that refuses its own would
 * leave the others waiting. */
fd_status fd_comm_same_start(fd_comm *comm, int argc, char *const *argv) FD_MUST_CHECK;

#endif
