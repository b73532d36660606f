/* Search for NaN and infinities. */
#ifndef FD_BASE_FINITE_H
#define FD_BASE_FINITE_H

#include <stddef.h>

/* Index of the first value that is not finite; `count` when all are finite. */
size_t fd_first_bad(const float *values, size_t count);
size_t fd_first_bad_double(const double *values, size_t count);

#endif
