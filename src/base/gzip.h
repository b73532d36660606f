/* A stream that packs what is written to it. */
#ifndef FD_BASE_GZIP_H
#define FD_BASE_GZIP_H

#include <stdio.h>

/* Whether a file of this name is written as gzip: it ends with .gz. */
int fd_gzip_is_name(const char *path);

/* A stream over an open file, which stays the caller's and open after fclose; fclose writes what is left. The same bytes for the
 * same content: no time and no name is in them. NULL without memory. */
FILE *fd_gzip_stream(int fd);

#endif
