/* The steps of an ingest, and what they share. */
#ifndef FD_DATA_INGEST_PARTS_H
#define FD_DATA_INGEST_PARTS_H

#include <jansson.h>

#include "base/output.h"
#include "data/ingest.h"
#include "data/manifest.h"

/* One shard to write: windows first .. first + count - 1 of a split. */
typedef struct fd_shard_plan {
  char file[64];
  int split;
  int64_t first, count;
} fd_shard_plan;

typedef struct fd_ingest {
  const fd_ingest_options *options;
  fd_genome genome;
  int *used, *held_out;       /* [records] */
  fd_split_counts splits;     /* with --bed */
  fd_split_counts exclusions; /* with --exclude */
  int64_t excluded;           /* bases that --exclude removed from the intervals */
  fd_intervals intervals;
  fd_places places[FD_SPLITS];
  int shards;
  fd_shard_plan *shard;
} fd_ingest;

/* Takes the temporary folder OUTPUT.tmp-prepare, which is then empty except for its lock file (rank 0; *lock is -1 on the
 * others). FD_BUSY if OUTPUT exists. Collective. */
fd_status fd_ingest_take(const char *output, fd_comm *comm, char temporary[FD_TEMPORARY_MAX], int *lock) FD_MUST_CHECK;

/* Rank 0: adds the other files of the folder to the manifest, which it takes, writes it, and renames the folder to OUTPUT. A NULL
 * manifest fails as in fd_json_built. */
fd_status fd_ingest_commit(const char *temporary, const char *output, json_t *manifest) FD_MUST_CHECK;

/* Releases the lock; after a failure, removes the folder. */
void fd_ingest_leave(const char *temporary, int lock, fd_status status);

/* Pass 1: the records of all files, on all ranks. Collective. */
fd_status fd_ingest_scan(const fd_list *files, fd_comm *comm, fd_genome *genome) FD_MUST_CHECK;

/* Sets `used` and `held_out`; checks names and, for a known assembly, lengths. */
fd_status fd_ingest_choose(fd_ingest *in) FD_MUST_CHECK;

/* Pass 2: writes the shards into `folder`; entries [shards], zeroed before, are filled on all ranks. Collective. */
fd_status fd_ingest_write(const fd_ingest *in, const char *folder, fd_comm *comm, fd_shard_entry *entries) FD_MUST_CHECK;

/* The text of contigs.tsv: for each sequence the 0-based position of its first base, its length, its N and whether it is used.
 * It is not in the manifest, which every rank of every run reads: there may be millions of sequences. Release it with
 * free(). */
fd_status fd_ingest_contigs(const fd_ingest *in, char **text, size_t *bytes) FD_MUST_CHECK;

/* Parts of a manifest; NULL: out of memory, or a name that is not UTF-8 (json_pack with it then fails, too). An option that is a
 * list; a source file; the files of a genome, appended to a list of sources. */
json_t *fd_ingest_list(const fd_list *list);
json_t *fd_ingest_source(const char *path, const char *sha256, uint64_t bytes, const char *format);
void fd_ingest_add_genome(json_t **sources, const fd_genome *genome);

/* The list of shards of a manifest; NULL: out of memory (json_pack with it then fails, too). */
json_t *fd_ingest_shards(const fd_manifest *manifest);

/* The manifest (NULL: as in fd_json_built), and the same content as a report on stdout. */
json_t *fd_ingest_manifest(const fd_ingest *in, const fd_manifest *manifest);
void fd_ingest_report(const fd_ingest *in, const fd_manifest *manifest);

#endif
