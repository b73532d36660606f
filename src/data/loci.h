/* Intervals of a genome and their sequences, which are read in the genome's order, whatever the order of the intervals. */
#ifndef FD_DATA_LOCI_H
#define FD_DATA_LOCI_H

#include "data/genome.h"

typedef struct fd_locus {
  int record, minus;  /* minus: on the minus strand (reverse complement) */
  int64_t begin, end; /* in the record */
  uint8_t *to;        /* [end - begin], for fd_loci_cut */
} fd_locus;

/* Finds [begin, end) of a contig. `where` is "file:line"; the genome must be indexed. */
fd_status fd_locus_find(const fd_genome *genome, const char *where, const char *contig, int64_t begin, int64_t end, int minus,
                        fd_locus *locus) FD_MUST_CHECK;

/* Whether reading the loci in their order would read a sequence of the genome twice, or go backwards in a compressed file. */
fd_status fd_loci_scattered(const fd_genome *genome, const fd_locus *loci, int64_t count, int *scattered) FD_MUST_CHECK;

/* Copies the sequence of each locus to its `to`; each sequence of the genome is read once. Sorts the loci by record. */
fd_status fd_loci_cut(const fd_genome *genome, fd_genome_reader *reader, fd_locus *loci, int64_t count) FD_MUST_CHECK;

#endif
