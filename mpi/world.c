/* Collectives over MPI (MPI-3, host buffers), and the choice between MPI and a single process. */
#include "mpi/world.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>

#include "base/memory.h"

/* Any of these says that a launcher started this process as one of several. */
static int launched(void) {
  static const char *const signs[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"};
  for (unsigned i = 0; i < sizeof signs / sizeof *signs; i++)
    if (getenv(signs[i])) return 1;
  return 0;
}

static fd_status check(int code, const char *what) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (code == MPI_SUCCESS) return FD_OK;
  MPI_Error_string(code, text, &length);
  return fd_fail(FD_LOST, "%s failed: %.*s", what, length, text);
}

enum { CHUNK = 1 << 30 }; /* counts of MPI-3 are ints */

static fd_status mpi_exchange(fd_comm *comm, int peer, const void *send, size_t send_bytes, void *receive, size_t receive_bytes) {
  const char *from = send;
  char *to = receive;
  comm->bytes_sent += send_bytes;
  while (send_bytes || receive_bytes) {
    int out = send_bytes > CHUNK ? CHUNK : (int)send_bytes, in = receive_bytes > CHUNK ? CHUNK : (int)receive_bytes;
    FD_TRY(check(MPI_Sendrecv(from, out, MPI_BYTE, peer, 0, to, in, MPI_BYTE, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE),
                 "MPI_Sendrecv"));
    from += out, to += in;
    send_bytes -= (size_t)out, receive_bytes -= (size_t)in;
  }
  return FD_OK;
}

static fd_status mpi_broadcast(fd_comm *comm, void *data, size_t bytes, int root) {
  if (comm->rank == root) comm->bytes_sent += bytes;
  for (char *at = data; bytes;) {
    int n = bytes > CHUNK ? CHUNK : (int)bytes;
    FD_TRY(check(MPI_Bcast(at, n, MPI_BYTE, root, MPI_COMM_WORLD), "MPI_Bcast"));
    at += n, bytes -= (size_t)n;
  }
  return FD_OK;
}

static fd_status mpi_sum(fd_comm *comm, void *data, size_t count, size_t size, MPI_Datatype type) {
  comm->bytes_sent += count * size;
  for (char *at = data; count;) {
    int n = count > CHUNK / 8 ? CHUNK / 8 : (int)count;
    FD_TRY(check(MPI_Allreduce(MPI_IN_PLACE, at, n, type, MPI_SUM, MPI_COMM_WORLD), "MPI_Allreduce"));
    at += (size_t)n * size, count -= (size_t)n;
  }
  return FD_OK;
}

static fd_status mpi_sum_u64(fd_comm *comm, uint64_t *data, size_t count) {
  return mpi_sum(comm, data, count, sizeof *data, MPI_UINT64_T);
}

static fd_status mpi_sum_f32(fd_comm *comm, float *data, size_t count) {
  return mpi_sum(comm, data, count, sizeof *data, MPI_FLOAT);
}

static fd_status mpi_barrier(fd_comm *comm) {
  (void)comm;
  return check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier");
}

static void mpi_abort(fd_comm *comm, int code) {
  (void)comm;
  MPI_Abort(MPI_COMM_WORLD, code);
}

static void mpi_finish(fd_comm *comm) {
  MPI_Finalize();
  free(comm);
}

fd_status fd_world_start(fd_comm **comm, int *argc, char ***argv) {
  static const fd_comm_ops ops = {"mpi",       mpi_exchange, mpi_broadcast, mpi_sum_u64,
                                  mpi_sum_f32, mpi_barrier,  mpi_abort,     mpi_finish};
  *comm = fd_comm_self();
  if (!launched()) {
    const char *tasks = getenv("SLURM_STEP_NUM_TASKS"); /* of srun; a batch script itself has none */
    if (tasks && atoi(tasks) > 1)
      return fd_fail(FD_USAGE,
                     "srun started %s separate processes that do not know each other; use: srun --mpi=pmix findna ... (srun "
                     "--mpi=list shows what this cluster has)",
                     tasks);
    return FD_OK;
  }
  int provided;
  FD_TRY(check(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread"));
  fd_comm *world;
  FD_TRY(fd_alloc(&world, 1, sizeof *world, "the communicator"));
  world->ops = &ops;
  MPI_Comm_rank(MPI_COMM_WORLD, &world->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world->size);
  MPI_Comm local;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local);
  MPI_Comm_rank(local, &world->local_rank);
  MPI_Comm_size(local, &world->local_size);
  MPI_Comm_free(&local);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); /* every call above is checked */
  *comm = world;
  return FD_OK;
}
