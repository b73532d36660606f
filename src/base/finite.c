/* Search for NaN and infinities. */
#include "base/finite.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 1024 };

/* Whether a block contains a value that is not finite. Without branches, so that the compiler can vectorize the loop. */
static int any_bad(const float *values, size_t count) {
  const uint32_t exponent = 0x7f800000u;
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, values + i, sizeof bits);
    bad |= (bits & exponent) == exponent;
  }
  return bad != 0;
}

size_t fd_first_bad(const float *values, size_t count) {
  for (size_t at = 0; at < count; at += BLOCK) {
    size_t n = count - at < BLOCK ? count - at : BLOCK, i = 0;
    if (!any_bad(values + at, n)) continue;
    while (isfinite(values[at + i])) i++;
    return at + i;
  }
  return count;
}

size_t fd_first_bad_double(const double *values, size_t count) {
  size_t i = 0;
  while (i < count && isfinite(values[i])) i++;
  return i;
}
