/* LD_PRELOAD library that makes calls of a program and of its libraries fail, to test how the program handles it.
 *
 *   FAULT=CALL:N:ACTION[:PATH]
 *     CALL    open, write, pwrite, fsync, rename: of files (open: for writing)
 *             syncfolder: fsync of a folder; flock, fcntl: locks
 *             digest: a SHA-256 by libcrypto
 *             message: of floats to another rank, by MPI_Isend; its only action is flip, of a bit in the middle
 *             malloc: the program's own allocations; alloc: those of all libraries, too, except two that crash by themselves
 *             without memory: HDF5 1.10 (its error stack allocates, and recurses until the stack overflows) and libcrypto 3
 *             (it locks a lock that it could not create)
 *     N       which call, from 1 on; "3+": that one and all later ones
 *     ACTION  an errno's number, sleep=SECONDS, spin (for ever), short (write half), flip (write one bit wrong), kill,
 *             replace=FILE (by FILE.new; the call succeeds)
 *     PATH    only files whose path contains it
 *   FAULT_RANK=R      only in rank R of an MPI job
 *   FAULT_COUNT=FILE  appends, at the end, the number of calls
 *   FAULT_TRACE=FILE  appends the backtrace of a failing "alloc" */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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

/* Whether this call fails, with errno set. *shorter requests half a write. */
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
  if (!strncmp(plan.action, "replace=", 8)) {
    const char *file = plan.action + 8;
    char other[64];
    snprintf(other, sizeof other, "%s.new", file);
    if (renameat(AT_FDCWD, other, AT_FDCWD, file)) abort();
    return 0;
  }
  for (volatile int spins = !strcmp(plan.action, "spin"); spins;) {}
  if (!strcmp(plan.action, "short") || !strcmp(plan.action, "flip")) {
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
  if (shorter && bytes && !strcmp(plan.action, "flip")) {
    char byte = (char)(*((const char *)data + bytes - 1) ^ 1);
    ssize_t n = REAL(write)(fd, data, bytes - 1);
    return n == (ssize_t)bytes - 1 && REAL(write)(fd, &byte, 1) == 1 ? (ssize_t)bytes : -1;
  }
  return REAL(write)(fd, data, shorter ? (bytes + 1) / 2 : bytes);
}

static ssize_t write_at(int fd, const void *data, size_t bytes, off_t at) {
  char path[512];
  int shorter = 0;
  if (plan.on && !strcmp(plan.call, "pwrite") && fails("pwrite", path_of(fd, path, sizeof path), &shorter)) return -1;
  return REAL(pwrite)(fd, data, shorter ? (bytes + 1) / 2 : bytes, at);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { return write_at(fd, data, bytes, at); }

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) { return write_at(fd, data, bytes, at); }

int fsync(int fd) {
  char path[512];
  struct stat info;
  int unused = 0, folder = plan.on && !fstat(fd, &info) && S_ISDIR(info.st_mode);
  if (folder && fails("syncfolder", path_of(fd, path, sizeof path), &unused)) return -1;
  return fails("fsync", path_of(fd, path, sizeof path), &unused) ? -1 : REAL(fsync)(fd);
}

int flock(int fd, int operation) {
  char path[512];
  int unused = 0;
  return fails("flock", path_of(fd, path, sizeof path), &unused) ? -1 : REAL(flock)(fd, operation);
}

static int control(int fd, int command, void *argument) {
  char path[512];
  int unused = 0, locks = command == F_SETLK || command == F_OFD_SETLK;
  if (locks && fails("fcntl", path_of(fd, path, sizeof path), &unused)) return -1;
  return REAL(fcntl)(fd, command, argument);
}

