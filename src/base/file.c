/* Paths, reading whole files, folders. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "base/memory.h"
#include "base/path.h"

void fd_open_standard(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

/* Length without the slashes at the end, which completion in a shell adds; of "/" it is 1. */
static int length_of(const char *path) {
  size_t n = path ? strlen(path) : 0;
  while (n > 1 && path[n - 1] == '/') n--;
  return n > FD_PATH_MAX ? FD_PATH_MAX : (int)n;
}

fd_status fd_path(char out[FD_PATH_MAX], const char *a, const char *b, const char *c) {
  int n = snprintf(out, FD_PATH_MAX, "%.*s%s%.*s%s%.*s", length_of(a), a ? a : "", a && b ? "/" : "", length_of(b), b ? b : "",
                   (a || b) && c ? "/" : "", length_of(c), c ? c : "");
  if (n < 0 || n >= FD_PATH_MAX) return fd_fail(FD_USAGE, "path is longer than %d bytes: %.80s...", FD_PATH_MAX - 1, a ? a : "");
  return FD_OK;
}

/* In blocks: a large file on a slow disk takes long, and is progress all the same. */
static fd_status read_all(int fd, const char *path, char *text, size_t bytes) {
  enum { BLOCK = 1 << 22 };
  for (size_t done = 0; done < bytes;) {
    if (done) FD_TRY(fd_guard_go_on());
    ssize_t n = read(fd, text + done, bytes - done < BLOCK ? bytes - done : BLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fd_fail_errno("cannot read", path);
    if (n == 0) return fd_fail(FD_IO, "%s: became shorter while it was read (%zu of %zu bytes)", path, done, bytes);
    done += (size_t)n;
  }
  return FD_OK;
}

static fd_status irregular(const char *path) {
  return fd_fail(FD_DATA,
                 "%s: is not a regular file but a folder, pipe or device; input is read more than once: save it as a file", path);
}

fd_status fd_open_input(const char *path, int *fd, uint64_t *bytes) {
  struct stat info;
  *bytes = 0;
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a blocking open would wait for a pipe's writer */
  if (*fd < 0 && errno == ENXIO) return irregular(path);          /* a socket or an absent device */
  if (*fd < 0) return fd_fail_errno("cannot open", path);
  fd_status status = FD_OK;
  if (fstat(*fd, &info)) status = fd_fail_errno("cannot stat", path);
  else if (!S_ISREG(info.st_mode)) status = irregular(path);
  if (status == FD_OK) {
    *bytes = (uint64_t)info.st_size;
    return FD_OK;
  }
  close(*fd);
  *fd = -1;
  return status;
}

fd_status fd_open_stream(const char *path, FILE **in, uint64_t *bytes) {
  int fd;
  *in = NULL;
  FD_TRY(fd_open_input(path, &fd, bytes));
  if ((*in = fdopen(fd, "r"))) return FD_OK;
  close(fd);
  return fd_fail(FD_MEMORY, "cannot open a stream for %s", path);
}

fd_status fd_check_end(FILE *in, uint64_t bytes, const char *path) {
  if (!feof(in) || ferror(in)) return fd_fail_errno("cannot read", path); /* also when memory for a line is lacking */
  off_t at = ftello(in);
  if (at < 0) return fd_fail_errno("cannot read", path);
  if ((uint64_t)at >= bytes) return FD_OK;
  return fd_fail(FD_IO, "%s: became shorter while it was read (%lld of %llu bytes)", path, (long long)at,
                 (unsigned long long)bytes);
}

fd_status fd_begins_with(const char *path, const void *bytes, size_t count, int *same) {
  char head[16];
  struct stat info;
  fd_status status = FD_OK;
  *same = 0;
  if (fd_is_absent(path)) return FD_OK;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ENXIO) return FD_OK; /* a socket */
  if (fd < 0) return fd_fail_errno("cannot open", path);
  if (fstat(fd, &info)) {
    status = fd_fail_errno("cannot stat", path);
  } else if (S_ISREG(info.st_mode) && count <= sizeof head) {
    ssize_t n = pread(fd, head, count, 0);
    if (n < 0) status = fd_fail_errno("cannot read", path);
    else *same = n == (ssize_t)count && !memcmp(head, bytes, count);
  }
  close(fd);
  return status;
}

fd_status fd_read_file(const char *path, size_t limit, char **text, size_t *bytes) {
  fd_status status;
  uint64_t size;
  int fd;
  *text = NULL;
  *bytes = 0;
  FD_TRY(fd_open_input(path, &fd, &size));
  if (size > limit) {
    status = fd_fail(FD_DATA, "%s: has %llu bytes, more than the %zu allowed for this kind of file", path,
                     (unsigned long long)size, limit);
  } else if ((status = fd_alloc(text, (size_t)size + 1, 1, path)) == FD_OK) {
    status = read_all(fd, path, *text, (size_t)size);
    *bytes = (size_t)size;
  }
  if (status != FD_OK) {
    free(*text);
    *text = NULL;
  }
  close(fd);
  return status;
}

