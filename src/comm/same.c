/* Compares data of the ranks; the root reports which rank differs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/version.h"
#include "comm/comm.h"

enum { DIGEST_WORDS = FD_SHA256_BYTES / sizeof(uint64_t), SHOWN = 120 };

/* The words of one rank, each NUL-terminated. */
typedef struct list {
  int rank;
  char *words;
  size_t bytes;
} list;

/* *reference: the lowest rank with the most common digest. Returns the first rank that differs from it, or -1. */
static int compare(int size, uint64_t (*all)[DIGEST_WORDS], int *reference) {
  int best = 0;
  *reference = 0;
  for (int r = 0; r < size; r++) {
    int same = 0;
    for (int other = 0; other < size; other++) same += !memcmp(all[r], all[other], sizeof all[r]);
    if (same > best) best = same, *reference = r;
  }
  for (int r = 0; r < size; r++)
    if (memcmp(all[r], all[*reference], sizeof all[r])) return r;
  return -1;
}

/* Broadcasts the words of l->rank. */
static fd_status fetch(fd_comm *comm, list *l, const char *mine, size_t bytes) {
  uint64_t length = bytes;
  FD_TRY(comm->ops->broadcast(comm, &length, sizeof length, l->rank));
  l->bytes = (size_t)length;
  FD_TRY(fd_alloc(&l->words, l->bytes + 1, 1, "comparison of the ranks"));
  if (comm->rank == l->rank) memcpy(l->words, mine, bytes);
  return comm->ops->broadcast(comm, l->words, l->bytes, l->rank);
}

/* "rank 1 (n3) has 'b'", for the word at offset `at`. */
static int describe(const fd_comm *comm, const list *l, size_t at, char *text, size_t size) {
  char place[FD_PLACE_MAX];
  int n = snprintf(text, size, "rank %d (%s) has ", l->rank, fd_comm_place(comm, l->rank, place));
  if (at >= l->bytes) return n + snprintf(text + n, size - (size_t)n, "nothing more");
  int cut = strlen(l->words + at) > SHOWN;
  return n + snprintf(text + n, size - (size_t)n, "'%.*s%s'", SHOWN, l->words + at, cut ? "..." : "");
}

/* Reports the first word in which the two lists differ. */
static void say(const fd_comm *comm, const list *differs, const list *others, const char *what, const char *remedy,
                fd_status status) {
  char text[2 * (SHOWN + FD_PLACE_MAX + 64)];
  size_t at = 0;
  while (at < differs->bytes && at < others->bytes && !strcmp(differs->words + at, others->words + at))
    at += strlen(differs->words + at) + 1;
  int n = describe(comm, differs, at, text, sizeof text);
  n += snprintf(text + n, sizeof text - (size_t)n, ", ");
  describe(comm, others, at, text + n, sizeof text - (size_t)n);
  (void)fd_fail(status, "the ranks do not have the same %s: %s; %s", what, text, remedy);
}

fd_status fd_comm_same(fd_comm *comm, fd_status status, const char *what, const char *words, size_t bytes, const char *remedy) {
  list differs = {0}, others = {0};
  uint64_t(*all)[DIGEST_WORDS];
  unsigned char digest[FD_SHA256_BYTES];
  if (comm->size == 1) return FD_OK;
  FD_TRY(fd_sha256_of(words, bytes, digest));
  FD_TRY(fd_alloc(&all, (size_t)comm->size, sizeof *all, "comparison of the ranks"));
  memcpy(all[comm->rank], digest, sizeof digest);
  fd_status call = fd_comm_gather_rows(comm, all, DIGEST_WORDS);
  if (call == FD_OK) differs.rank = compare(comm->size, all, &others.rank);
  free(all);
  FD_TRY(call);
  if (differs.rank < 0) return FD_OK;
  call = fetch(comm, &differs, words, bytes);
  if (call == FD_OK) call = fetch(comm, &others, words, bytes);
  if (call == FD_OK && comm->rank == 0) say(comm, &differs, &others, what, remedy, status);
  if (call == FD_OK) call = comm->ops->barrier(comm); /* no rank ends the job before the root's message */
  free(differs.words);
  free(others.words);
  return call == FD_OK ? status : call;
}

fd_status fd_comm_same_text(fd_comm *comm, fd_status status, const char *what, const char *text, const char *remedy) {
  return fd_comm_same(comm, status, what, text, strlen(text) + 1, remedy);
}

/* Compares version and hash of the executable: two builds may have the same version. The hash is empty where the file may be
 * executed but not read. */
static fd_status same_build(fd_comm *comm) {
  static const char self[] = "/proc/self/exe";
  char text[256], hex[FD_SHA256_HEX] = "";
  uint64_t bytes;
  if (!access(self, R_OK)) FD_TRY(fd_sha256_file(self, hex, &bytes));
  snprintf(text, sizeof text, "findna %.100s, build %.16s", fd_version(), hex);
  return fd_comm_same_text(comm, FD_CONFIG, "program", text,
                           "results may depend on the build: install the same one on every machine");
}

/* Compares the environment variables that results may depend on: of the plugin, and those that select kernels and the BLAS
 * library. mpirun passes them to other machines only when told to. */
static fd_status same_environment(fd_comm *comm) {
  static const char *const names[] = {"FINDNA_PLUGIN", "FINDNA_PRODUCTS", "FINDNA_SIMD", "FINDNA_BLAS"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    char what[64];
    snprintf(what, sizeof what, "environment variable %s", names[i]);
    FD_TRY(fd_comm_same_text(comm, FD_CONFIG, what, value ? value : "",
                             "set it to the same value for all of them (mpirun -x NAME)"));
  }
  return FD_OK;
}

fd_status fd_comm_same_program(fd_comm *comm) {
  if (comm->size == 1) return FD_OK;
  FD_TRY(same_build(comm));
  return same_environment(comm);
}

fd_status fd_comm_same_arguments(fd_comm *comm, int argc, char *const *argv) {
  char *words;
  size_t bytes = 0, used = 0;
  if (comm->size == 1) return FD_OK;
  for (int i = 1; i < argc; i++) bytes += strlen(argv[i]) + 1;
  FD_TRY(fd_alloc(&words, bytes + 1, 1, "the command line"));
  for (int i = 1; i < argc; used += strlen(argv[i++]) + 1) memcpy(words + used, argv[i], strlen(argv[i]) + 1);
  fd_status status = fd_comm_same(
      comm, FD_USAGE, "command line", words, bytes,
      "the ranks of a job work together on one command. For separate work start each process by itself, without mpirun or with "
      "srun -n 1 --mpi=none findna ...");
  free(words);
  return status;
}
