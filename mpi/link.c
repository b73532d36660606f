/* A queue of messages and sums over MPI, which calls of progress advance. */
#include "mpi/link.h"

#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "mpi/check.h"

#define SUM_OF "the sum of gradients: "

enum { CHUNK = 1 << 24 /* floats of one message, or more if there would be too many */, REQUESTS = 64 };

typedef enum request_kind { FOLLOW, EXCHANGE, ADD, SUM } request_kind;

/* One request. */
typedef struct job {
  request_kind kind;
  int peer;
  size_t send_count, count; /* count: to receive, to add or to sum */
  const float *send, *other;
  float *to;
} job;

typedef struct mpi_link {
  fd_link link; /* first */
  fd_device *dev;
  job *queue;
  size_t first, last, room; /* jobs first .. last - 1 are pending */
  int started;              /* the messages of the first job are in transit */
  MPI_Request request[REQUESTS];
  int requests;
  float *staged; /* host copies for a device with its own memory */
  size_t staged_room;
  /* Faults, for tests. */
  double delay, not_before; /* not_before: start of the first job while it is held */
  int held;
  int fault_rank, fault_lost;
  uint64_t fault_at, faults_seen;
} mpi_link;

/* Shared by successive links; freed by MPI_Finalize, since MPI_Comm_free is collective. */
static MPI_Comm messages = MPI_COMM_NULL;

static mpi_link *of(fd_link *link) { return (mpi_link *)(void *)link; }

static fd_status put(mpi_link *l, job j) {
  if (l->first == l->last) l->first = l->last = 0;
  FD_TRY(fd_grow(&l->queue, &l->room, l->last + 1, sizeof *l->queue, "messages"));
  l->queue[l->last++] = j;
  return FD_OK;
}

static fd_status follow(fd_link *link) { return put(of(link), (job){.kind = FOLLOW}); }

static fd_status exchange(fd_link *link, int peer, const float *send, size_t send_count, float *receive, size_t receive_count) {
  link->bytes_sent += send_count * sizeof(float);
  return put(of(link), (job){EXCHANGE, peer, send_count, receive_count, send, NULL, receive});
}

static fd_status add(fd_link *link, size_t count, const float *a, const float *b, float *out) {
  return put(of(link), (job){ADD, 0, 0, count, a, b, out});
}

static fd_status sum(fd_link *link, float *data, size_t count) {
  link->bytes_sent += count * sizeof(float);
  return put(of(link), (job){SUM, 0, 0, count, NULL, NULL, data});
}

/* Sets *chunk to the floats of a message: each direction has half of the requests, and both sides find the same for a count. */
static fd_status chunk_of(size_t count, size_t *chunk) {
  size_t least = (count + REQUESTS / 2 - 1) / (REQUESTS / 2);
  *chunk = least > CHUNK ? least : CHUNK;
  if (*chunk <= INT_MAX) return FD_OK;
  return fd_fail(FD_CONFIG, "%zu gradients at a time are more than MPI sends; use a smaller comm.bucket", count);
}

/* Starts the messages of one direction, in chunks. */
static fd_status start(mpi_link *l, const job *j, float *data, size_t count, int receive) {
  size_t chunk;
  FD_TRY(chunk_of(count, &chunk));
  for (size_t at = 0; at < count; at += chunk) {
    int n = (int)(count - at < chunk ? count - at : chunk);
    MPI_Request *request = &l->request[l->requests];
    FD_TRY(fd_mpi_check(receive ? MPI_Irecv(data + at, n, MPI_FLOAT, j->peer, 0, messages, request)
                                : MPI_Isend(data + at, n, MPI_FLOAT, j->peer, 0, messages, request),
                        receive ? SUM_OF "MPI_Irecv" : SUM_OF "MPI_Isend"));
    l->requests++;
  }
  return FD_OK;
}

/* *staged: a host copy of the data of a device with its own memory, followed by room for `more` floats; else the data itself. */
static fd_status stage(mpi_link *l, const float *data, size_t count, size_t more, float **staged) {
  *staged = (float *)data;
  if (!l->dev->own_memory) return FD_OK;
  FD_TRY(fd_grow(&l->staged, &l->staged_room, count + more, sizeof(float), "gradients in transit"));
  *staged = l->staged;
  return l->dev->copy(l->dev, l->staged, data, count * sizeof(float));
}

static fd_status start_exchange(mpi_link *l, const job *j) {
  float *from;
  FD_TRY(stage(l, j->send, j->send_count, j->count, &from));
  FD_TRY(start(l, j, l->dev->own_memory ? from + j->send_count : j->to, j->count, 1));
  return start(l, j, from, j->send_count, 0);
}

