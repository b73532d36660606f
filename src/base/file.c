/* Whole reads, durable writes, folders and locks. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/gzip.h"
#include "base/memory.h"

void fd_open_standard(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

fd_status fd_path(char out[FD_PATH_MAX], const char *a, const char *b, const char *c) {
  int n =
      snprintf(out, FD_PATH_MAX, "%s%s%s%s%s", a ? a : "", a && b ? "/" : "", b ? b : "", (a || b) && c ? "/" : "", c ? c : "");
  if (n < 0 || n >= FD_PATH_MAX) return fd_fail(FD_USAGE, "path is longer than %d bytes: %.80s...", FD_PATH_MAX - 1, a ? a : "");
  return FD_OK;
}

static fd_status read_all(int fd, const char *path, char *text, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t n = read(fd, text + done, bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fd_fail_errno("cannot read", path);
    if (n == 0) return fd_fail(FD_IO, "%s: became shorter while it was read (%zu of %zu bytes)", path, done, bytes);
    done += (size_t)n;
  }
  return FD_OK;
}

fd_status fd_open_input(const char *path, int *fd, uint64_t *bytes) {
  struct stat info;
  *bytes = 0;
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* the open itself would wait for a pipe's writer */
  if (*fd < 0 && errno == ENXIO)
    return fd_fail(FD_DATA, "%s: is not a regular file", path); /* a socket, a device that is not there */
  if (*fd < 0) return fd_fail_errno("cannot open", path);
  fd_status status = FD_OK;
  if (fstat(*fd, &info)) status = fd_fail_errno("cannot stat", path);
  else if (!S_ISREG(info.st_mode)) status = fd_fail(FD_DATA, "%s: is not a regular file", path);
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

int fd_begins_with(const char *path, const void *bytes, size_t count) {
  char head[16];
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  int same = fd >= 0 && !fstat(fd, &info) && S_ISREG(info.st_mode) && count <= sizeof head &&
             pread(fd, head, count, 0) == (ssize_t)count && !memcmp(head, bytes, count);
  if (fd >= 0) close(fd);
  return same;
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

fd_status fd_write_file(const char *path, const void *data, size_t bytes) {
  char temporary[FD_PATH_MAX + 32];
  snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0) return fd_fail_errno("cannot create", temporary);
  fd_status status = fd_write_all(fd, data, bytes, temporary);
  if (status == FD_OK && fsync(fd)) status = fd_fail_errno("cannot sync", temporary);
  if (close(fd) && status == FD_OK) status = fd_fail_errno("cannot close", temporary);
  if (status == FD_OK) status = fd_commit_rename(temporary, path);
  if (status != FD_OK) unlink(temporary);
  return status;
}

fd_status fd_output_begin(fd_output *o, const char *path) {
  o->stream = NULL;
  FD_TRY(fd_path(o->path, path, NULL, NULL));
  snprintf(o->temporary, sizeof o->temporary, "%s.tmp-%ld", path, (long)getpid());
  o->fd = open(o->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (o->fd < 0) return fd_fail_errno("cannot create", o->temporary);
  int copy = fd_gzip_is_name(path) ? -1 : fcntl(o->fd, F_DUPFD_CLOEXEC, 0); /* the stream's; ours is for fsync */
  o->stream = fd_gzip_is_name(path) ? fd_gzip_stream(o->fd) : copy < 0 ? NULL : fdopen(copy, "w");
  if (o->stream) return FD_OK;
  if (copy >= 0) close(copy);
  close(o->fd);
  unlink(o->temporary);
  return fd_fail(FD_MEMORY, "cannot open a stream for %s", path);
}

fd_status fd_output_commit(fd_output *o) {
  fd_status status = FD_OK;
  if (fflush(o->stream) || ferror(o->stream)) status = fd_fail_errno("cannot write", o->path);
  if (fclose(o->stream) && status == FD_OK) status = fd_fail_errno("cannot write", o->path); /* packed: the rest and its sum */
  o->stream = NULL;
  if (status == FD_OK && fsync(o->fd)) status = fd_fail_errno("cannot sync", o->path);
  if (close(o->fd) && status == FD_OK) status = fd_fail_errno("cannot close", o->path);
  if (status == FD_OK) status = fd_commit_rename(o->temporary, o->path);
  if (status != FD_OK) unlink(o->temporary);
  return status;
}

void fd_output_abandon(fd_output *o) {
  if (!o->stream) return;
  fclose(o->stream);
  o->stream = NULL;
  close(o->fd);
  unlink(o->temporary);
}

fd_status fd_make_folder(const char *path) {
  char part[FD_PATH_MAX];
  FD_TRY(fd_path(part, path, NULL, NULL));
  for (char *at = part + 1;; at++) {
    char old = *at;
    if (old != '/' && old != '\0') continue;
    *at = '\0';
    if (mkdir(part, 0755) && errno != EEXIST) return fd_fail_errno("cannot make folder", part);
    *at = old;
    if (!old) break;
  }
  struct stat info;
  if (stat(path, &info)) return fd_fail_errno("cannot stat", path);
  if (!S_ISDIR(info.st_mode)) return fd_fail(FD_BUSY, "%s: exists and is not a folder", path);
  return FD_OK;
}

static fd_status sync_name(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) return fd_fail_errno("cannot open", path);
  fd_status status = fsync(fd) ? fd_fail_errno("cannot sync", path) : FD_OK;
  close(fd);
  return status;
}

