/* Minimises a smooth convex function by L-BFGS (Liu and Nocedal 1989; Nocedal and Wright, Algorithm 7.4). */
#ifndef FD_TASKS_LBFGS_H
#define FD_TASKS_LBFGS_H

#include "base/error.h"

/* Returns the value at x [n] and writes the gradient there to g [n]. */
typedef double (*fd_function)(void *context, const double *x, double *g);

typedef struct fd_lbfgs_end {
  double value, gradient; /* gradient: its largest absolute entry */
  int iterations, converged;
} fd_lbfgs_end;

/* Iterates from the start in x until every entry of the gradient is within `tolerance`, no step decreases the value (rounding),
 * or `most` iterations are done. x receives the minimum. FD_NUMERIC if the final value or gradient is not finite. */
fd_status fd_lbfgs(fd_function f, void *context, int n, double *x, double tolerance, int most, fd_lbfgs_end *end) FD_MUST_CHECK;

#endif
