/* Named sequences in their file's order: the records of FASTA and 2bit files, the rows of a table, or intervals of a genome. */
#ifndef FD_DATA_SEQUENCES_H
#define FD_DATA_SEQUENCES_H

#include <stdint.h>

#include "data/table.h"

typedef struct fd_sequence {
  const char *id;         /* the record's first word, the table's id or row number, the interval's name or contig:start-end */
  const uint8_t *symbols; /* [length] 0..4 */
  int64_t length;
  const char
      *contig; /* where it lies: [start, start + length) of a contig, or of its reverse complement; of a table: the id, 0 */
  int64_t start;
  int minus;
} fd_sequence;

typedef struct fd_sequences fd_sequences;

/* Opens NAME.bed (with `genome`, a FASTA or 2bit file; columns contig, start, end and, if there, name, score, strand: '-' gives
 * the reverse complement), NAME.csv or NAME.tsv (also gzip or xz; column `sequence`, and `id` if there), or else FASTA or 2bit.
 * Everything is checked that can be before the first sequence is given. */
fd_status fd_sequences_open(fd_sequences **sequences, const char *path, const char *genome) FD_MUST_CHECK;

/* The rows of a table in memory, which it takes over, also when it fails. */
fd_status fd_sequences_of_table(fd_sequences **sequences, fd_table *table) FD_MUST_CHECK;
void fd_sequences_close(fd_sequences **sequences);

/* How many there are, all their nucleotides, and the longest. */
int64_t fd_sequences_count(const fd_sequences *sequences);
int64_t fd_sequences_bases(const fd_sequences *sequences);
int64_t fd_sequences_longest(const fd_sequences *sequences);

/* The next one, which lives until the call after. Past the last one: FD_BUG. */
fd_status fd_sequences_next(fd_sequences *sequences, fd_sequence *out) FD_MUST_CHECK;

#endif
