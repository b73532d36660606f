/* From sequence files to shards: the work of `findna prepare`. */
#ifndef FD_DATA_INGEST_H
#define FD_DATA_INGEST_H

#include "base/args.h"
#include "comm/comm.h"
#include "data/placement.h"
#include "data/taxa.h"

typedef struct fd_ingest_options {
  const char *output; /* folder to make; must not exist */
  fd_list files, contigs, holdout;
  const char *bed, *exclude, *assembly; /* BED files, or NULL */
  int64_t window, count, val_count, test_count, stride, shard_windows, seed;
  double max_n;
  int partial;          /* rows of `bed` and `exclude` may lie nowhere in the files */
  const char *sampling; /* "length" or "uniform" */
} fd_ingest_options;

/* Reads the files, places the windows, writes shards and manifest, and prints a report. Collective: ranks share the work, and the
 * result has the same bits for any number of ranks. On failure nothing is left behind. */
fd_status fd_ingest_run(const fd_ingest_options *options, fd_comm *comm) FD_MUST_CHECK;

/* Records of a table. A row's split is what its column `taxa.part` says, or follows from a share by hash: of its sequence, or of
 * what its column `taxa.by` says, so that rows with one name stay together (held-out genera); a row that says nothing there is
 * one to train on. With `known` the share is by sequence, and each name in `taxa.by` keeps a row to train on (closed world). */
typedef struct fd_ingest_table {
  const char *output; /* folder to make; must not exist */
  fd_taxa_options taxa;
  fd_list of[FD_SPLITS]; /* values of the column `taxa.part`; those of no list are trained on if the list of train is empty */
  double val_share, test_share;
  int known;
  int64_t shard_windows, seed;
} fd_ingest_table;

/* Writes shards of records, manifest, and a table NAME.tsv (id, split, sequence, taxonomy) for each split, or each value of the
 * column `taxa.part`; prints a report. Collective: the root works. On failure nothing is left behind. */
fd_status fd_ingest_table_run(const fd_ingest_table *options, fd_comm *comm) FD_MUST_CHECK;

#endif
