/* FASTA files whose record names end with a class: ">chr3:32091651-32092651|1" (Nucleotide Transformer's tasks). */
#ifndef FD_DATA_LABELLED_FASTA_H
#define FD_DATA_LABELLED_FASTA_H

#include "data/table.h"

/* Reads such a file into an empty table, without ids. A record without "|NUMBER", or without a sequence, is FD_DATA. */
fd_status fd_labelled_fasta_read(const char *path, fd_table *table) FD_MUST_CHECK;

#endif
