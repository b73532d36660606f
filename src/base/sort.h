/* Sorts numbers. */
#ifndef FD_BASE_SORT_H
#define FD_BASE_SORT_H

#include <stddef.h>

/* In place, ascending; NaN comes last. */
void fd_sort(double *values, size_t count);

#endif
