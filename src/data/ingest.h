/* From sequence files to shards: the work of `findna prepare`. */
#ifndef FD_DATA_INGEST_H
#define FD_DATA_INGEST_H

#include "base/args.h"
#include "comm/comm.h"
#include "data/placement.h"

typedef struct fd_ingest_options {
  const char *output; /* folder to make; must not exist */
  fd_list files, contigs, holdout;
  const char *bed, *assembly;
  int64_t window, count, val_count, test_count, stride, shard_windows, seed;
  double max_n;
  int partial;          /* rows of `bed` may lie nowhere in the files */
  const char *sampling; /* "length" or "uniform" */
} fd_ingest_options;

/* Reads the files, places the windows, writes shards and manifest, and prints a report. Collective: ranks share the work, and the
 * result has the same bits for any number of ranks. On failure nothing is left behind. */
fd_status fd_ingest_run(const fd_ingest_options *options, fd_comm *comm) FD_MUST_CHECK;

#endif
