/* Detects whether a file has changed. */
#include "data/file_id.h"

#include <unistd.h>

#include "base/file.h"

fd_status fd_file_id_of(int fd, const char *path, fd_file_id *id) {
  struct stat info;
  if (fstat(fd, &info)) return fd_fail_errno("cannot stat", path);
  *id = (fd_file_id){info.st_dev, info.st_ino, info.st_size, info.st_mtim, info.st_ctim};
  return FD_OK;
}

fd_status fd_file_id_at(const char *path, fd_file_id *id) {
  uint64_t bytes;
  int fd;
  FD_TRY(fd_open_input(path, &fd, &bytes));
  fd_status status = fd_file_id_of(fd, path, id);
  close(fd);
  return status;
}

static int same_time(struct timespec a, struct timespec b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

int fd_file_id_same(const fd_file_id *a, const fd_file_id *b) {
  return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes && same_time(a->modified, b->modified) &&
         same_time(a->changed, b->changed);
}