fd_status fd_write_all(int fd, const void *data, size_t bytes, const char *path) {
  const char *at = data;
  while (bytes) {
    ssize_t n = write(fd, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fd_fail_errno("cannot write", path);
    at += n;
    bytes -= (size_t)n;
  }
  return FD_OK;
}

/* Whether this errno says that the file system cannot fsync a folder (CIFS, some FUSE), which is no error. */
static int has_no_sync(int code) { return code == EINVAL || code == EOPNOTSUPP || code == ENOSYS; }

fd_status fd_sync_folder(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fd_fail_errno("cannot open", path);
  fd_status status = fsync(fd) && !has_no_sync(errno) ? fd_fail_errno("cannot sync", path) : FD_OK;
  close(fd);
  return status;
}

fd_status fd_sync_parent(const char *path) {
  char folder[FD_PATH_MAX];
  FD_TRY(fd_path(folder, path, NULL, NULL));
  char *slash = strrchr(folder, '/');
  if (slash == folder) return fd_sync_folder("/");
  if (slash) *slash = '\0';
  return fd_sync_folder(slash ? folder : ".");
}

fd_status fd_make_folder(const char *path) {
  char part[FD_PATH_MAX];
  FD_TRY(fd_path_resolve(part, path)); /* a link may stand for a folder that is not there yet */
  if (!*part) return fd_fail(FD_USAGE, "the name of a folder is empty");
  for (char *at = part + 1;; at++) {
    char old = *at;
    if (old != '/' && old != '\0') continue;
    *at = '\0';
    int made = mkdir(part, 0777) == 0;
    if (!made && errno == ENOTDIR) {
      *strrchr(part, '/') = '\0'; /* a name before this one is a file's */
      return fd_fail(FD_BUSY, "%s: exists and is not a folder", part);
    }
    if (!made && errno != EEXIST) return fd_fail_errno("cannot make folder", part);
    if (made) FD_TRY(fd_sync_parent(part)); /* else files inside may be lost with their folder */
    *at = old;
    if (!old) break;
  }
  struct stat info;
  if (stat(path, &info)) return fd_fail_errno("cannot stat", path);
  if (!S_ISDIR(info.st_mode)) return fd_fail(FD_BUSY, "%s: exists and is not a folder", path);
  return FD_OK;
}

fd_status fd_commit_rename(const char *temporary, const char *path) {
  if (rename(temporary, path)) return fd_fail_errno("cannot rename a finished file to", path);
  return fd_sync_parent(path);
}

static fd_status remove_inside(int at, const char *path);

/* Removes `name`, of any type, in the open folder `at`; `path` is for messages. A symlink is removed, never followed. */
static fd_status remove_name(int at, const char *name, const char *path) {
  int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return FD_OK;
  if (fd < 0 && errno != ENOTDIR && errno != ELOOP) return fd_fail_errno("cannot open folder", path);
  fd_status status = fd < 0 ? FD_OK : remove_inside(fd, path);
  if (status == FD_OK && unlinkat(at, name, fd < 0 ? 0 : AT_REMOVEDIR) && errno != ENOENT)
    status = fd_fail_errno("cannot remove", path);
  return status;
}

/* Empties and closes an open folder. */
static fd_status remove_inside(int at, const char *path) {
  fd_status status = FD_OK;
  DIR *folder = fdopendir(at);
  if (!folder) {
    status = fd_fail_errno("cannot read folder", path);
    close(at);
    return status;
  }
  for (struct dirent *entry; status == FD_OK && (errno = 0, entry = readdir(folder));) {
    char name[FD_PATH_MAX];
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    status = fd_path(name, path, entry->d_name, NULL);
    if (status == FD_OK) status = remove_name(dirfd(folder), entry->d_name, name);
  }
  if (status == FD_OK && errno) status = fd_fail_errno("cannot read folder", path);
  closedir(folder);
  return status;
}

fd_status fd_remove_folder(const char *path) { return remove_name(AT_FDCWD, path, path); }

int fd_exists(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

int fd_is_absent(const char *path) {
  struct stat info;
  return lstat(path, &info) && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG);
}

fd_status fd_file_size(const char *path, uint64_t *bytes) {
  struct stat info;
  if (stat(path, &info)) return fd_fail_errno("cannot open", path);
  if (!S_ISREG(info.st_mode)) return irregular(path);
  *bytes = (uint64_t)info.st_size;
  return FD_OK;
}
