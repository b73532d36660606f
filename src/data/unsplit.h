/* Labelled sequences that are published in one piece, and a fixed split of them:
 *
 *   FOLDER/CLASS.fa, or FOLDER/CLASS/NAME.fa    FASTA (.fa, .fasta, .fna; packed or not): a class a file, or a folder of files
 *   FOLDER/NAME.csv or FOLDER/NAME.tsv          one table, columns sequence, label (plain, gzip or xz)
 *
 * Labels of classes that are files or folders are their places in the alphabet of their names. A sequence's place follows from
 * its first FD_SPLIT_BASES nucleotides alone (the first 8 bytes of the SHA-256 of their codes 0..4, little-endian, modulo 10: 0
 * is test, 1 selects, the others train), so equal sequences never lie on both sides, nor do they when all are cut to that length
 * or more. */
#ifndef FD_DATA_UNSPLIT_H
#define FD_DATA_UNSPLIT_H

#include "data/listing.h"
#include "data/task_folder.h"

enum { FD_SPLIT_BASES = 1024 };

/* Reads such a folder; FD_MISSING when it holds neither. */
fd_status fd_unsplit_read(const fd_listing *folder, fd_task_folder *task) FD_MUST_CHECK;

/* The part of a sequence: 0 test, 1 selecting, 2 training. */
fd_status fd_split_part(const uint8_t *symbols, int64_t length, int *part) FD_MUST_CHECK;

#endif