int fcntl(int fd, int command, ...) {
  va_list args;
  va_start(args, command);
  void *argument = va_arg(args, void *);
  va_end(args);
  return control(fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
  va_list args;
  va_start(args, command);
  void *argument = va_arg(args, void *);
  va_end(args);
  return control(fd, command, argument);
}

int rename(const char *from, const char *to) {
  int unused = 0;
  return fails("rename", from, &unused) ? -1 : REAL(rename)(from, to);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
  int unused = 0;
  return fails("rename", from, &unused) ? -1 : REAL(renameat2)(from_fd, from, to_fd, to, flags);
}

/* --- libcrypto --------------------------------------------------------------------------------------------------------- */

int EVP_Digest(const void *data, size_t bytes, unsigned char *digest, unsigned *size, const void *type, void *engine) {
  int unused = 0;
  return fails("digest", NULL, &unused) ? 0 : REAL(EVP_Digest)(data, bytes, digest, size, type, engine);
}

int EVP_DigestUpdate(void *context, const void *data, size_t bytes) {
  int unused = 0;
  return fails("digest", NULL, &unused) ? 0 : REAL(EVP_DigestUpdate)(context, data, bytes);
}

int EVP_DigestFinal_ex(void *context, unsigned char *digest, unsigned *size) {
  int unused = 0;
  return fails("digest", NULL, &unused) ? 0 : REAL(EVP_DigestFinal_ex)(context, digest, size);
}

/* --- MPI: handles are pointers or numbers, which both pass as pointers -------------------------------------------------- */

int MPI_Isend(const void *data, int count, void *type, int peer, int tag, void *comm, void *request);
int MPI_Type_size(void *type, int *bytes);

int MPI_Isend(const void *data, int count, void *type, int peer, int tag, void *comm, void *request) {
  int flips = 0, size = 0;
  char *copy = NULL;
  if (plan.on && !strcmp(plan.call, "message") && !REAL(MPI_Type_size)(type, &size) && size == sizeof(float))
    (void)fails("message", NULL, &flips);
  if (flips && (copy = malloc((size_t)count * sizeof(float)))) { /* read after this call, and never freed */
    memcpy(copy, data, (size_t)count * sizeof(float));
    copy[(size_t)count / 2 * sizeof(float) + 2] ^= 64;
  }
  return REAL(MPI_Isend)(copy ? copy : data, count, type, peer, tag, comm, request);
}

/* --- memory: glibc's own names of the replaced functions, since dlsym allocates ---------------------------------------- */

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

static int is_of(const void *address, const char *library) {
  Dl_info from;
  return dladdr(address, &from) && strstr(from.dli_fname, library);
}

/* Address ranges of the code of HDF5, libcrypto and the program. */
enum { RANGES = 8 };
static struct range {
  uintptr_t from, to;
  int program;
} range[RANGES];
static int ranges;

static int add_range(struct dl_phdr_info *object, size_t size, void *unused) {
  int program = !*object->dlpi_name;
  (void)size, (void)unused;
  if (!program && !strstr(object->dlpi_name, "hdf5") && !strstr(object->dlpi_name, "libcrypto")) return 0;
  for (int i = 0; i < object->dlpi_phnum && ranges < RANGES; i++) {
    uintptr_t from = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
    if (object->dlpi_phdr[i].p_type == PT_LOAD && object->dlpi_phdr[i].p_flags & PF_X)
      range[ranges++] = (struct range){from, from + object->dlpi_phdr[i].p_memsz, program};
  }
  return 0;
}

__attribute__((constructor)) static void find_ranges(void) { dl_iterate_phdr(add_range, NULL); }

/* 1: in the program, 2: in one of the two libraries, 0: elsewhere. */
static int place_of(const void *address) {
  for (int i = 0; i < ranges; i++)
    if ((uintptr_t)address >= range[i].from && (uintptr_t)address < range[i].to) return range[i].program ? 1 : 2;
  return 0;
}

static _Thread_local int looking; /* set during backtrace, which allocates */

/* Whether one of these libraries is on the stack, and the caller is not a function of the program that it called. */
static int in_library(const void *caller) {
  void *frame[48];
  int n = backtrace(frame, 48), found = 0;
  for (int i = 0; i < n; i++) found |= place_of(frame[i]) == 2;
  return found && place_of(caller) != 1;
}

static void tell_callers(void) {
  const char *file = getenv("FAULT_TRACE");
  int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND, 0644) : -1;
  void *frame[24];
  if (fd < 0) return;
  backtrace_symbols_fd(frame, backtrace(frame, 24), fd);
  close(fd);
}

static int lacks(const void *caller) {
  int unused = 0;
  if (!plan.on || looking || strcmp(plan.call, "alloc")) return 0;
  looking = 1;
  int lacking = !in_library(caller) && fails("alloc", NULL, &unused);
  if (lacking) tell_callers();
  looking = 0;
  if (lacking) errno = ENOMEM;
  return lacking;
}

void *malloc(size_t bytes) { return lacks(__builtin_return_address(0)) ? NULL : __libc_malloc(bytes); }

void *calloc(size_t count, size_t bytes) { return lacks(__builtin_return_address(0)) ? NULL : __libc_calloc(count, bytes); }

int posix_memalign(void **block, size_t alignment, size_t bytes) {
  if (lacks(__builtin_return_address(0))) return ENOMEM;
  *block = __libc_memalign(alignment, bytes);
  return *block ? 0 : ENOMEM;
}

/* The program allocates with aligned_alloc and realloc. */
void *aligned_alloc(size_t alignment, size_t bytes) {
  int unused = 0;
  return lacks(__builtin_return_address(0)) || fails("malloc", NULL, &unused) ? NULL : __libc_memalign(alignment, bytes);
}

void *realloc(void *block, size_t bytes) {
  int unused = 0, ours = plan.on && !strcmp(plan.call, "malloc") && !is_of(__builtin_return_address(0), "hdf5");
  return lacks(__builtin_return_address(0)) || (ours && fails("malloc", NULL, &unused)) ? NULL : __libc_realloc(block, bytes);
}
