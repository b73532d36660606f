/* The monotonic clock. */
#include "base/clock.h"

#include <stdint.h>
#include <stdio.h>
#include <time.h>

double fd_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *fd_duration_text(char text[FD_DURATION_TEXT], double seconds) {
  const double longest = 1e6 * 366 * 86400;
  int64_t whole = seconds >= 0 && seconds < longest ? (int64_t)seconds : -1;
  if (whole < 0) snprintf(text, FD_DURATION_TEXT, "?");
  else snprintf(text, FD_DURATION_TEXT, "%lld:%02d:%02d", (long long)(whole / 3600), (int)(whole / 60 % 60), (int)(whole % 60));
  return text;
}
