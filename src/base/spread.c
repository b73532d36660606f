/* The text of a standard deviation beside its mean, for tables and pages. */
#include "base/spread.h"

#include <math.h>
#include <stdio.h>

const char *fd_spread(char room[FD_SPREAD], double sd, int digits, int width) {
  int bytes = isfinite(sd) ? snprintf(room, FD_SPREAD, " ± %.*f", digits, sd) : 0;
  if (bytes >= FD_SPREAD) bytes = FD_SPREAD - 1;
  int columns = bytes ? bytes - 1 : 0; /* the sign has two bytes */
  for (; columns < width && bytes < FD_SPREAD - 1; columns++) room[bytes++] = ' ';
  room[bytes] = '\0';
  return room;
}
