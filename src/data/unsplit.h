/* Labelled sequences that are published without a split, and a fixed split of them:
 *
 *   FOLDER/CLASS.fa, or FOLDER/CLASS/NAME.fa    FASTA (.fa, .fasta, .fna; compressed or not): per class one file, or a folder
 *   FOLDER/NAME.csv or FOLDER/NAME.tsv          one table, columns sequence, label (plain, gzip or xz)
 *
 * Classes that are files or folders are numbered in the alphabetical order of their names. A sequence's part follows from its
 * first FD_SPLIT_BASES nucleotides only (the first 8 bytes of the SHA-256 of their codes 0..4, little-endian, modulo 10: 0 is
 * test, 1 validation, the others are train), so that equal sequences are always in the same part, also after all are cut to that
 * length or more. */
#ifndef FD_DATA_UNSPLIT_H
#define FD_DATA_UNSPLIT_H

#include "data/listing.h"
#include "data/placement.h"
#include "data/task_folder.h"

enum { FD_SPLIT_BASES = 1024 };

/* Reads such a folder; FD_MISSING when it holds neither. */
fd_status fd_unsplit_read(const fd_listing *folder, fd_task_folder *task) FD_MUST_CHECK;

/* The part of a sequence: FD_TRAIN, FD_VAL or FD_TEST. */
fd_status fd_split_part(const uint8_t *symbols, int64_t length, int *part) FD_MUST_CHECK;

#endif
