/* Where each rank's time goes: data, computing, waiting for others; and which rank holds the others up. */
#ifndef FD_TRAIN_STRAGGLER_H
#define FD_TRAIN_STRAGGLER_H

#include "comm/comm.h"
#include "output/metrics.h"

/* Seconds of a rank since the last report. */
typedef struct fd_times {
  double data, compute, wait;
  int64_t steps;
  double warned; /* when; 0: never */
} fd_times;

/* Gathers the times of all ranks, writes a metrics line "rank" for each (seconds a step), warns of a rank whose own work takes
 * more than 1.5 times the median's, at most every ten minutes, and begins anew. Collective; `metrics` is the root's. */
fd_status fd_straggler_report(fd_comm *comm, fd_times *times, int64_t step, fd_metrics *metrics) FD_MUST_CHECK;

#endif
