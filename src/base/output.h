/* Outputs that are whole or absent: files and folders.
 *
 * Each is made under a temporary name beside its place (NAME.tmp-HOST-PROCESS-RANDOM; the name is new, and no link is followed),
 * fsynced, renamed, and the folder fsynced: nobody ever sees a half-written one. A place that is a link is kept: what it points
 * at is replaced. Temporaries that killed processes left for the same place are removed when the next output begins there. Modes
 * are what the umask leaves. After a failed fsync a file is abandoned, never fsynced again (the kernel may have dropped the
 * pages). */
#ifndef FD_BASE_OUTPUT_H
#define FD_BASE_OUTPUT_H

#include <stdio.h>

#include "base/file.h"

enum { FD_TEMPORARY_MAX = FD_PATH_MAX + 48 };

/* Writes a whole file durably. Replaces an existing one. */
fd_status fd_write_file(const char *path, const void *data, size_t bytes) FD_MUST_CHECK;

/* Writes a whole file as another one is, of at most `most` bytes. */
fd_status fd_copy_file(const char *from, const char *to, size_t most) FD_MUST_CHECK;

/* A file that is written piece by piece. */
typedef struct fd_output {
  int open;
  int fd;
  FILE *stream; /* NULL after fd_output_create */
  char path[FD_PATH_MAX], temporary[FD_TEMPORARY_MAX];
} fd_output;

/* Begins a file that is written through `fd`, or by whoever opens `temporary`. */
fd_status fd_output_create(fd_output *output, const char *path) FD_MUST_CHECK;

/* Begins a file that is written through `stream`, unchecked: commit checks. Packed with gzip when the name ends with .gz. */
fd_status fd_output_begin(fd_output *output, const char *path) FD_MUST_CHECK;

/* Makes it durable and visible; after a failed write nothing is. Either way the output is closed. */
fd_status fd_output_commit(fd_output *output) FD_MUST_CHECK;

/* The same of two files that belong together: nothing is visible unless both are whole, and `last` is never there beside another
 * `first` than its own, whenever the process is killed. */
fd_status fd_output_commit_pair(fd_output *first, fd_output *last) FD_MUST_CHECK;

/* Closes and removes what was not committed; no harm after a commit, or on zeroes. */
void fd_output_abandon(fd_output *output);

/* A folder that is filled under its temporary name. */
typedef struct fd_folder {
  int open;
  char path[FD_PATH_MAX], temporary[FD_TEMPORARY_MAX];
} fd_folder;

/* FD_BUSY when the path exists. Parents are made. */
fd_status fd_folder_begin(fd_folder *folder, const char *path) FD_MUST_CHECK;
fd_status fd_folder_commit(fd_folder *folder) FD_MUST_CHECK;
/* Removes what was not committed; no harm after a commit, or on zeroes. */
void fd_folder_abandon(fd_folder *folder);

#endif
