/* Collectives over MPI (MPI-3, host buffers), and the choice between MPI and a single process. */
#include "mpi/world.h"

#include <fcntl.h>
#include <mpi.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"
#include "mpi/check.h"
#include "mpi/link.h"
#include "mpi/watchdog.h"

/* Whether this is the shell of 'srun --pty' (or its child): one process, whatever the variables of its step say. Only that task
 * of srun has a terminal. */
static int in_shell_of_srun(void) {
  if (!getenv("SLURM_PROCID")) return 0;
  int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  return terminal >= 0 && !close(terminal);
}

/* The environment variable by which a launcher marks this process as one of its ranks, or NULL. mpirun sets the first two, srun
 * also the others. */
static const char *launched(void) {
  static const char *const signs[] = {"OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"};
  for (int i = 0; i < 5; i++)
    if (getenv(signs[i])) return i < 2 || !in_shell_of_srun() ? signs[i] : NULL;
  return NULL;
}

/* Number of tasks of this process's job step; 1 in a batch script, which is in no step. */
static int tasks_of_srun(void) {
  const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
  return tasks && getenv("SLURM_PROCID") && !in_shell_of_srun() ? atoi(tasks) : 1;
}

typedef struct mpi_world {
  fd_comm comm; /* first: a fd_comm * of this kind is a mpi_world * */
  fd_watchdog *watchdog;
} mpi_world;

/* Called before and after a call that waits for other ranks. */
static void enter(fd_comm *comm, const char *what) {
  atomic_store(&comm->watch.waiting_since, fd_seconds());
  atomic_store(&comm->watch.waiting, what);
}

static fd_status leave(fd_comm *comm, int code) {
  const char *what = atomic_exchange(&comm->watch.waiting, NULL);
  comm->watch.waited += fd_seconds() - atomic_load(&comm->watch.waiting_since);
  return fd_mpi_check(code, what);
}

enum {
  CHUNK = 1 << 26,     /* bytes per call: on a slow network each must end within comm.limit */
  START_SECONDS = 300, /* for all ranks to arrive; until then there is no watchdog */
  SILENT_SECONDS = 30, /* comm.limit before a config is read */
  STALL_SECONDS = 600  /* comm.stall before a config is read */
};

static fd_status mpi_exchange(fd_comm *comm, int peer, const void *send, size_t send_bytes, void *receive, size_t receive_bytes) {
  const char *from = send;
  char *to = receive;
  comm->bytes_sent += send_bytes;
  while (send_bytes || receive_bytes) {
    int out = send_bytes > CHUNK ? CHUNK : (int)send_bytes, in = receive_bytes > CHUNK ? CHUNK : (int)receive_bytes;
    enter(comm, "MPI_Sendrecv");
    FD_TRY(leave(comm, MPI_Sendrecv(from, out, MPI_BYTE, peer, 0, to, in, MPI_BYTE, peer, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE)));
    from += out, to += in;
    send_bytes -= (size_t)out, receive_bytes -= (size_t)in;
  }
  return FD_OK;
}

static fd_status mpi_broadcast(fd_comm *comm, void *data, size_t bytes, int root) {
  if (comm->rank == root) comm->bytes_sent += bytes;
  for (char *at = data; bytes;) {
    int n = bytes > CHUNK ? CHUNK : (int)bytes;
    enter(comm, "MPI_Bcast");
    FD_TRY(leave(comm, MPI_Bcast(at, n, MPI_BYTE, root, MPI_COMM_WORLD)));
    at += n, bytes -= (size_t)n;
  }
  return FD_OK;
}

static fd_status mpi_sum_u64(fd_comm *comm, uint64_t *data, size_t count) {
  comm->bytes_sent += count * sizeof *data;
  while (count) {
    int n = count > CHUNK / sizeof *data ? (int)(CHUNK / sizeof *data) : (int)count;
    enter(comm, "MPI_Allreduce");
    FD_TRY(leave(comm, MPI_Allreduce(MPI_IN_PLACE, data, n, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD)));
    data += n, count -= (size_t)n;
  }
  return FD_OK;
}

static fd_status mpi_barrier(fd_comm *comm) {
  enter(comm, "MPI_Barrier");
  return leave(comm, MPI_Barrier(MPI_COMM_WORLD));
}

