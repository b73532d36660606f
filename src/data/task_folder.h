/* Labelled sequences in the layouts in which benchmarks are published:
 *
 *   GUE                            FOLDER/train.csv, dev.csv (or valid, val, validation), test.csv, columns sequence, label;
 * .tsv, too GenomicBenchmarks, sequences   FOLDER/train/CLASS/NAME.txt, FOLDER/test/CLASS/NAME.txt: a sequence a file
 *   GenomicBenchmarks, intervals   FOLDER/train/CLASS.csv.gz, FOLDER/test/CLASS.csv.gz, columns region, start, end, strand, and a
 * genome
 *
 *   Nucleotide Transformer         FOLDER/train.fna, test.fna, whose records' names end with the class: labelled_fasta.h
 *   without a split                FOLDER/CLASS.fa or one table: see unsplit.h
 *
 * Every file may be packed, and every name in the folder must be one of these; what may hold rows and is none is FD_DATA.
 *
 * Labels of classes that are folders or files, or names in a table, are their places in the alphabet of their names. */
#ifndef FD_DATA_TASK_FOLDER_H
#define FD_DATA_TASK_FOLDER_H

#include "data/table.h"

typedef struct fd_task_folder {
  fd_table train, valid, test; /* rows 0: not there */
  fd_class_names names;        /* of the classes; none: they are numbers */
  int64_t left_out;            /* rows on contigs that the genome lacks */
} fd_task_folder;

/* Reads a folder; `genome` is a FASTA or 2bit file for intervals, else NULL. Rows on contigs that it lacks are FD_DATA, or with
 * `partial` left out and counted. */
fd_status fd_task_folder_read(const char *folder, const char *genome, int partial, fd_task_folder *task) FD_MUST_CHECK;
void fd_task_folder_free(fd_task_folder *task);

#endif
