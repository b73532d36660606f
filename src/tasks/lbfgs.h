/* Minimises a smooth convex function by L-BFGS (Liu and Nocedal 1989; Nocedal and Wright, Algorithm 7.4). */
#ifndef FD_TASKS_LBFGS_H
#define FD_TASKS_LBFGS_H

#include "base/error.h"

/* The value at x, and the gradient there into g; both [n]. */
typedef double (*fd_function)(void *context, const double *x, double *g);

typedef struct fd_lbfgs_end {
  double value, gradient; /* gradient: its largest entry */
  int iterations, converged;
} fd_lbfgs_end;

/* From the start in x until every entry of the gradient is within `tolerance`, no step makes the value smaller (rounding), or
 * `most` iterations are done. x receives the minimum. FD_NUMERIC when the value or the gradient at the end is not finite. */
fd_status fd_lbfgs(fd_function f, void *context, int n, double *x, double tolerance, int most, fd_lbfgs_end *end) FD_MUST_CHECK;

#endif
