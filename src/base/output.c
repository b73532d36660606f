/* Temporary files, commits, and removal of the temporaries of killed processes. */
#include "base/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/gzip.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/path.h"

enum { TRIES = 64, SUFFIX_MAX = 40, LEFT_FOR = 7 * 24 * 3600 /* age in seconds after which another host's temporary is stale */ };

static const char mark[] = ".tmp-";

/* Identifies the process table that a PID belongs to: a hash of hostname and PID namespace. */
static uint32_t own_host(void) {
  char text[512] = "", table[128] = "";
  gethostname(text, 256);
  ssize_t n = readlink("/proc/self/ns/pid", table, sizeof table - 1);
  if (n > 0) strncat(text, table, (size_t)n);
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (const char *at = text; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
  return hash;
}

/* Splits a path into folder and name, truncated so that the temporary's name does not exceed NAME_MAX. */
static void split(const char *path, char folder[FD_PATH_MAX], char name[NAME_MAX + 1]) {
  const char *slash = strrchr(path, '/');
  snprintf(folder, FD_PATH_MAX, "%.*s", slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".");
  snprintf(name, NAME_MAX + 1, "%.*s", NAME_MAX - SUFFIX_MAX, slash ? slash + 1 : path);
}

/* Whether the suffix of a temporary's name is that of a process that is gone: by its PID on this host, by age on another. */
static int is_left(const char *rest, const struct stat *info) {
  uint32_t host, random;
  long process;
  int length = 0;
  if (sscanf(rest, "%8" SCNx32 "-%ld-%8" SCNx32 "%n", &host, &process, &random, &length) != 3 || rest[length]) return 0;
  if (host != own_host()) return time(NULL) - info->st_mtime > LEFT_FOR;
  return process > 0 && process != (long)getpid() && kill((pid_t)process, 0) && errno == ESRCH;
}

/* Removes the temporaries for this path that killed processes of this user left: regular files, or folders when `folders`. One
 * that cannot be removed does no harm. */
static void remove_left(const char *path, int folders) {
  char place[FD_PATH_MAX], name[NAME_MAX + 1], left[FD_PATH_MAX];
  struct stat info;
  split(path, place, name);
  size_t length = strlen(name);
  DIR *folder = opendir(place);
  if (!folder) return;
  for (struct dirent *entry; (entry = readdir(folder));) {
    const char *rest = entry->d_name + length;
    if (strncmp(entry->d_name, name, length) || strncmp(rest, mark, sizeof mark - 1)) continue;
    if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) || info.st_uid != geteuid()) continue;
    if (!(folders ? S_ISDIR(info.st_mode) : S_ISREG(info.st_mode)) || !is_left(rest + sizeof mark - 1, &info)) continue;
    if (!folders) unlinkat(dirfd(folder), entry->d_name, 0);
    else if (fd_path(left, place, entry->d_name, NULL) == FD_OK && fd_remove_folder(left) != FD_OK)
      fd_warn("%s: was left by a killed process and cannot be removed", left);
  }
  closedir(folder);
}

/* A temporary's name for a path: a new one with each call. */
static void name_temporary(const char *path, char temporary[FD_TEMPORARY_MAX]) {
  char folder[FD_PATH_MAX], name[NAME_MAX + 1];
  uint32_t random;
  if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    random = (uint32_t)now.tv_nsec;
  }
  split(path, folder, name);
  int shown = (int)(strrchr(path, '/') ? strrchr(path, '/') + 1 - path : 0);
  snprintf(temporary, FD_TEMPORARY_MAX, "%.*s%s%s%08" PRIx32 "-%ld-%08" PRIx32, shown, path, name, mark, own_host(),
           (long)getpid(), random);
}

