/* The reproducible reduction, and small collectives built from the primitive ones. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/signals.h"
#include "comm/comm.h"

/* The tree of device/link.c. */
fd_status fd_comm_tree_sum_f64(fd_comm *comm, double *data, size_t count, double *scratch) {
  size_t begin[32], end[32];
  int level = 0;
  if (comm->size & (comm->size - 1))
    return fd_fail(FD_CONFIG, "%d ranks: the reproducible reduction needs a power of two", comm->size);
  begin[0] = 0, end[0] = count;
  for (int distance = 1; distance < comm->size; distance *= 2, level++) {
    int peer = comm->rank ^ distance, upper = (comm->rank & distance) != 0;
    size_t lo = begin[level], hi = end[level], middle = lo + (hi - lo) / 2;
    size_t keep = upper ? middle : lo, stop = upper ? hi : middle, give = upper ? lo : middle, n = stop - keep;
    FD_TRY(comm->ops->exchange(comm, peer, data + give, (hi - lo - n) * sizeof *data, scratch, n * sizeof *data));
    for (size_t i = 0; i < n; i++) data[keep + i] = upper ? scratch[i] + data[keep + i] : data[keep + i] + scratch[i];
    begin[level + 1] = keep, end[level + 1] = stop;
  }
  for (int distance = comm->size / 2; distance >= 1; distance /= 2, level--) {
    int peer = comm->rank ^ distance, upper = (comm->rank & distance) != 0;
    size_t lo = begin[level], hi = end[level], from = upper ? begin[level - 1] : hi, to = upper ? lo : end[level - 1];
    FD_TRY(comm->ops->exchange(comm, peer, data + lo, (hi - lo) * sizeof *data, data + from, (to - from) * sizeof *data));
  }
  return FD_OK;
}

const char *fd_comm_place(const fd_comm *comm, int rank, char text[FD_PLACE_MAX]) {
  const int64_t *gpu = comm->gpu;
  int n = snprintf(text, FD_PLACE_MAX, "%s", fd_comm_host(comm, rank));
  if (gpu) snprintf(text + n, (size_t)(FD_PLACE_MAX - n), ", GPU %d", (int)gpu[rank]);
  return text;
}

fd_status fd_comm_share_text(fd_comm *comm, char **text, size_t *bytes) {
  uint64_t length = comm->rank == 0 ? *bytes : 0;
  FD_TRY(comm->ops->broadcast(comm, &length, sizeof length, 0));
  if (comm->rank) {
    *bytes = (size_t)length;
    FD_TRY(fd_alloc(text, *bytes + 1, 1, "a broadcast text"));
  }
  return comm->ops->broadcast(comm, *text, *bytes, 0);
}

/* A sum gathers the rows, as each rank has zeros in the rows of the others. */
fd_status fd_comm_gather_rows(fd_comm *comm, void *rows, size_t words) {
  uint64_t(*all)[words] = rows;
  for (int r = 0; r < comm->size; r++)
    if (r != comm->rank) memset(all[r], 0, sizeof *all);
  return comm->ops->sum_u64(comm, rows, (size_t)comm->size * words);
}

fd_status fd_comm_stop_asked(fd_comm *comm) {
  uint64_t asked = fd_signals_stop() != 0;
  FD_TRY(comm->ops->sum_u64(comm, &asked, 1));
  return asked ? FD_RETRY : FD_OK;
}

fd_status fd_comm_agree(fd_comm *comm, fd_status mine) {
  /* A maximum by sums: one counter per status, as exit codes are small. */
  uint64_t seen[128];
  memset(seen, 0, sizeof seen);
  seen[mine] = 1;
  fd_status status = comm->ops->sum_u64(comm, seen, 128);
  if (status != FD_OK) return status;
  for (int code = 127; code > 0; code--)
    if (seen[code]) return (fd_status)code;
  return FD_OK;
}
