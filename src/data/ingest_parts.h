/* The parts of an ingest, shared by its files. */
#ifndef FD_DATA_INGEST_PARTS_H
#define FD_DATA_INGEST_PARTS_H

#include <jansson.h>

#include "base/output.h"
#include "data/ingest.h"
#include "data/shards.h"

/* One shard to write: windows first .. first + count - 1 of a split. */
typedef struct fd_shard_plan {
  char file[64];
  int split;
  int64_t first, count;
} fd_shard_plan;

typedef struct fd_ingest {
  const fd_ingest_options *options;
  fd_genome genome;
  int *used, *held_out;   /* [records] */
  fd_split_counts splits; /* of --bed */
  fd_split_counts exclusions;
  int64_t excluded; /* bases of the intervals that --exclude takes out */
  fd_intervals intervals;
  fd_places places[FD_SPLITS];
  int shards;
  fd_shard_plan *shard;
} fd_ingest;

/* Takes OUTPUT.tmp-prepare, empty but for its lock (root; *lock is -1 elsewhere), unless OUTPUT exists. Collective. */
fd_status fd_ingest_take(const char *output, fd_comm *comm, char temporary[FD_TEMPORARY_MAX], int *lock) FD_MUST_CHECK;

/* Root: writes the manifest, and makes the folder appear as OUTPUT. */
fd_status fd_ingest_commit(const char *temporary, const char *output, const char *manifest) FD_MUST_CHECK;

/* Gives the lock back; after a failure nothing stays. */
void fd_ingest_leave(const char *temporary, int lock, fd_status status);

/* Pass 1: the records of all files, on all ranks. Collective. */
fd_status fd_ingest_scan(const fd_list *files, fd_comm *comm, fd_genome *genome) FD_MUST_CHECK;

/* Fills in `used` and `held_out`; checks names and, of a known assembly, lengths. */
fd_status fd_ingest_choose(fd_ingest *in) FD_MUST_CHECK;

/* Pass 2: writes the shards into `folder`; entries[shards], zeroed, are filled on all ranks. Collective. */
fd_status fd_ingest_write(const fd_ingest *in, const char *folder, fd_comm *comm, fd_shard_entry *entries) FD_MUST_CHECK;

/* contigs.tsv: a line for each sequence, with the place of its first base from 0, its length, its N and whether it is used. It
 * is no part of the manifest, which every rank of every training reads: there may be millions. Released with free(). */
fd_status fd_ingest_contigs(const fd_ingest *in, char **text, size_t *bytes) FD_MUST_CHECK;

/* The list of shards of a manifest. NULL: out of memory (json_pack of it fails, too). */
json_t *fd_ingest_shards(const fd_manifest *manifest);

/* The manifest's text (released with free()), and the same content as a report for people on stdout. */
fd_status fd_ingest_manifest(const fd_ingest *in, const fd_manifest *manifest, char **text) FD_MUST_CHECK;
void fd_ingest_report(const fd_ingest *in, const fd_manifest *manifest);

#endif
