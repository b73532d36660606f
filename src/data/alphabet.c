/* Letters of DNA and their symbols. */
#include "data/alphabet.h"

#include <string.h>

#define X FD_NO_LETTER
#define ROW16 X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X
/* @ A B C D E F G H I J K L M N O, then P Q R S T U V W X Y Z [ \ ] ^ _ */
#define LETTERS                                                                                                              \
  X, FD_A, FD_N, FD_C, FD_N, X, X, FD_G, FD_N, X, X, FD_N, X, FD_N, FD_N, X, X, X, FD_N, FD_N, FD_T, FD_T, FD_N, FD_N, FD_N, \
      FD_N, X, X, X, X, X, X

const uint8_t fd_symbol_of[256] = {ROW16, ROW16, ROW16, ROW16, LETTERS, LETTERS, ROW16,
                                   ROW16, ROW16, ROW16, ROW16, ROW16,   ROW16,   ROW16};

const char fd_letters[FD_SYMBOLS + 1] = "ACGTN";

const uint8_t fd_complement[8] = {FD_T, FD_G, FD_C, FD_A, FD_N, FD_ZERO, FD_CLS, 7};

void fd_reverse_complement(const uint8_t *symbols, int64_t length, uint8_t *out) {
  for (int64_t i = 0; i < length; i++) out[i] = fd_complement[symbols[length - 1 - i]];
}

/* A contig's name without the prefix "chr", and M for MT; points into `name` or to a constant. */
static const char *bare_contig(const char *name) {
  if (!strncmp(name, "chr", 3)) name += 3;
  return strcmp(name, "MT") ? name : "M";
}

int fd_same_contig(const char *a, const char *b) { return !strcmp(bare_contig(a), bare_contig(b)); }
