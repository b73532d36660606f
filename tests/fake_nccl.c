/* Replaces libnccl.so.2 for the emulated GPU, over MPI: calls return at once and are in progress for a while.
 * FAKE_NCCL_FAULT=RANK:N makes that rank's N-th group fail; RANK:N:lost, never be accepted; RANK:N:end, its finalization never
 * end. It reports on stderr what NCCL forbids at the end of a communicator, and how it ended. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/emulate_nccl.h"
#include "cuda/emulate_stream.h"

enum { LOOKS = 3, FOREVER = 1 << 30, OPERATIONS = 8, CHANNELS_MAX = 32 };

struct ncclComm {
  MPI_Comm mpi;
  int rank, size, looks; /* looks: how often it is asked for until the operation in progress is accepted */
  ncclResult_t failed;
  int groups, fault_rank, fault_at, lost, no_end;
  int finalized;
};

struct operation {
  ncclComm_t comm;
  const void *from;
  void *to;
  size_t count;
  int peer;
};

/* What a group has been given. */
static struct group {
  struct operation operation[OPERATIONS];
  int count;
  void *stream;
} group;
static int depth;

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  memset(id, 1, sizeof *id);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int size, ncclUniqueId id, int rank, ncclConfig_t *config) {
  const char *fault = getenv("FAKE_NCCL_FAULT");
  char how[8] = "";
  if (id.internal[5] != 1 || config->blocking || config->maxCTAs < 1 || config->maxCTAs > CHANNELS_MAX) return ncclSystemError;
  ncclComm_t c = *comm = calloc(1, sizeof *c);
  c->rank = rank, c->size = size, c->looks = LOOKS, c->fault_rank = -1;
  if (fault) sscanf(fault, "%d:%d:%7s", &c->fault_rank, &c->fault_at, how);
  c->lost = !strcmp(how, "lost");
  c->no_end = !strcmp(how, "end");
  if (size > 1) MPI_Comm_dup(MPI_COMM_WORLD, &c->mpi);
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *state) {
  *state = comm->failed ? comm->failed : comm->looks > 0 ? ncclInProgress : ncclSuccess;
  if (comm->looks > 0 && comm->looks < FOREVER) comm->looks--;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart(void) {
  depth++;
  return ncclSuccess;
}

static ncclResult_t keep(struct operation o, void *stream) {
  if (!depth || o.comm->looks || group.count == OPERATIONS) return ncclSystemError; /* nothing may be asked for meanwhile */
  if (group.count && stream != group.stream) return ncclSystemError;
  group.operation[group.count++] = o, group.stream = stream;
  return ncclSuccess;
}

ncclResult_t ncclSend(const void *from, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, void *stream) {
  return type == ncclFloat ? keep((struct operation){comm, from, NULL, count, peer}, stream) : ncclSystemError;
}

ncclResult_t ncclRecv(void *to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, void *stream) {
  return type == ncclFloat ? keep((struct operation){comm, NULL, to, count, peer}, stream) : ncclSystemError;
}

static void exchange(const void *with) {
  const struct group *g = with;
  MPI_Request request[OPERATIONS];
  for (int i = 0; i < g->count; i++) {
    const struct operation *o = &g->operation[i];
    if (o->to) MPI_Irecv(o->to, (int)o->count, MPI_FLOAT, o->peer, 0, o->comm->mpi, &request[i]);
    else MPI_Isend(o->from, (int)o->count, MPI_FLOAT, o->peer, 0, o->comm->mpi, &request[i]);
  }
  MPI_Waitall(g->count, request, MPI_STATUSES_IGNORE);
}

ncclResult_t ncclGroupEnd(void) {
  struct group given = group;
  if (!depth) return ncclSystemError;
  depth--;
  group.count = 0;
  if (!given.count) return ncclSuccess;
  ncclComm_t comm = given.operation[0].comm;
  comm->looks = LOOKS;
  if (comm->rank == comm->fault_rank && !comm->no_end && comm->groups++ == comm->fault_at) {
    if (comm->lost) comm->looks = FOREVER;
    else comm->failed = ncclRemoteError;
    return ncclInProgress;
  }
  fd_emulated_put(given.stream, exchange, &given, sizeof given);
  return ncclInProgress;
}

static void add_all(const void *with) {
  const struct operation *o = with;
  MPI_Allreduce(o->from == o->to ? MPI_IN_PLACE : o->from, o->to, (int)o->count, MPI_FLOAT, MPI_SUM, o->comm->mpi);
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                           void *stream) {
  const struct operation all = {comm, from, to, count, 0};
  if (type != ncclFloat || op != ncclSum || comm->looks) return ncclSystemError;
  if (comm->size > 1) fd_emulated_put(stream, add_all, &all, sizeof all);
  comm->looks = LOOKS;
  return ncclInProgress;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  if (comm->failed || comm->looks || comm->finalized)
    fprintf(stderr, "fake NCCL: finalized after a failure or in an operation\n");
  comm->finalized = 1;
  comm->looks = comm->no_end && comm->rank == comm->fault_rank ? FOREVER : LOOKS;
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (!comm->finalized || comm->looks) fprintf(stderr, "fake NCCL: destroyed before it was finalized\n");
  else fprintf(stderr, "fake NCCL: destroyed\n");
  free(comm);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  fprintf(stderr, "fake NCCL: aborted%s\n", depth ? " in an open group" : "");
  free(comm);
  return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) { return result == ncclRemoteError ? "a remote process failed" : "an error"; }
