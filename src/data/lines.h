/* Lines of text files, compressed or not (stream.h), with any line end (LF, CRLF, CR). */
#ifndef FD_DATA_LINES_H
#define FD_DATA_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A file in memory, split into lines in place; lines are valid until fd_lines_close. */
typedef struct fd_lines {
  const char *path; /* borrowed */
  char *text;       /* owned; NULL if the text is the caller's */
  char *at, *end;
  int64_t number; /* of the last line returned, from 1; blank lines count */
} fd_lines;

/* Reads a text of at most `limit` bytes. A byte order mark of UTF-8 is skipped; UTF-16, and a NUL byte anywhere, are
 * FD_DATA. */
fd_status fd_lines_open(fd_lines *lines, const char *path, size_t limit) FD_MUST_CHECK;
void fd_lines_close(fd_lines *lines);

/* The same for a NUL-terminated text in memory, which remains the caller's and is split in place. `path` is for messages. */
fd_status fd_lines_of(fd_lines *lines, const char *path, char *text, size_t bytes) FD_MUST_CHECK;

/* The next line that is not blank, NUL-terminated, without its line end; NULL after the last one. `length` may be NULL. */
char *fd_lines_next(fd_lines *lines, size_t *length);

/* FD_DATA if the bytes begin like UTF-16; else *mark is the length of a byte order mark of UTF-8: 3 or 0. */
fd_status fd_byte_order_mark(const char *path, const void *text, size_t bytes, size_t *mark) FD_MUST_CHECK;

/* The next field of a line, up to `separator` or to its end, NUL-terminated in place; NULL after the last one (*line is
 * NULL). */
char *fd_next_field(char **line, char separator);

/* 1 if the whole text is a decimal integer, with or without a minus, that fits an int64_t. */
int fd_whole_number(const char *text, int64_t *value);

#endif
