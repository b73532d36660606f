/* How each rank spends its time: data, computing, waiting for other ranks; and which rank delays the others. */
#ifndef FD_TRAIN_STRAGGLER_H
#define FD_TRAIN_STRAGGLER_H

#include "comm/comm.h"
#include "output/metrics.h"

/* Seconds of a rank since the last report. */
typedef struct fd_times {
  double data, compute, wait;
  int64_t steps;
  double warned; /* time of the last warning; 0: never */
} fd_times;

/* Gathers the times of all ranks, writes a metrics line "rank" for each (seconds per step), warns of a rank whose own work takes
 * more than 1.5 times the median, at most every ten minutes, and resets the times. Collective; `metrics` is used on the root
 * rank. */
fd_status fd_straggler_report(fd_comm *comm, fd_times *times, int64_t step, fd_metrics *metrics) FD_MUST_CHECK;

#endif
