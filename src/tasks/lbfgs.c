/* L-BFGS with a backtracking line search. */
#include "tasks/lbfgs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/memory.h"

enum { PAIRS = 10, HALVINGS = 50 };

typedef struct lbfgs {
  int n, pairs, newest;  /* pairs: number of stored pairs; newest: index of the last one */
  double *step[PAIRS];   /* x[k+1] - x[k] */
  double *change[PAIRS]; /* g[k+1] - g[k] */
  double inverse[PAIRS]; /* 1 / (step . change) */
  double *g, *direction, *x_next, *g_next;
} lbfgs;

static double dot(int n, const double *a, const double *b) {
  double sum[4] = {0};
  int i = 0;
  for (; i + 4 <= n; i += 4)
    for (int j = 0; j < 4; j++) sum[j] += a[i + j] * b[i + j];
  for (; i < n; i++) sum[0] += a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* The largest absolute entry; NAN if an entry is NaN, which fmax would ignore. */
static double largest(int n, const double *g) {
  double most = 0;
  for (int i = 0; i < n && !isnan(most); i++) most = isnan(g[i]) ? NAN : fmax(most, fabs(g[i]));
  return most;
}

/* direction = -H g with H from the stored pairs (the two-loop recursion). */
static void find_direction(lbfgs *s) {
  double alpha[PAIRS], *d = s->direction;
  for (int i = 0; i < s->n; i++) d[i] = -s->g[i];
  for (int k = 0; k < s->pairs; k++) {
    int p = (s->newest + PAIRS - k) % PAIRS;
    alpha[p] = s->inverse[p] * dot(s->n, s->step[p], d);
    for (int i = 0; i < s->n; i++) d[i] -= alpha[p] * s->change[p][i];
  }
  double scale = 1 / fmax(1, sqrt(dot(s->n, s->g, s->g)));
  if (s->pairs) scale = 1 / (s->inverse[s->newest] * dot(s->n, s->change[s->newest], s->change[s->newest]));
  for (int i = 0; i < s->n; i++) d[i] *= scale;
  for (int k = s->pairs - 1; k >= 0; k--) {
    int p = (s->newest + PAIRS - k) % PAIRS;
    double beta = s->inverse[p] * dot(s->n, s->change[p], d);
    for (int i = 0; i < s->n; i++) d[i] += (alpha[p] - beta) * s->step[p][i];
  }
}

/* Halves the step until the value decreases enough (Armijo's condition). Returns 0 if it never does. */
static int search(lbfgs *s, fd_function f, void *context, const double *x, double *value) {
  double slope = dot(s->n, s->g, s->direction), length = 1;
  for (int i = 0; slope < 0 && i < HALVINGS; i++, length /= 2) {
    for (int j = 0; j < s->n; j++) s->x_next[j] = x[j] + length * s->direction[j];
    double next = f(context, s->x_next, s->g_next);
    if (next <= *value + 1e-4 * length * slope) {
      *value = next;
      return 1;
    }
  }
  return 0;
}

/* Moves to x_next and stores the pair, unless its curvature is lost in rounding. */
static void accept(lbfgs *s, double *x) {
  int p = (s->newest + 1) % PAIRS;
  for (int i = 0; i < s->n; i++) {
    s->step[p][i] = s->x_next[i] - x[i];
    s->change[p][i] = s->g_next[i] - s->g[i];
  }
  double curvature = dot(s->n, s->step[p], s->change[p]);
  if (curvature > 1e-14 * dot(s->n, s->step[p], s->step[p])) {
    s->inverse[p] = 1 / curvature;
    s->newest = p;
    if (s->pairs < PAIRS) s->pairs++;
  }
  memcpy(x, s->x_next, (size_t)s->n * sizeof *x);
  memcpy(s->g, s->g_next, (size_t)s->n * sizeof *x);
}

fd_status fd_lbfgs(fd_function f, void *context, int n, double *x, double tolerance, int most, fd_lbfgs_end *end) {
  lbfgs s = {.n = n, .newest = -1 + PAIRS};
  double *memory;
  FD_TRY(fd_alloc(&memory, (size_t)(2 * PAIRS + 4) * (size_t)n, sizeof *memory, "L-BFGS"));
  double *at = memory;
  for (int p = 0; p < PAIRS; p++) s.step[p] = at, s.change[p] = at + n, at += 2 * (size_t)n;
  s.g = at, s.direction = at + n, s.x_next = at + 2 * (size_t)n, s.g_next = at + 3 * (size_t)n;
  *end = (fd_lbfgs_end){.value = f(context, x, s.g)};
  fd_status status = FD_OK;
  while (!(end->converged = largest(n, s.g) <= tolerance) && end->iterations < most) {
    if ((status = fd_guard_go_on()) != FD_OK) break;
    find_direction(&s);
    if (!search(&s, f, context, x, &end->value)) {
      if (s.pairs == 0) break;
      s.pairs = 0; /* stored pairs may mislead near the limit of rounding: retries along the gradient */
      continue;
    }
    accept(&s, x);
    end->iterations++;
  }
  end->gradient = largest(n, s.g);
  free(memory);
  if (status != FD_OK || (isfinite(end->value) && isfinite(end->gradient))) return status;
  return fd_fail(FD_NUMERIC, "a fit has the value %g and a gradient of %g: its data are not finite, or too large", end->value,
                 end->gradient);
}
