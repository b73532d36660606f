/* In the place of libnccl.so.2, over MPI, for the emulated GPU: calls do not wait and are under way for a while;
 * FAKE_NCCL_FAULT=RANK:N makes that rank's N-th group fail, or with RANK:N:lost be taken never. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/emulate_nccl.h"

enum { LOOKS = 3, FOR_EVER = 1 << 30, OPERATIONS = 8 };

struct ncclComm {
  MPI_Comm mpi;
  int rank, size, looks; /* looks: until what is under way has been taken */
  ncclResult_t failed;
  int groups, fault_rank, fault_at, lost;
};

/* What a group has been given. */
static struct operation {
  ncclComm_t comm;
  const void *from;
  void *to;
  size_t count;
  int peer;
} operations[OPERATIONS];
static int operation_count, depth;

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  memset(id, 1, sizeof *id);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int size, ncclUniqueId id, int rank, ncclConfig_t *config) {
  const char *fault = getenv("FAKE_NCCL_FAULT");
  char how[8] = "";
  if (id.internal[5] != 1 || config->blocking) return ncclSystemError;
  ncclComm_t c = *comm = calloc(1, sizeof *c);
  c->rank = rank, c->size = size, c->looks = LOOKS, c->fault_rank = -1;
  if (fault) sscanf(fault, "%d:%d:%7s", &c->fault_rank, &c->fault_at, how);
  c->lost = !strcmp(how, "lost");
  if (size > 1) MPI_Comm_dup(MPI_COMM_WORLD, &c->mpi);
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *state) {
  *state = comm->failed ? comm->failed : comm->looks > 0 ? ncclInProgress : ncclSuccess;
  if (comm->looks > 0 && comm->looks < FOR_EVER) comm->looks--;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart(void) {
  depth++;
  return ncclSuccess;
}

static ncclResult_t keep(struct operation o) {
  if (!depth || o.comm->looks || operation_count == OPERATIONS) return ncclSystemError; /* nothing may be asked for meanwhile */
  operations[operation_count++] = o;
  return ncclSuccess;
}

ncclResult_t ncclSend(const void *from, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, void *stream) {
  (void)stream;
  return type == ncclFloat ? keep((struct operation){comm, from, NULL, count, peer}) : ncclSystemError;
}

ncclResult_t ncclRecv(void *to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, void *stream) {
  (void)stream;
  return type == ncclFloat ? keep((struct operation){comm, NULL, to, count, peer}) : ncclSystemError;
}

ncclResult_t ncclGroupEnd(void) {
  MPI_Request request[OPERATIONS];
  int n = operation_count;
  if (!depth) return ncclSystemError;
  depth--;
  operation_count = 0;
  if (!n) return ncclSuccess;
  ncclComm_t comm = operations[0].comm;
  comm->looks = LOOKS;
  if (comm->rank == comm->fault_rank && comm->groups++ == comm->fault_at) {
    if (comm->lost) comm->looks = FOR_EVER;
    else comm->failed = ncclRemoteError;
    return ncclInProgress;
  }
  for (int i = 0; i < n; i++) {
    struct operation *o = &operations[i];
    if (o->to) MPI_Irecv(o->to, (int)o->count, MPI_FLOAT, o->peer, 0, comm->mpi, &request[i]);
    else MPI_Isend(o->from, (int)o->count, MPI_FLOAT, o->peer, 0, comm->mpi, &request[i]);
  }
  MPI_Waitall(n, request, MPI_STATUSES_IGNORE);
  return ncclInProgress;
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                           void *stream) {
  (void)stream;
  if (type != ncclFloat || op != ncclSum || comm->looks) return ncclSystemError;
  if (comm->size > 1) MPI_Allreduce(from == to ? MPI_IN_PLACE : from, to, (int)count, MPI_FLOAT, MPI_SUM, comm->mpi);
  comm->looks = LOOKS;
  return ncclInProgress;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (depth) fprintf(stderr, "fake NCCL: aborted in an open group\n");
  free(comm);
  return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) { return result == ncclRemoteError ? "a remote process failed" : "an error"; }
