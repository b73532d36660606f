/* LD_PRELOAD library that makes one call of a program fail, to see what it does then.
 *
 *   FAULT=CALL:N:ACTION[:PATH]
 *                     CALL: open write fsync rename malloc; N: which one, from 1 on ("3+": that one and all later); ACTION: an
 *                     errno's number, sleep=SECONDS, spin (for ever), short (write half), kill; PATH: files whose path has it
 *   FAULT_RANK=R      only in rank R of an MPI job
 *   FAULT_COUNT=FILE  appends, at the end, how many calls there were */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static struct {
  char call[16], action[32], path[128];
  int n, later, on;
} plan;
static atomic_int seen;

__attribute__((constructor)) static void read_plan(void) {
  const char *text = getenv("FAULT"), *rank = getenv("FAULT_RANK"), *own = getenv("OMPI_COMM_WORLD_RANK");
  char number[16] = "";
  if (!text || (rank && (!own || strcmp(rank, own)))) return;
  if (sscanf(text, "%15[^:]:%15[^:]:%31[^:]:%127s", plan.call, number, plan.action, plan.path) < 3) return;
  plan.n = atoi(number);
  plan.later = strchr(number, '+') != NULL;
  plan.on = 1;
}

__attribute__((destructor)) static void write_count(void) {
  const char *file = getenv("FAULT_COUNT");
  char line[32];
  plan.on = 0;
  int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
  if (fd < 0) return;
  int n = snprintf(line, sizeof line, "%d\n", atomic_load(&seen));
  ssize_t ignored = write(fd, line, (size_t)n);
  (void)ignored;
  close(fd);
}

/* Whether this call fails; errno is set. *shorter asks for half a write. */
static int fails(const char *call, const char *path, int *shorter) {
  if (!plan.on || strcmp(call, plan.call)) return 0;
  if (*plan.path && (!path || !strstr(path, plan.path))) return 0;
  int n = atomic_fetch_add(&seen, 1) + 1;
  if (plan.later ? n < plan.n : n != plan.n) return 0;
  if (!strcmp(plan.action, "kill")) raise(SIGKILL);
  if (!strncmp(plan.action, "sleep=", 6)) {
    usleep((useconds_t)(1e6 * atof(plan.action + 6)));
    return 0;
  }
  for (volatile int spins = !strcmp(plan.action, "spin"); spins;) {}
  if (!strcmp(plan.action, "short")) {
    *shorter = 1;
    return 0;
  }
  errno = atoi(plan.action);
  return 1;
}

static const char *path_of(int fd, char *path, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, size - 1);
  path[n > 0 ? n : 0] = 0;
  return path;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opens(const char *path, int flags) {
  int unused = 0;
  return (flags & (O_WRONLY | O_RDWR)) && fails("open", path, &unused);
}

int open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  return opens(path, flags) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
  va_end(args);
  return opens(path, flags) ? -1 : REAL(open)(path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t bytes) {
  char path[512];
  int shorter = 0;
  if (plan.on && !strcmp(plan.call, "write") && fd > 2 && fails("write", path_of(fd, path, sizeof path), &shorter)) return -1;
  return REAL(write)(fd, data, shorter ? (bytes + 1) / 2 : bytes);
}

int fsync(int fd) {
  char path[512];
  int unused = 0;
  return fails("fsync", path_of(fd, path, sizeof path), &unused) ? -1 : REAL(fsync)(fd);
}

int rename(const char *from, const char *to) {
  int unused = 0;
  return fails("rename", from, &unused) ? -1 : REAL(rename)(from, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
  int unused = 0;
  return fails("rename", from, &unused) ? -1 : REAL(renameat2)(from_fd, from, to_fd, to, flags);
}

/* The program allocates with aligned_alloc and realloc. Not in HDF5: version 1.10 crashes in its own exit handler after it. */
void *aligned_alloc(size_t alignment, size_t bytes) {
  int unused = 0;
  return fails("malloc", NULL, &unused) ? NULL : REAL(aligned_alloc)(alignment, bytes);
}

void *realloc(void *block, size_t bytes) {
  Dl_info caller;
  int unused = 0, ours = plan.on && dladdr(__builtin_return_address(0), &caller) && !strstr(caller.dli_fname, "hdf5");
  return ours && fails("malloc", NULL, &unused) ? NULL : REAL(realloc)(block, bytes);
}
