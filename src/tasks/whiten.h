/* Whitening by principal components: afterwards features are uncorrelated with variance 1, so that a regularised classifier sees
 * directions that the encoder scales down by a factor of a thousand as well as any other. */
#ifndef FD_TASKS_WHITEN_H
#define FD_TASKS_WHITEN_H

#include <stdint.h>

#include "base/error.h"
#include "base/lapack.h"

typedef struct fd_whitening {
  fd_lapack lapack;
  int dims, kept;
  double *mean;    /* [dims] */
  double *map;     /* [dims, kept] */
  double sd[2];    /* along the first two directions */
  double share[2]; /* of the whole variance that they have */
} fd_whitening;

/* Whether the library that whitening needs is there: asked before hours of work whose end it is. */
fd_status fd_whitening_ready(void) FD_MUST_CHECK;

/* Fits on x [rows, dims]. Directions with less than 1e-10 of the largest variance are dropped: they are rounding. Features that
 * are not finite are FD_NUMERIC, constant ones FD_DATA. */
fd_status fd_whitening_fit(fd_whitening **whitening, const float *x, int rows, int dims) FD_MUST_CHECK;
void fd_whitening_free(fd_whitening **whitening);

/* y [rows, kept] = (x - mean) map. */
fd_status fd_whitening_apply(const fd_whitening *whitening, const float *x, int rows, double *y) FD_MUST_CHECK;

/* The first two principal components: plane [rows, 2] = (x - mean) on the directions of the largest variance, in the units of x;
 * 0 where there is no second one. */
void fd_whitening_plane(const fd_whitening *whitening, const float *x, int rows, double *plane);

#endif
