/* Numbers in ascending order. */
#include "base/sort.h"

#include <stdlib.h>

/* A total order: without the last two terms NaN would equal everything. */
static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y) + (x != x) - (y != y);
}

void fd_sort(double *values, size_t count) {
  if (count) qsort(values, count, sizeof *values, ascending);
}
