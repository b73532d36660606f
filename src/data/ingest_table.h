/* The steps of an ingest of records, and what they share. */
#ifndef FD_DATA_INGEST_TABLE_H
#define FD_DATA_INGEST_TABLE_H

#include "data/ingest_parts.h"

enum { FD_LEFT_OUT = -1, FD_TABLES_MAX = 256 };

typedef struct fd_record_set {
  const fd_ingest_table *options;
  fd_taxa taxa;
  int *split; /* [records] FD_TRAIN, FD_VAL, FD_TEST, or FD_LEFT_OUT: in a table but in no shard */
  int64_t in_split[FD_SPLITS], left_out;
  int tables;
  const char *table[FD_TABLES_MAX]; /* names of the tables, without .tsv */
  int64_t in_table[FD_TABLES_MAX];
  char table_sha256[FD_SHA256_HEX]; /* of the input table */
  uint64_t table_bytes;
} fd_record_set;

/* Sets the split of each record, and the list of tables. */
fd_status fd_record_set_split(fd_record_set *set) FD_MUST_CHECK;

/* Index of the table that a record is written to. */
int fd_record_set_table(const fd_record_set *set, int64_t record);

/* Writes the shards and the tables into `folder`. Release the manifest with fd_manifest_free. */
fd_status fd_record_set_write(const fd_record_set *set, const char *folder, fd_manifest *manifest) FD_MUST_CHECK;

#endif