static fd_status start_sum(mpi_link *l, const job *j) {
  float *data;
  size_t chunk;
  FD_TRY(stage(l, j->to, j->count, 0, &data));
  FD_TRY(chunk_of(j->count, &chunk));
  for (size_t at = 0; at < j->count; at += chunk) {
    int n = (int)(j->count - at < chunk ? j->count - at : chunk);
    FD_TRY(fd_mpi_check(MPI_Iallreduce(MPI_IN_PLACE, data + at, n, MPI_FLOAT, MPI_SUM, messages, &l->request[l->requests]),
                        SUM_OF "MPI_Iallreduce"));
    l->requests++;
  }
  return FD_OK;
}

/* Faults for tests: a delayed message, a failure, or a message that never arrives. */
static fd_status hold_back(mpi_link *l) {
  uint32_t word[4] = {0};
  l->held = 1;
  if (l->delay > 0) fd_philox(word, fd_rng_key_of((uint64_t)l->link.rank, FD_RNG_TEST), l->link.bytes_sent, l->first);
  l->not_before = l->delay > 0 ? fd_seconds() + l->delay * (double)fd_unit(word[0]) : 0;
  if (l->link.rank != l->fault_rank || l->faults_seen++ != l->fault_at) return FD_OK;
  if (!l->fault_lost) return fd_fail(FD_LOST, "the sum of gradients: an injected failure");
  l->not_before = 1e300;
  return FD_OK;
}

static fd_status start_job(mpi_link *l, const job *j) {
  l->requests = 0;
  l->started = 1;
  switch (j->kind) {
    case FOLLOW: return l->dev->sync(l->dev);
    case ADD: l->dev->ops.add(l->dev, j->count, j->send, j->other, j->to); return FD_OK;
    case EXCHANGE: return start_exchange(l, j);
    case SUM: return start_sum(l, j);
  }
  return FD_OK;
}

static fd_status end_job(mpi_link *l, const job *j) {
  l->started = l->held = 0;
  l->first++;
  l->link.done++;
  if (j->kind == ADD || j->kind == FOLLOW || !l->dev->own_memory) return FD_OK;
  return l->dev->copy(l->dev, j->to, l->staged + (j->kind == EXCHANGE ? j->send_count : 0), j->count * sizeof(float));
}

static fd_status progress(fd_link *link, int *idle) {
  mpi_link *l = of(link);
  for (*idle = 0; l->first < l->last;) {
    job j = l->queue[l->first];
    if (!l->started) {
      if (!l->held && (j.kind == EXCHANGE || j.kind == SUM)) FD_TRY(hold_back(l));
      if (l->held && fd_seconds() < l->not_before) return FD_OK;
      FD_TRY(start_job(l, &j));
    }
    MPI_Status unread[REQUESTS]; /* gcc 12 warns of MPICH's MPI_STATUSES_IGNORE, a pointer to 1 */
    int done = 1;
    if (l->requests) FD_TRY(fd_mpi_check(MPI_Testall(l->requests, l->request, &done, unread), SUM_OF "a message"));
    if (!done) return FD_OK;
    FD_TRY(end_job(l, &j));
  }
  *idle = 1;
  return FD_OK;
}

static fd_status lead(fd_link *link) {
  (void)link;
  return FD_OK;
}

static void close_link(fd_link *link) {
  mpi_link *l = of(link);
  int under_way = l->started && l->requests; /* only in a process that is about to end, after a failure */
  for (int i = 0; i < l->requests && under_way && l->queue[l->first].kind == EXCHANGE; i++) /* MPI cancels no collective call */
    if (l->request[i] != MPI_REQUEST_NULL) MPI_Cancel(&l->request[i]), MPI_Request_free(&l->request[i]);
  free(l->queue);
  if (!under_way) free(l->staged); /* else MPI may still write to it */
  free(l);
}

static void read_faults(mpi_link *l) {
  const char *delay = getenv("FINDNA_LINK_DELAY"), *fault = getenv("FINDNA_LINK_FAULT");
  unsigned long long at = 0;
  char how[8] = "";
  l->fault_rank = -1;
  if (delay) l->delay = 1e-3 * strtod(delay, NULL);
  if (fault && sscanf(fault, "%d:%llu:%7s", &l->fault_rank, &at, how) >= 2)
    l->fault_at = at, l->fault_lost = !strcmp(how, "lost");
}

fd_status fd_link_mpi_start(void) { return fd_mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &messages), SUM_OF "MPI_Comm_dup"); }

fd_status fd_link_mpi_open(fd_link **link, fd_comm *comm, fd_device *dev) {
  mpi_link *l;
  *link = NULL;
  FD_TRY(fd_alloc(&l, 1, sizeof *l, "the link between ranks"));
  *l = (mpi_link){.link = {"mpi", comm->rank, comm->size, 0, 0, follow, exchange, add, sum, progress, lead, close_link},
                  .dev = dev};
  read_faults(l);
  *link = &l->link;
  return FD_OK;
}