static void mpi_abort(fd_comm *comm, int code) {
  (void)comm;
  fd_end_job(code);
}

static void mpi_finish(fd_comm *comm) {
  mpi_world *world = (mpi_world *)(void *)comm;
  double limit = atomic_load(&comm->watch.limit);
  int together = comm->size == 1 || world->watchdog; /* all ranks arrive at the same time */
  fd_watchdog_stop(&world->watchdog);
  if (together && limit > 0) fd_guard_limit(limit, FD_LOST, "MPI_Finalize waits for a rank that does not arrive");
  MPI_Finalize();
  fd_guard_end_with(NULL);
  free(comm->host);
  free(comm->gpu);
  free(comm);
}

static fd_status learn_place(fd_comm *c) {
  MPI_Comm local;
  char host[FD_HOST_MAX] = "";
  FD_TRY(
      fd_mpi_check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local), "MPI_Comm_split_type"));
  FD_TRY(fd_mpi_check(MPI_Comm_rank(local, &c->local_rank), "MPI_Comm_rank"));
  FD_TRY(fd_mpi_check(MPI_Comm_size(local, &c->local_size), "MPI_Comm_size"));
  FD_TRY(fd_mpi_check(MPI_Comm_free(&local), "MPI_Comm_free"));
  FD_TRY(fd_alloc(&c->host, (size_t)c->size, sizeof *c->host, "the ranks' hosts"));
  gethostname(host, sizeof host - 1);
  return fd_mpi_check(MPI_Allgather(host, sizeof host, MPI_CHAR, c->host, sizeof host, MPI_CHAR, MPI_COMM_WORLD),
                      "MPI_Allgather");
}

static fd_status begin_watch(mpi_world *world, int threads) {
  fd_comm *c = &world->comm;
  c->watch.limit = SILENT_SECONDS;
  c->watch.stall = STALL_SECONDS;
  fd_comm_phase(c, -1, "start");
  if (threads == MPI_THREAD_MULTIPLE) fd_guard_end_with(fd_end_job);
  if (c->size == 1) return FD_OK;
  if (threads == MPI_THREAD_MULTIPLE) return fd_watchdog_start(&world->watchdog, c);
  if (c->rank == 0) fd_warn("this MPI has no MPI_THREAD_MULTIPLE: no watchdog; a rank that stops will not be noticed");
  return FD_OK;
}

fd_status fd_world_start(fd_comm **comm, int *argc, char ***argv, int ranks) {
  static const fd_comm_ops ops = {"mpi",       mpi_exchange,     mpi_broadcast, mpi_sum_u64,
                                  mpi_barrier, fd_link_mpi_open, mpi_abort,     mpi_finish};
  int threads, by_srun = !getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_SIZE");
  mpi_world *world;
  *comm = fd_comm_self();
  const char *sign = launched();
  if (!sign) {
    if (ranks && tasks_of_srun() > 1)
      return fd_fail(
          FD_USAGE,
          "srun started %d separate processes that do not know each other; use: srun --mpi=pmix findna ... (srun "
          "--mpi=list shows what this cluster has); for one process within such a step: env -u SLURM_STEP_NUM_TASKS findna ...",
          tasks_of_srun());
    return FD_OK;
  }
  fd_guard_watch_launcher(sign);
  fd_guard_limit(START_SECONDS, FD_LOST,
                 "the start of MPI waits for a rank that does not arrive (another program? one that has ended?)");
  if (MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &threads)) return fd_fail(FD_LOST, "MPI_Init_thread failed");
  FD_TRY(fd_alloc(&world, 1, sizeof *world, "the communicator"));
  fd_comm *c = &world->comm;
  c->ops = &ops;
  MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &c->size);
  if (ranks && by_srun && c->size == 1 && tasks_of_srun() > 1)
    return fd_fail(FD_USAGE,
                   "srun started %d processes, but each is alone: the MPI that findna is built with does not support this --mpi "
                   "of srun; try another (srun --mpi=list; MPICH needs pmi2) or mpirun",
                   tasks_of_srun());
  fd_log_set_rank(c->rank, c->size);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); /* every call from here on is checked */
  FD_TRY(learn_place(c));
  FD_TRY(fd_link_mpi_start());
  FD_TRY(begin_watch(world, threads));
  fd_guard_limit(0, FD_OK, "");
  *comm = c;
  return FD_OK;
}