fd_status fd_sync_folder(const char *path) { return sync_name(path, O_RDONLY | O_DIRECTORY); }

fd_status fd_sync_file(const char *path) { return sync_name(path, O_RDONLY); }

fd_status fd_commit_rename(const char *temporary, const char *path) {
  char folder[FD_PATH_MAX];
  if (rename(temporary, path)) return fd_fail_errno("cannot rename a finished file to", path);
  FD_TRY(fd_path(folder, path, NULL, NULL));
  char *slash = strrchr(folder, '/');
  if (slash == folder) return fd_sync_folder("/");
  if (slash) *slash = '\0';
  return fd_sync_folder(slash ? folder : ".");
}

fd_status fd_remove_folder(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return errno == ENOENT ? FD_OK : fd_fail_errno("cannot open folder", path);
  fd_status status = FD_OK;
  for (struct dirent *entry; status == FD_OK && (entry = readdir(folder));) {
    char name[FD_PATH_MAX];
    struct stat info;
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if ((status = fd_path(name, path, entry->d_name, NULL)) != FD_OK) break;
    if (lstat(name, &info)) status = fd_fail_errno("cannot stat", name);
    else if (S_ISDIR(info.st_mode)) status = fd_remove_folder(name);
    else if (unlink(name)) status = fd_fail_errno("cannot remove", name);
  }
  closedir(folder);
  if (status == FD_OK && rmdir(path)) status = fd_fail_errno("cannot remove folder", path);
  return status;
}

fd_status fd_check_output_place(const char *output) {
  struct stat info;
  char folder[FD_PATH_MAX];
  if (!output) return FD_OK;
  FD_TRY(fd_path(folder, output, NULL, NULL));
  if (!stat(output, &info) && S_ISDIR(info.st_mode)) return fd_fail(FD_BUSY, "%s: is a folder; give the name of a file", output);
  char *slash = strrchr(folder, '/');
  if (!slash) return FD_OK;
  slash[slash == folder] = '\0';
  if (stat(folder, &info) || !S_ISDIR(info.st_mode))
    return fd_fail(FD_MISSING, "%s: the folder %s is not there; make it first (mkdir -p %s)", output, folder, folder);
  return FD_OK;
}

int fd_exists(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

fd_status fd_check_output(const char *output, const char *input) {
  struct stat a, b;
  if (!output || stat(output, &a) || stat(input, &b) || a.st_dev != b.st_dev || a.st_ino != b.st_ino) return FD_OK;
  return fd_fail(FD_BUSY, "--output %s is an input: it would be overwritten", output);
}

fd_status fd_file_size(const char *path, uint64_t *bytes) {
  struct stat info;
  if (stat(path, &info)) return fd_fail_errno("cannot open", path);
  if (!S_ISREG(info.st_mode)) return fd_fail(FD_DATA, "%s: is not a regular file", path);
  *bytes = (uint64_t)info.st_size;
  return FD_OK;
}

fd_status fd_lock(const char *path, int *fd) {
  char owner[256] = "", host[128] = "";
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (*fd < 0) return fd_fail_errno("cannot create", path);
  if (flock(*fd, LOCK_EX | LOCK_NB)) {
    ssize_t n = read(*fd, owner, sizeof owner - 1);
    owner[n > 0 ? n : 0] = '\0';
    owner[strcspn(owner, "\n")] = '\0';
    close(*fd);
    *fd = -1;
    return fd_fail(FD_BUSY, "%s: the folder is in use by %s; a run folder has one owner at a time", path,
                   *owner ? owner : "another process");
  }
  gethostname(host, sizeof host - 1);
  int n = snprintf(owner, sizeof owner, "host %s process %ld\n", host, (long)getpid());
  if (ftruncate(*fd, 0) || pwrite(*fd, owner, (size_t)n, 0) != n) return fd_fail_errno("cannot write", path);
  return FD_OK;
}
