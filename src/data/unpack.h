/* Whole files in memory, unpacked when they are gzip or xz. */
#ifndef FD_DATA_UNPACK_H
#define FD_DATA_UNPACK_H

#include <stddef.h>

#include "base/error.h"

/* Reads a regular file; gzip (also of several members, as bgzip writes) and xz are known by their first bytes, not by the name.
 * At most `limit` bytes, unpacked, are taken. *text is NUL-terminated and released with free(). A damaged or truncated file is
 * FD_DATA. */
fd_status fd_unpack_file(const char *path, size_t limit, char **text, size_t *bytes) FD_MUST_CHECK;

#endif
