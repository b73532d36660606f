/* Whitening by principal components: makes features uncorrelated with variance 1, so that a regularised classifier can use
 * directions that the encoder scales down by a factor of a thousand like any other. */
#ifndef FD_TASKS_WHITEN_H
#define FD_TASKS_WHITEN_H

#include "base/error.h"
#include "base/lapack.h"

typedef struct fd_whitening {
  fd_lapack lapack;
  int dims, kept;
  double *mean;    /* [dims] */
  double *map;     /* [dims, kept] */
  double sd[2];    /* along the first two directions */
  double share[2]; /* of the total variance along them */
} fd_whitening;

/* Checks that LAPACK is available, to fail before hours of work rather than after. */
fd_status fd_whitening_ready(void) FD_MUST_CHECK;

/* Fits on x [rows, dims]. Directions with less than 1e-10 of the largest variance are dropped as rounding noise. Features that
 * are not finite are FD_NUMERIC, constant features FD_DATA. */
fd_status fd_whitening_fit(fd_whitening **whitening, const float *x, int rows, int dims) FD_MUST_CHECK;
void fd_whitening_free(fd_whitening **whitening);

/* y [rows, kept] = (x - mean) map. */
fd_status fd_whitening_apply(const fd_whitening *whitening, const float *x, int rows, double *y) FD_MUST_CHECK;

/* Projects on the first two principal components: plane [rows, 2] = (x - mean) along the directions of largest variance, in the
 * units of x; 0 if there is no second direction. */
void fd_whitening_plane(const fd_whitening *whitening, const float *x, int rows, double *plane);

#endif
