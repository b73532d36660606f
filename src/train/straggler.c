/* Gathers and compares the times of the ranks. */
#include "train/straggler.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/sort.h"

enum { DATA, COMPUTE, WAIT, PARTS, WARN_SECONDS = 600 };

static void warn_of_slowest(const fd_comm *comm, fd_times *t, int64_t step, double (*all)[PARTS], double *sorted) {
  int slowest = 0;
  for (int r = 0; r < comm->size; r++) {
    sorted[r] = all[r][DATA] + all[r][COMPUTE];
    if (sorted[r] > all[slowest][DATA] + all[slowest][COMPUTE]) slowest = r;
  }
  double worst = sorted[slowest], now = fd_seconds();
  fd_sort(sorted, (size_t)comm->size);
  double median = sorted[(comm->size - 1) / 2];
  if (worst <= 1.5 * median || (t->warned > 0 && now - t->warned < WARN_SECONDS)) return;
  char place[FD_PLACE_MAX];
  t->warned = now;
  fd_warn("step %" PRId64
          ": rank %d (%s) is slow: %.3g s a step of its own work (data %.3g s, computing %.3g s), the median rank %.3g s: the "
          "others wait for it",
          step, slowest, fd_comm_place(comm, slowest, place), worst, all[slowest][DATA], all[slowest][COMPUTE], median);
}

fd_status fd_straggler_report(fd_comm *comm, fd_times *t, int64_t step, fd_metrics *metrics) {
  double(*all)[PARTS], steps = t->steps > 0 ? (double)t->steps : 1;
  FD_TRY(fd_alloc(&all, (size_t)comm->size * 2, sizeof *all, "times of the ranks"));
  all[comm->rank][DATA] = t->data / steps, all[comm->rank][COMPUTE] = t->compute / steps, all[comm->rank][WAIT] = t->wait / steps;
  fd_status status = fd_comm_gather_rows(comm, all, PARTS);
  for (int r = 0; status == FD_OK && comm->rank == 0 && r < comm->size; r++)
    fd_metrics_step(metrics, "rank", step, 1 + PARTS, (const char *const[]){"rank", "data", "compute", "wait"},
                    (const double[]){r, all[r][DATA], all[r][COMPUTE], all[r][WAIT]});
  if (status == FD_OK && comm->rank == 0 && comm->size > 1) warn_of_slowest(comm, t, step, all, all[comm->size]);
  *t = (fd_times){.warned = t->warned};
  free(all);
  return status;
}
