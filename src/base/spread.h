/* The text of a standard deviation beside its mean, for tables and pages. */
#ifndef FD_BASE_SPREAD_H
#define FD_BASE_SPREAD_H

/* " ± 0.33", or nothing if the deviation is undefined (NAN, as of a single value), padded with blanks to `width` columns. */
enum { FD_SPREAD = 64 };
const char *fd_spread(char room[FD_SPREAD], double sd, int digits, int width);

#endif