fd_status fd_output_create(fd_output *o, const char *path) {
  struct stat info;
  *o = (fd_output){.fd = -1};
  FD_TRY(fd_path_resolve(o->path, path));
  if (!stat(o->path, &info) && !S_ISREG(info.st_mode))
    return fd_fail(FD_BUSY, "%s: is no plain file and is not replaced; give the name of a file", path);
  remove_left(o->path, 0);
  for (int i = 0; i < TRIES && o->fd < 0; i++) {
    name_temporary(o->path, o->temporary);
    o->fd = open(o->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (o->fd < 0 && errno != EEXIST) break;
  }
  if (o->fd < 0) return fd_fail_errno("cannot create", o->temporary);
  o->open = 1;
  return FD_OK;
}

fd_status fd_output_begin(fd_output *o, const char *path) {
  FD_TRY(fd_output_create(o, path));
  int packed = fd_gzip_is_name(path), copy = packed ? -1 : fcntl(o->fd, F_DUPFD_CLOEXEC, 0); /* o->fd stays for fsync */
  o->stream = packed ? fd_gzip_stream(o->fd) : copy < 0 ? NULL : fdopen(copy, "w");
  if (o->stream) return FD_OK;
  if (copy >= 0) close(copy);
  fd_output_abandon(o);
  return fd_fail(FD_MEMORY, "cannot open a stream for %s", path);
}

/* Writes the file to disk and closes it. After a failure it is closed and removed. */
static fd_status seal(fd_output *o) {
  fd_status status = FD_OK;
  errno = EIO; /* unless the failing call sets another: an earlier one set the stream's error */
  if (o->stream && (fflush(o->stream) || ferror(o->stream))) status = fd_fail_errno("cannot write", o->path);
  /* fclose writes the rest and the checksum of a gzip stream */
  if (o->stream && fclose(o->stream) && status == FD_OK) status = fd_fail_errno("cannot write", o->path);
  if (status == FD_OK && fsync(o->fd)) status = fd_fail_errno("cannot sync", o->path);
  if (close(o->fd) && status == FD_OK) status = fd_fail_errno("cannot close", o->path);
  o->stream = NULL;
  o->open = 0;
  if (status != FD_OK) unlink(o->temporary);
  return status;
}

/* Renames a sealed file to its path; after a failure it is removed. */
static fd_status show(const fd_output *o) {
  fd_status status = fd_commit_rename(o->temporary, o->path);
  if (status != FD_OK) unlink(o->temporary);
  return status;
}

fd_status fd_output_commit(fd_output *o) {
  FD_TRY(seal(o));
  return show(o);
}

/* Puts two sealed files into place; after a failure both are removed. */
static fd_status show_pair(const fd_output *first, const fd_output *last) {
  fd_status status = FD_OK;
  int removed = unlink(last->path) == 0;
  if (!removed && errno != ENOENT) status = fd_fail_errno("cannot replace", last->path);
  if (removed) status = fd_sync_parent(last->path); /* else it may reappear after a power loss next to the new first */
  if (status == FD_OK) status = fd_commit_rename(first->temporary, first->path);
  if (status != FD_OK) {
    unlink(first->temporary);
    unlink(last->temporary);
    return status;
  }
  status = show(last);
  if (status != FD_OK && !fd_exists(last->path)) unlink(first->path);
  return status;
}

fd_status fd_output_commit_pair(fd_output *first, fd_output *last) {
  char folder[FD_PATH_MAX], name[NAME_MAX + 1], lock[FD_PATH_MAX];
  int fd = -1;
  fd_status status = seal(first);
  if (status == FD_OK) status = seal(last);
  else fd_output_abandon(last);
  split(first->path, folder, name);
  strcat(name, ".lock");
  /* else two processes could put the first of one next to the last of the other */
  if (status == FD_OK) status = fd_path(lock, folder, name, NULL);
  if (status == FD_OK) status = fd_lock_wait(lock, &fd);
  if (status == FD_OK) {
    status = show_pair(first, last);
    fd_lock_end(lock, fd);
    return status;
  }
  unlink(first->temporary);
  unlink(last->temporary);
  return status;
}

void fd_output_abandon(fd_output *o) {
  if (!o->open) return;
  if (o->stream) fclose(o->stream);
  close(o->fd);
  unlink(o->temporary);
  o->stream = NULL;
  o->open = 0;
}

fd_status fd_write_file(const char *path, const void *data, size_t bytes) {
  fd_output o;
  FD_TRY(fd_output_create(&o, path));
  fd_status status = fd_write_all(o.fd, data, bytes, o.path);
  if (status == FD_OK) return fd_output_commit(&o);
  fd_output_abandon(&o);
  return status;
}

fd_status fd_copy_file(const char *from, const char *to, size_t most) {
  char *text;
  size_t bytes;
  FD_TRY(fd_read_file(from, most, &text, &bytes));
  fd_status status = fd_write_file(to, text, bytes);
  free(text);
  return status;
}

fd_status fd_folder_begin(fd_folder *f, const char *path) {
  char parent[FD_PATH_MAX], name[NAME_MAX + 1];
  f->open = 0;
  FD_TRY(fd_path_resolve(f->path, path));
  if (fd_exists(f->path)) return fd_fail(FD_BUSY, "%s: exists already; give the name of a new folder", f->path);
  split(f->path, parent, name);
  FD_TRY(fd_make_folder(parent));
  remove_left(f->path, 1);
  for (int i = 0; i < TRIES && !f->open; i++) {
    name_temporary(f->path, f->temporary);
    f->open = mkdir(f->temporary, 0777) == 0;
    if (!f->open && errno != EEXIST) break;
  }
  return f->open ? FD_OK : fd_fail_errno("cannot make folder", f->temporary);
}

fd_status fd_folder_commit(fd_folder *f) {
  fd_status status = fd_sync_folder(f->temporary);
  if (status == FD_OK && fd_exists(f->path)) status = fd_fail(FD_BUSY, "%s: was made by another process meanwhile", f->path);
  if (status == FD_OK) status = fd_commit_rename(f->temporary, f->path);
  if (status != FD_OK) fd_folder_abandon(f);
  f->open = 0;
  return status;
}

void fd_folder_abandon(fd_folder *f) {
  if (!f->open) return;
  if (fd_remove_folder(f->temporary) != FD_OK) fd_warn("%s: cannot be removed", f->temporary);
  f->open = 0;
}
