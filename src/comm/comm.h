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

/* The functions of an implementation. All are collective over the ranks (exchange: over the two peers) and block. */
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

/* What a rank is doing: written by its main thread, sent to the other ranks by its watchdog. Limits are seconds that end the job,
 * 0: none. */
typedef struct fd_watch {
  _Atomic double limit;        /* without a sign of life from a rank */
  _Atomic double stall;        /* of waiting for a rank that is alive but shows no progress */
  _Atomic int64_t step;        /* -1: not in a step */
  const char *_Atomic phase;   /* a static text; NULL: none */
  const char *_Atomic waiting; /* the collective in progress, or NULL */
  _Atomic double phase_since, waiting_since;
  double waited; /* seconds in collectives so far */
} fd_watch;

enum { FD_HOST_MAX = 64, FD_PLACE_MAX = FD_HOST_MAX + 32 };

struct fd_comm {
  int rank, size;
  char (*host)[FD_HOST_MAX];  /* [size] hostnames of the ranks; NULL: all are on this machine */
  int64_t *_Atomic gpu;       /* [size] GPU numbers of the ranks on their hosts; NULL: no GPUs */
  int local_rank, local_size; /* among the ranks of this machine */
  uint64_t bytes_sent;        /* payload that this rank sent, for tests and the report */
  fd_watch watch;
  const fd_comm_ops *ops;
};

/* Sets what this rank does from now on, for messages: "step 12 in backward". `phase` is a static text. */
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

/* Broadcasts the root's text of *bytes bytes, which is borrowed there: on other ranks *text is allocated, NUL-terminated, to be
 * released with free(). */
fd_status fd_comm_share_text(fd_comm *comm, char **text, size_t *bytes) FD_MUST_CHECK;

/* All-gather: each rank has filled its own row of rows[size][words], words of 64 bits; afterwards all ranks have all rows. */
fd_status fd_comm_gather_rows(fd_comm *comm, void *rows, size_t words) FD_MUST_CHECK;

/* FD_RETRY on all ranks when a signal requested one of them to stop, else FD_OK. */
fd_status fd_comm_stop_asked(fd_comm *comm) FD_MUST_CHECK;

/* The largest status over the ranks: all ranks learn whether one of them failed. */
fd_status fd_comm_agree(fd_comm *comm, fd_status mine) FD_MUST_CHECK;

/* FD_OK when all ranks have the same words (each NUL-terminated, `bytes` in all), else `status` on all of them, after the root
 * has reported which rank on which host differs in which word. `what` names the compared thing, `remedy` says how to make it the
 * same. Costs one small collective. */
fd_status fd_comm_same(fd_comm *comm, fd_status status, const char *what, const char *words, size_t bytes,
                       const char *remedy) FD_MUST_CHECK;
fd_status fd_comm_same_text(fd_comm *comm, fd_status status, const char *what, const char *text,
                            const char *remedy) FD_MUST_CHECK;

/* The first collective of a job, whose ranks may be of other builds: compares programs and the environment variables that results
 * depend on. */
fd_status fd_comm_same_program(fd_comm *comm) FD_MUST_CHECK;

/* Compares the command lines, before a command parses its arguments: a rank that rejects its own would leave the others waiting.
 */
fd_status fd_comm_same_arguments(fd_comm *comm, int argc, char *const *argv) FD_MUST_CHECK;

#endif
