/* The identity and state of a file at one time, to detect later that it was changed or replaced. */
#ifndef FD_DATA_FILE_ID_H
#define FD_DATA_FILE_ID_H

#include <sys/stat.h>

#include "base/error.h"

typedef struct fd_file_id {
  dev_t device;
  ino_t inode;
  off_t bytes;
  struct timespec modified, changed;
} fd_file_id;

/* The identity of an open file, and of the regular file at a path, which must exist. */
fd_status fd_file_id_of(int fd, const char *path, fd_file_id *id) FD_MUST_CHECK;
fd_status fd_file_id_at(const char *path, fd_file_id *id) FD_MUST_CHECK;

int fd_file_id_same(const fd_file_id *a, const fd_file_id *b);

#endif
