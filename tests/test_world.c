/* Collectives and the link over MPI with more data than one call takes: this program, started on two ranks. */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

#include "device/link.h"
#include "mpi/world.h"

enum { CALL = 1 << 26, MORE = 12345 }; /* bytes that one call takes: more than these are sent in pieces */

/* Byte i of data number `what`: no piece is that of another place. */
static uint8_t byte_of(size_t i, int what) { return (uint8_t)((i + (size_t)what) * 2654435761u >> 13); }

/* A whole number, so that sums have no rounding; those of two ranks differ. */
static float float_of(size_t i, int rank) { return (float)((int)(i % 1000003) - 500000 + rank); }

#define MUST(condition)                                                                    \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      fprintf(stderr, "rank %d, %s:%d: %s\n", comm->rank, __FILE__, __LINE__, #condition); \
      comm->ops->abort(comm, 1);                                                           \
    }                                                                                      \
  } while (0)

static void check_broadcast(fd_comm *comm) {
  const size_t bytes = (size_t)CALL + MORE;
  uint8_t *data = malloc(bytes);
  uint64_t sent = comm->bytes_sent;
  for (size_t i = 0; i < bytes; i++) data[i] = comm->rank == 1 ? byte_of(i, 0) : 0;
  MUST(comm->ops->broadcast(comm, data, bytes, 1) == FD_OK);
  for (size_t i = 0; i < bytes; i++) MUST(data[i] == byte_of(i, 0));
  MUST(comm->bytes_sent - sent == (comm->rank == 1 ? bytes : 0));
  free(data);
}

/* One rank sends more than a call takes, the other one less. */
static void check_exchange(fd_comm *comm) {
  const size_t bytes[2] = {(size_t)CALL + MORE, MORE};
  int mine = comm->rank, theirs = !mine;
  uint8_t *send = malloc(bytes[mine]), *receive = malloc(bytes[theirs]);
  uint64_t sent = comm->bytes_sent;
  for (size_t i = 0; i < bytes[mine]; i++) send[i] = byte_of(i, mine);
  MUST(comm->ops->exchange(comm, theirs, send, bytes[mine], receive, bytes[theirs]) == FD_OK);
  for (size_t i = 0; i < bytes[theirs]; i++) MUST(receive[i] == byte_of(i, theirs));
  MUST(comm->bytes_sent - sent == bytes[mine]);
  free(send);
  free(receive);
}

static void check_sum(fd_comm *comm) {
  const size_t count = CALL / sizeof(uint64_t) + MORE;
  uint64_t *data = malloc(count * sizeof *data), sent = comm->bytes_sent;
  for (size_t i = 0; i < count; i++) data[i] = ((uint64_t)i << 33) + (uint64_t)comm->rank;
  MUST(comm->ops->sum_u64(comm, data, count) == FD_OK);
  for (size_t i = 0; i < count; i++) MUST(data[i] == ((uint64_t)i << 34) + 1);
  MUST(comm->bytes_sent - sent == count * sizeof *data);
  free(data);
}

/* Exchanges, an addition and a sum in one queue: each begins after those before it. */
static void check_link(fd_comm *comm) {
  const size_t count = (1 << 24) + MORE, less = MORE; /* floats of a message: 1 << 24 */
  fd_config config;
  fd_device *dev;
  fd_link *link;
  int mine = comm->rank, theirs = !mine, idle = 0;
  size_t sent = mine ? less : count, received = mine ? count : less;
  float *a = malloc(count * sizeof *a), *b = malloc(count * sizeof *b);
  fd_config_defaults(&config);
  config.device.threads = 1;
  MUST(fd_device_open(&dev, &config, 0, 1) == FD_OK);
  MUST(comm->ops->link(&link, comm, dev) == FD_OK);
  for (size_t i = 0; i < count; i++) a[i] = float_of(i, mine), b[i] = 0;
  MUST(link->follow(link) == FD_OK);
  MUST(link->exchange(link, theirs, a, sent, b, received) == FD_OK);
  MUST(link->add(link, count, a, b, a) == FD_OK);
  MUST(link->sum(link, a, count) == FD_OK);
  while (!idle) MUST(link->progress(link, &idle) == FD_OK);
  for (size_t i = 0; i < count; i++) {
    MUST(b[i] == (i < received ? float_of(i, theirs) : 0));
    MUST(a[i] == float_of(i, 0) + float_of(i, 1) + float_of(i, 0) + (i < less ? float_of(i, 1) : 0));
  }
  MUST(link->done == 4 && link->bytes_sent == (sent + count) * sizeof *a);
  MUST(link->lead(link) == FD_OK);
  link->close(link);
  fd_device_close(&dev);
  free(a);
  free(b);
}

/* The time that a rank waits for the others is the sum over its calls; the bound leaves room for a busy machine. */
static void check_waiting(fd_comm *comm) {
  enum { CALLS = 10, LATE_MS = 40 };
  double waited = comm->watch.waited;
  for (int i = 0; i < CALLS; i++) {
    if (comm->rank == 1) usleep(1000 * LATE_MS);
    MUST(comm->ops->barrier(comm) == FD_OK);
  }
  if (comm->rank == 0) MUST(comm->watch.waited - waited > 2e-3 * LATE_MS);
}

static int as_rank(int argc, char **argv) {
  fd_comm *comm;
  if (fd_world_start(&comm, &argc, &argv, 1) != FD_OK) return 1;
  MUST(comm->size == 2 && comm->local_size == 2 && comm->local_rank == comm->rank);
  check_waiting(comm);
  check_broadcast(comm);
  check_exchange(comm);
  check_sum(comm);
  check_link(comm);
  comm->ops->finish(comm);
  return 0;
}

static char program[4096];

static void two_ranks(void **state) {
  (void)state;
  char command[sizeof program + 512];
  snprintf(command, sizeof command,
           "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1 "
           "OMPI_MCA_btl_vader_single_copy_mechanism=none ASAN_OPTIONS=detect_leaks=0 "
           "timeout 60 mpirun -n 2 --oversubscribe --bind-to none '%s' rank",
           program);
  int code = system(command);
  assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
}

int main(int argc, char **argv) {
  if (argc > 1) return as_rank(argc, argv);
  const struct CMUnitTest tests[] = {cmocka_unit_test(two_ranks)};
  if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
