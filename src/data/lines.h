/* Text files as lines: whatever packs them (stream.h), and with every kind of line end (LF, CRLF, CR). */
#ifndef FD_DATA_LINES_H
#define FD_DATA_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A file in memory, cut into lines in place: they live until the close. */
typedef struct fd_lines {
  const char *path; /* borrowed */
  char *text;       /* owned; NULL: of a text that is the caller's */
  char *at, *end;
  int64_t number; /* of the line given last, from 1; blank ones count */
} fd_lines;

/* Reads a text of at most `limit` bytes. The byte order mark of UTF-8 is taken off; UTF-16, and a NUL byte anywhere, are FD_DATA:
 * this is no text. */
fd_status fd_lines_open(fd_lines *lines, const char *path, size_t limit) FD_MUST_CHECK;
void fd_lines_close(fd_lines *lines);

/* The same of a text in memory, NUL-terminated; it stays the caller's and is cut in place. `path` is for messages. */
fd_status fd_lines_of(fd_lines *lines, const char *path, char *text, size_t bytes) FD_MUST_CHECK;

/* The next line that holds more than blanks, without its end and NUL-terminated; NULL behind the last one. `length` may be NULL.
 */
char *fd_lines_next(fd_lines *lines, size_t *length);

/* FD_DATA when the bytes begin like UTF-16; else *mark is the length of a byte order mark of UTF-8: 3 or 0. */
fd_status fd_byte_order_mark(const char *path, const void *text, size_t bytes, size_t *mark) FD_MUST_CHECK;

/* The next field of a line, up to `separator` or to its end, NUL-terminated in place; NULL when there is none left (*line is
 * NULL). */
char *fd_next_field(char **line, char separator);

/* 1 when the whole text is a number of decimal digits, with a minus or not, that an int64_t holds. */
int fd_whole_number(const char *text, int64_t *value);

#endif
