/* Letters of DNA and their symbols. */
#ifndef FD_DATA_ALPHABET_H
#define FD_DATA_ALPHABET_H

#include <stdint.h>

#include "device/tensors.h"

enum { FD_NO_LETTER = 255 };

/* Symbol of each byte: A, C, G, T (U as T) in either case; N for every other IUPAC letter; FD_NO_LETTER for all other bytes. */
extern const uint8_t fd_symbol_of[256];

/* The letter of each nucleotide and of N, in the order of their symbols: "ACGTN". */
extern const char fd_letters[FD_SYMBOLS + 1];

/* The complement of each symbol; N, masked and [CLS] map to themselves. */
extern const uint8_t fd_complement[8];

/* out[i] = complement of symbols[length - 1 - i]; not in place. */
void fd_reverse_complement(const uint8_t *symbols, int64_t length, uint8_t *out);

/* 1 if two names denote the same contig: equal, or equal without "chr" (chr1 = 1, chrM = MT). */
int fd_same_contig(const char *a, const char *b);

#endif
