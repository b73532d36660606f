/* Files and folders: paths, whole reads, what makes names durable. Files are written through base/output.h. */
#ifndef FD_BASE_FILE_H
#define FD_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum { FD_PATH_MAX = 4096 };

/* Opens /dev/null in the place of a closed standard input, output or error, so that no file of ours takes their number and
 * receives log lines. Called first of all. */
void fd_open_standard(void);

/* Joins up to three parts with '/'; NULL parts are left out. Fails when the result is longer than FD_PATH_MAX. */
fd_status fd_path(char out[FD_PATH_MAX], const char *a, const char *b, const char *c) FD_MUST_CHECK;

/* Opens a regular file for reading, and its size. Devices, pipes, sockets and folders are FD_DATA at once: nothing waits for the
 * other end of a pipe, or reads for ever. All readers of input open here. */
fd_status fd_open_input(const char *path, int *fd, uint64_t *bytes) FD_MUST_CHECK;

/* The same as a stream, closed with fclose. */
fd_status fd_open_stream(const char *path, FILE **in, uint64_t *bytes) FD_MUST_CHECK;

/* Of a stream whose lines were read to their end: whether it came there without a failure, and not before the `bytes` that it had
 * when it was opened. */
fd_status fd_check_end(FILE *in, uint64_t bytes, const char *path) FD_MUST_CHECK;

/* *same: whether it is a regular file that begins with these bytes (at most 16). What is not there or no regular file does not;
 * one that cannot be read is a failure. */
fd_status fd_begins_with(const char *path, const void *bytes, size_t count, int *same) FD_MUST_CHECK;

/* Reads a regular file of at most `limit` bytes; *text is NUL-terminated and released with free(). The size is checked before
 * anything is read. */
fd_status fd_read_file(const char *path, size_t limit, char **text, size_t *bytes) FD_MUST_CHECK;

/* write() until all is written (short writes, EINTR). */
fd_status fd_write_all(int fd, const void *data, size_t bytes, const char *path) FD_MUST_CHECK;

/* Makes a folder and its parents, durably, with the modes that the umask leaves; existing ones are fine. */
fd_status fd_make_folder(const char *path) FD_MUST_CHECK;

/* fsync of a folder: makes renames and new names in it durable. A file system that cannot do that is no failure. */
fd_status fd_sync_folder(const char *path) FD_MUST_CHECK;

/* The same of the folder that holds a name. */
fd_status fd_sync_parent(const char *path) FD_MUST_CHECK;

/* Renames a finished temporary onto `path` and makes the name durable. */
fd_status fd_commit_rename(const char *temporary, const char *path) FD_MUST_CHECK;

/* Removes a folder with all that is in it; no error when it is absent. Links, in it or in its place, are removed and never
 * followed. */
fd_status fd_remove_folder(const char *path) FD_MUST_CHECK;

/* 1 when the name exists (any kind), else 0. */
int fd_exists(const char *path);

/* 1 when nothing has the name, for certain. After a look that fails otherwise (EIO) it is 0: opening it says why. For what is
 * read when it is there. */
int fd_is_absent(const char *path);

/* Size in bytes of a regular file. */
fd_status fd_file_size(const char *path, uint64_t *bytes) FD_MUST_CHECK;

#endif
