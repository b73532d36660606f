/* Sequences of various lengths with their taxonomy: the rows of a table, or the records of FASTA files with a table of their
 * classification. */
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
  fd_list columns;         /* to keep; none: the taxonomic ranks and the BIN that the table has */
  fd_list require;         /* columns that must have a value, else a row is left out */
  const char *part, *by;   /* further columns, whose values are fd_taxa.part and fd_taxa.by; NULL: none */
  int64_t limit, shortest; /* nucleotides of a sequence, at most and at least */
} fd_taxa_options;

/* Counts of what was read, and what was done with it. */
typedef struct fd_taxa_counts {
  int64_t rows;               /* of the table */
  int64_t iupac, odd;         /* letters that became N: other IUPAC letters; letters that are not nucleotides */
  int64_t cut, stripped;      /* sequences cut at the limit; with N after their last nucleotide */
  int64_t none, shorter;      /* left out: without any A, C, G, T; shorter than `shortest` */
  int64_t lacking;            /* left out: without a value that `require` names */
  int64_t duplicates;         /* left out: equal to an earlier sequence */
  int64_t differing;          /* of these, with another name in a kept column */
  int64_t nameless, repeated; /* kept records without an id; with the id of an earlier one */
  int64_t unnamed, unplaced;  /* FASTA records that the table does not name; rows of the table without a record */
} fd_taxa_counts;

typedef struct fd_taxa {
  int64_t count;
  int64_t *start;   /* [count + 1] into symbols */
  uint8_t *symbols; /* 0..4 */
  const char **id;  /* [count]; "" where the table has none */
  int columns;
  const char *column[FD_TAXA_COLUMNS]; /* names of the columns */
  const char **value;                  /* [count, columns]; "" if missing */
  const char **part, **by;             /* [count]; "" without such a column */
  fd_taxa_counts counts;
  fd_lines lines;   /* memory of the texts */
  fd_genome genome; /* memory of the ids of FASTA records */
  size_t room[6];
} fd_taxa;

/* Whether the text of a cell is no name: missing, or Python's None. */
int fd_taxa_is_missing(const char *text);

/* Reads and checks the records. Of sequences that are equal after cutting, the first is kept. The sequence is in the first of
 * the columns sequence, seq, dna_barcode, nucleotides, nucraw that the table has, the id in the first of id, processid,
 * sampleid, name. A requested column that is missing, a table without rows, and a table of which no sequence is left are
 * FD_DATA. fd_taxa_free may be called after a failure. */
fd_status fd_taxa_read(fd_taxa *taxa, const fd_taxa_options *options) FD_MUST_CHECK;
void fd_taxa_free(fd_taxa *taxa);

#endif
