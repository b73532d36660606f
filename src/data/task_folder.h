/* Labelled sequences in the layouts in which benchmarks are published:
 *
 *   GUE                            FOLDER/train.csv, dev.csv (or valid, val, validation), test.csv; or .tsv. Columns
 *                                  sequence, label
 *   GenomicBenchmarks, sequences   FOLDER/train/CLASS/NAME.txt, FOLDER/test/CLASS/NAME.txt: one sequence per file
 *   GenomicBenchmarks, intervals   FOLDER/train/CLASS.csv.gz, FOLDER/test/CLASS.csv.gz, and a genome. Columns id, region, start,
 *                                  end, strand
 *   Nucleotide Transformer         FOLDER/train.fna, test.fna, whose record names end with the class: labelled_fasta.h
 *   without a split                FOLDER/CLASS.fa or one table: see unsplit.h
 *
 * Files may be compressed. Any other entry of the folder that may hold rows is FD_DATA.
 *
 * Classes that are folders, files or names in a table are numbered in the alphabetical order of their names. */
#ifndef FD_DATA_TASK_FOLDER_H
#define FD_DATA_TASK_FOLDER_H

#include "data/table.h"

enum { FD_TASK_CLASSES_MAX = 1024 /* that are folders or files */ };

typedef struct fd_task_folder {
  fd_table train, valid, test; /* absent: 0 rows */
  fd_class_names names;        /* of the classes; empty: they are numbers */
  int64_t left_out;            /* rows on contigs that the genome lacks */
} fd_task_folder;

/* Reads a folder; `genome` is a FASTA or 2bit file for intervals, else NULL. Rows on contigs that the genome lacks are FD_DATA
 * or, with `partial`, left out and counted. */
fd_status fd_task_folder_read(const char *folder, const char *genome, int partial, fd_task_folder *task) FD_MUST_CHECK;
void fd_task_folder_free(fd_task_folder *task);

#endif
