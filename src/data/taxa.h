/* Sequences of their own lengths with their taxonomy: the rows of a table, or the records of FASTA files whose classification is
 * a table. */
#ifndef FD_DATA_TAXA_H
#define FD_DATA_TAXA_H

#include <stdint.h>

#include "base/args.h"
#include "data/genome.h"
#include "data/lines.h"

enum { FD_TAXA_COLUMNS = 64 };

typedef struct fd_taxa_options {
  const char *table;
  fd_list files;           /* FASTA; none: the table has the sequences */
  fd_list columns;         /* to keep; none: the ranks of a taxonomy and the BIN that the table has */
  fd_list require;         /* columns without which a row is left out */
  const char *part, *by;   /* further columns to keep what they say (fd_taxa.part, fd_taxa.by); NULL: none */
  int64_t limit, shortest; /* nucleotides of a sequence */
} fd_taxa_options;

/* What was read, and what became of it. */
typedef struct fd_taxa_counts {
  int64_t rows;              /* of the table */
  int64_t iupac, odd;        /* letters that became N: IUPAC's, and what is no letter of nucleotides */
  int64_t cut, stripped;     /* sequences cut at the limit; that had N behind their last nucleotide */
  int64_t none, shorter;     /* left out: without A, C, G, T; shorter than the shortest */
  int64_t lacking;           /* left out: without what `require` names */
  int64_t duplicates;        /* left out: the sequence of one before */
  int64_t differing;         /* of these, such as say another name in a kept column */
  int64_t unnamed, unplaced; /* FASTA records that the table does not name; rows of the table without a record */
} fd_taxa_counts;

typedef struct fd_taxa {
  int64_t count;
  int64_t *start;   /* [count + 1] into symbols */
  uint8_t *symbols; /* 0..4 */
  const char **id;  /* [count]; "" where the table has none */
  int columns;
  const char *column[FD_TAXA_COLUMNS]; /* names, as the table has them */
  const char **value;                  /* [count, columns]; "" where it says nothing */
  const char **part, **by;             /* [count], or NULL */
  fd_taxa_counts counts;
  fd_lines lines;   /* behind the texts */
  fd_genome genome; /* behind the ids of FASTA records */
  size_t room[6];
} fd_taxa;

/* Reads and checks: of sequences that are the same after cutting the first stays. Of several columns that may hold the sequence,
 * the first of sequence, seq, dna_barcode, nucleotides, nucraw is taken; of the id: id, processid, sampleid, name. Columns that
 * are asked for and missing, a table without rows, and one of which no sequence is left, are FD_DATA. fd_taxa_free may follow a
 * failure. */
fd_status fd_taxa_read(fd_taxa *taxa, const fd_taxa_options *options) FD_MUST_CHECK;
void fd_taxa_free(fd_taxa *taxa);

#endif
