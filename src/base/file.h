/* Files and folders: paths, reading whole files, durable renames and new names. Files are written through base/output.h. */
#ifndef FD_BASE_FILE_H
#define FD_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum { FD_PATH_MAX = 4096 };

/* Opens /dev/null in place of a closed standard input, output or error, so that no other file gets their descriptor and receives
 * log lines. Called first in main. */
void fd_open_standard(void);

/* Joins up to three parts with '/'; NULL parts are left out. Fails when the result is longer than FD_PATH_MAX. */
fd_status fd_path(char out[FD_PATH_MAX], const char *a, const char *b, const char *c) FD_MUST_CHECK;

/* Opens a regular file for reading and returns its size. Devices, pipes, sockets and folders are FD_DATA at once, so that nothing
 * waits for a pipe's writer or reads for ever. All input files are opened here. */
fd_status fd_open_input(const char *path, int *fd, uint64_t *bytes) FD_MUST_CHECK;

/* The same as a stream, closed with fclose. */
fd_status fd_open_stream(const char *path, FILE **in, uint64_t *bytes) FD_MUST_CHECK;

/* After all lines of a stream were read: FD_OK when its end was reached without an error and not before `bytes`, its size when it
 * was opened. */
fd_status fd_check_end(FILE *in, uint64_t bytes, const char *path) FD_MUST_CHECK;

/* *same: whether `path` is a regular file that begins with these bytes (at most 16); 0 when it is absent or not a regular file. A
 * file that cannot be read is an error. */
fd_status fd_begins_with(const char *path, const void *bytes, size_t count, int *same) FD_MUST_CHECK;

/* Reads a regular file of at most `limit` bytes; *text is NUL-terminated and released with free(). The size is checked before
 * anything is read. FD_RETRY when a stop was requested while a large file was being read (fd_guard_go_on). */
fd_status fd_read_file(const char *path, size_t limit, char **text, size_t *bytes) FD_MUST_CHECK;

/* Calls write() until all bytes are written, over short writes and EINTR. */
fd_status fd_write_all(int fd, const void *data, size_t bytes, const char *path) FD_MUST_CHECK;

/* Creates a folder and its parents durably, with modes limited by the umask; existing folders are no error. In place of a link
 * its target is created; FD_PERMISSION for the link of another user (fd_path_resolve). */
fd_status fd_make_folder(const char *path) FD_MUST_CHECK;

/* fsync of a folder: makes renames and new names in it durable. No error on file systems that do not support it. */
fd_status fd_sync_folder(const char *path) FD_MUST_CHECK;

/* The same for the folder that contains `path`. */
fd_status fd_sync_parent(const char *path) FD_MUST_CHECK;

/* Atomically renames a finished temporary file to `path` and makes the name durable. */
fd_status fd_commit_rename(const char *temporary, const char *path) FD_MUST_CHECK;

/* Removes a folder with its contents; no error when it is absent. Symlinks in it or in its place are removed, never followed. */
fd_status fd_remove_folder(const char *path) FD_MUST_CHECK;

/* 1 when the name exists (any kind), else 0. */
int fd_exists(const char *path);

/* 1 when the name certainly does not exist, for files that are read if they exist. 0 after any other error (EIO), which opening
 * the file then reports. */
int fd_is_absent(const char *path);

/* Size in bytes of a regular file. */
fd_status fd_file_size(const char *path, uint64_t *bytes) FD_MUST_CHECK;

#endif
