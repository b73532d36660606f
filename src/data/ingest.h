/* From sequence files to shards: the work of `findna prepare`. */
#ifndef FD_DATA_INGEST_H
#define FD_DATA_INGEST_H

#include "base/args.h"
#include "comm/comm.h"
#include "data/placement.h"
#include "data/taxa.h"

typedef struct fd_ingest_options {
  const char *output; /* folder to create; must not exist */
  fd_list files, contigs, holdout;
  const char *bed, *exclude, *assembly; /* BED files, or NULL */
  int64_t window, count, val_count, test_count, stride, shard_windows, seed;
  double max_n;
  int partial;          /* rows of `bed` and `exclude` may be outside all sequences */
  const char *sampling; /* "length" or "uniform" */
} fd_ingest_options;

/* Reads the files, places the windows, writes shards and manifest, and prints a report. Collective: ranks share the work, and
 * the result has the same bits for any number of ranks. On failure nothing is left behind. */
fd_status fd_ingest_run(const fd_ingest_options *options, fd_comm *comm) FD_MUST_CHECK;

/* Records of a table. A row's split is the value of its column `taxa.part`, or follows from a hash and the shares of the
 * splits: the hash of its sequence, or of its value in the column `taxa.by`, so that rows with the same name stay together
 * (held-out genera); rows without a value there are training rows. With `known` the hash is that of the sequence, and each name
 * in `taxa.by` keeps a training row (closed world). */
typedef struct fd_ingest_table {
  const char *output; /* folder to create; must not exist */
  fd_taxa_options taxa;
  fd_list of[FD_SPLITS]; /* values of the column `taxa.part`; values in no list are train if that list is empty */
  double val_share, test_share;
  int known;
  int64_t shard_windows, seed;
} fd_ingest_table;

/* Writes shards of records, manifest, and a table NAME.tsv (id, split, sequence, taxonomy) for each split, or each value of the
 * column `taxa.part`; prints a report. Collective: rank 0 does the work. On failure nothing is left behind. */
fd_status fd_ingest_table_run(const fd_ingest_table *options, fd_comm *comm) FD_MUST_CHECK;

#endif
