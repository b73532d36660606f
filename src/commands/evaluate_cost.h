/* What the pretraining of a checkpoint cost. */
#ifndef FD_COMMANDS_EVALUATE_COST_H
#define FD_COMMANDS_EVALUATE_COST_H

#include "base/error.h"

/* The time of all steps in a run folder's metrics.jsonl, times the ranks of the run's last start and, on CPUs, the threads of
 * each (environment.json). A frozen teacher's own pretraining is not included. */
typedef struct fd_cost {
  double hours; /* core-hours, or GPU-hours; NAN: unknown, for example because `path` is not a run folder with both files */
  int gpu;
} fd_cost;
fd_status fd_evaluation_cost(const char *path, fd_cost *cost) FD_MUST_CHECK;

#endif
