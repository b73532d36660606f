/* Named sequences in their file's order: the records of FASTA and 2bit files, the rows of a table, or intervals of a genome. */
#ifndef FD_DATA_SEQUENCES_H
#define FD_DATA_SEQUENCES_H

#include <stdint.h>

#include "data/table.h"

typedef struct fd_sequence {
  const char *id; /* first word of the record's header; id or number of the row; name or contig:start-end of the interval */
  const uint8_t *symbols; /* [length] 0..4 */
  int64_t length;
  /* Its place: [start, start + length) of a contig, or the reverse complement of that; for a table: the id and 0. */
  const char *contig;
  int64_t start;
  int minus;
} fd_sequence;

typedef struct fd_sequences fd_sequences;

/* Opens NAME.bed (with `genome`, a FASTA or 2bit file; columns contig, start, end and optionally name, score, strand, where '-'
 * requests the reverse complement), NAME.csv or NAME.tsv (also gzip or xz; column `sequence` and optionally `id`), or any other
 * name as FASTA or 2bit. Does all checks that are possible before the first sequence is returned. */
fd_status fd_sequences_open(fd_sequences **sequences, const char *path, const char *genome) FD_MUST_CHECK;

/* The rows of a table in memory. Takes ownership of the table, also on failure. */
fd_status fd_sequences_of_table(fd_sequences **sequences, fd_table *table) FD_MUST_CHECK;
void fd_sequences_close(fd_sequences **sequences);

/* Number of sequences, of all their nucleotides, and length of the longest. */
int64_t fd_sequences_count(const fd_sequences *sequences);
int64_t fd_sequences_bases(const fd_sequences *sequences);
int64_t fd_sequences_longest(const fd_sequences *sequences);

/* The next sequence, valid until the next call. FD_BUG after the last one. */
fd_status fd_sequences_next(fd_sequences *sequences, fd_sequence *out) FD_MUST_CHECK;

#endif
