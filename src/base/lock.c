/* Locks by flock, or by fcntl. */
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/guard.h"
#include "base/log.h"
#include "base/output.h"

/* Whether this errno says that the file system does not support the lock. */
static int has_none(int code) { return code == ENOSYS || code == ENOLCK || code == EOPNOTSUPP || code == EINVAL; }

/* Locks an open file: FD_OK with *kind, FD_BUSY without a message, or another error. */
static fd_status lock_file(int fd, const char *path, fd_lock_kind *kind) {
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int code;
  *kind = FD_LOCK_FLOCK;
  while ((code = flock(fd, LOCK_EX | LOCK_NB)) && errno == EINTR) {}
  if (!code) return FD_OK;
  if (errno == EWOULDBLOCK) return FD_BUSY;
  if (!has_none(errno)) return fd_fail_errno("cannot lock", path);
  *kind = FD_LOCK_FCNTL; /* owned by the open file, as with flock; the process's own would be lost at any close() of the file */
  while ((code = fcntl(fd, F_OFD_SETLK, &whole)) && errno == EINTR) {}
  if (!code) return FD_OK;
  if (errno == EAGAIN || errno == EACCES) return FD_BUSY;
  if (!has_none(errno)) return fd_fail_errno("cannot lock", path);
  *kind = FD_LOCK_NONE;
  return FD_OK;
}

static fd_status say_busy(const char *path, int fd) {
  char owner[256];
  ssize_t n = read(fd, owner, sizeof owner - 1);
  owner[n > 0 ? n : 0] = '\0';
  owner[strcspn(owner, "\n")] = '\0';
  return fd_fail(FD_BUSY, "%s: the folder is in use by %s; a run folder has one owner at a time", path,
                 *owner ? owner : "another process");
}

/* Opens or creates the file of a lock, which must be a regular one. */
static fd_status open_lock(const char *path, int *fd) {
  struct stat info;
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (*fd < 0 && errno == ELOOP)
    return fd_fail(FD_PERMISSION, "%s: is a link; a lock must be a regular file in its folder", path);
  if (*fd < 0) return fd_fail_errno("cannot create", path);
  if (!fstat(*fd, &info) && S_ISREG(info.st_mode)) return FD_OK;
  close(*fd);
  *fd = -1;
  return fd_fail(FD_PERMISSION, "%s: is a pipe or a device; a lock must be a regular file in its folder", path);
}

fd_status fd_lock(const char *path, int *fd) {
  char owner[256], host[128] = "";
  fd_lock_kind kind;
  FD_TRY(open_lock(path, fd));
  fd_status status = lock_file(*fd, path, &kind);
  if (status == FD_BUSY) status = say_busy(path, *fd);
  if (status == FD_OK && kind == FD_LOCK_NONE)
    fd_warn("%s: this file system has no locks (neither flock nor fcntl): see to it yourself that nothing else uses the folder",
            path);
  gethostname(host, sizeof host - 1);
  int n = snprintf(owner, sizeof owner, "host %s process %ld\n", host, (long)getpid());
  if (status == FD_OK && (ftruncate(*fd, 0) || pwrite(*fd, owner, (size_t)n, 0) != n))
    status = fd_fail_errno("cannot write", path);
  if (status == FD_OK) return FD_OK;
  close(*fd);
  *fd = -1;
  return status;
}

/* Whether an open file is still the one at `path`: its last owner may have removed it. */
static int is_current(int fd, const char *path) {
  struct stat own, there;
  return !fstat(fd, &own) && !stat(path, &there) && own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

fd_status fd_lock_wait(const char *path, int *fd) {
  enum { TURN_MICROSECONDS = 10000, SECONDS_MAX = 60 };
  fd_lock_kind kind;
  for (double start = fd_seconds(); fd_seconds() - start < SECONDS_MAX;) {
    FD_TRY(open_lock(path, fd));
    fd_status status = lock_file(*fd, path, &kind);
    if (status == FD_OK && (kind == FD_LOCK_NONE || is_current(*fd, path))) return FD_OK;
    close(*fd);
    *fd = -1;
    if (status == FD_OK) continue;
    if (status != FD_BUSY) return status;
    FD_TRY(fd_guard_go_on());
    usleep(TURN_MICROSECONDS);
  }
  return fd_fail(FD_BUSY, "%s: another process has held this lock for %d s, to write the same output; give another --output",
                 path, SECONDS_MAX);
}

void fd_lock_end(const char *path, int fd) {
  unlink(path); /* before the lock is released: whoever waits sees that this file is gone */
  close(fd);
}

fd_status fd_lock_probe(const char *folder, fd_lock_kind *kind) {
  char path[FD_PATH_MAX];
  fd_output file;
  FD_TRY(fd_path(path, folder, "findna-lock", NULL));
  FD_TRY(fd_output_create(&file, path));
  fd_status status = lock_file(file.fd, path, kind);
  fd_output_abandon(&file);
  return status;
}
