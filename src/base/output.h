/* Outputs that are whole or absent: files and folders.
 *
 * Each is written under a new temporary name next to its path (NAME.tmp-HOST-PROCESS-RANDOM; symlinks are not followed), fsynced,
 * renamed, and the folder is fsynced: a half-written output is never visible. A path that is a symlink is kept and its target
 * replaced. Temporaries that killed processes left for the same path are removed when the next output begins there. Modes are
 * limited by the umask. After a failed fsync a file is abandoned, never fsynced again (the kernel may have dropped the pages). */
#ifndef FD_BASE_OUTPUT_H
#define FD_BASE_OUTPUT_H

#include <stdio.h>

#include "base/file.h"

enum { FD_TEMPORARY_MAX = FD_PATH_MAX + 48 };

/* Writes a whole file durably. Replaces an existing one. */
fd_status fd_write_file(const char *path, const void *data, size_t bytes) FD_MUST_CHECK;

/* Copies a file of at most `most` bytes. */
fd_status fd_copy_file(const char *from, const char *to, size_t most) FD_MUST_CHECK;

/* A file that is written piece by piece. */
typedef struct fd_output {
  int open;
  int fd;
  FILE *stream; /* NULL after fd_output_create */
  char path[FD_PATH_MAX], temporary[FD_TEMPORARY_MAX];
} fd_output;

/* Begins a file that is written through `fd`, or by a library that opens `temporary`. */
fd_status fd_output_create(fd_output *output, const char *path) FD_MUST_CHECK;

/* Begins a file that is written through `stream`, whose errors commit reports. Compressed when the name ends with .gz. */
fd_status fd_output_begin(fd_output *output, const char *path) FD_MUST_CHECK;

/* Makes the output durable and visible, or removes it after a failed write. Either way it is closed. */
fd_status fd_output_commit(fd_output *output) FD_MUST_CHECK;

/* The same for two files that belong together: neither is visible unless both are whole, and `last` never exists next to another
 * `first` than its own, whenever the process is killed, and whoever writes the same pair meanwhile (FIRST.lock exists while the
 * two are put into place). */
fd_status fd_output_commit_pair(fd_output *first, fd_output *last) FD_MUST_CHECK;

/* Closes and removes an output that was not committed; no effect after a commit or on a zeroed struct. */
void fd_output_abandon(fd_output *output);

/* A folder that is filled under its temporary name. */
typedef struct fd_folder {
  int open;
  char path[FD_PATH_MAX], temporary[FD_TEMPORARY_MAX];
} fd_folder;

/* Begins a folder, or the target of a link to none, and creates its parents; FD_BUSY when it exists. */
fd_status fd_folder_begin(fd_folder *folder, const char *path) FD_MUST_CHECK;
fd_status fd_folder_commit(fd_folder *folder) FD_MUST_CHECK;
/* Removes a folder that was not committed; no effect after a commit or on a zeroed struct. */
void fd_folder_abandon(fd_folder *folder);

#endif
