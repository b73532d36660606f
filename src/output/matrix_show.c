/* Shows a matrix by the functions of its format; and the functions that the formats share. */
#include "output/matrix_show.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/printable.h"

enum { VALUES_AT_ONCE = 1 << 16, WIDTH_MAX = 1 << 24 };

void fd_value_range_begin(fd_value_range *r) { *r = (fd_value_range){INFINITY, 0, -INFINITY, 0, 0}; }

void fd_value_range_take(fd_value_range *r, double value) {
  if (!isfinite(value)) {
    r->not_finite++;
    return;
  }
  r->min = fmin(r->min, value);
  r->max = fmax(r->max, value);
  r->mean += (value - r->mean) / (double)++r->finite;
}

void fd_value_range_add(fd_value_range *r, const float *value, int64_t count) {
  for (int64_t i = 0; i < count; i++) fd_value_range_take(r, (double)value[i]);
}

void fd_value_range_print(const fd_value_range *r) {
  if (r->finite) printf("  %-14s %.5g to %.5g, mean %.5g; ", "values", r->min, r->max, r->mean);
  else printf("  %-14s ", "values");
  printf("%" PRId64 " not finite\n", r->not_finite);
}

void fd_shown_line(const char *name, const char *text) { fd_print("  %-14s %s\n", name, text); }

int64_t fd_shown_rows(int64_t width) {
  if (width < 1 || width > WIDTH_MAX) return 0;
  return width < VALUES_AT_ONCE ? VALUES_AT_ONCE / width : 1;
}

fd_status fd_matrix_is_one(const char *path, int *is) {
  FD_TRY(fd_matrix_is_npy(path, is));
  return *is ? FD_OK : fd_matrix_is_h5(path, is);
}

fd_status fd_matrix_show(const char *path) {
  char hex[FD_SHA256_HEX];
  uint64_t bytes;
  int npy;
  FD_TRY(fd_matrix_is_npy(path, &npy));
  FD_TRY(fd_sha256_file(path, hex, &bytes));
  fd_print("embeddings %s: %" PRIu64 " bytes, sha256 %s\n", path, bytes, hex);
  return npy ? fd_matrix_show_npy(path) : fd_matrix_show_h5(path);
}
