/* A stdio stream that compresses what is written to it. */
#ifndef FD_BASE_GZIP_H
#define FD_BASE_GZIP_H

#include <stdio.h>

/* Whether a file of this name is written as gzip: it ends with .gz. */
int fd_gzip_is_name(const char *path);

/* A stream over an open file descriptor, which stays open and the caller's; fclose writes the remaining data. The same content
 * always gives the same bytes: the header has no time and no name. NULL when out of memory. */
FILE *fd_gzip_stream(int fd);

#endif
