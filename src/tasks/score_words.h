/* The log-likelihood ratio of two alleles for a model over words. */
#ifndef FD_TASKS_SCORE_WORDS_H
#define FD_TASKS_SCORE_WORDS_H

#include "data/tokenizer.h"

/* The windows with REF and with ALT, of one length, which differ at nucleotides at .. at + count - 1 alone. */
typedef struct fd_word_pair {
  const uint8_t *ref, *alt;
  int length, at, count;
} fd_word_pair;

/* Memory for the words of two windows and for their reverse complements. */
typedef struct fd_word_ratio {
  const fd_tokenizer *tokenizer;
  fd_tokens words[2];
  uint8_t *turned[2];
} fd_word_ratio;

fd_status fd_word_ratio_create(fd_word_ratio *ratio, const fd_tokenizer *tokenizer, int longest) FD_MUST_CHECK;
void fd_word_ratio_free(fd_word_ratio *ratio);

/* Tokens of a window; *words: those that are no special ones. */
int fd_word_ratio_tokens(fd_word_ratio *ratio, const uint8_t *symbols, int length, int *words);

/* Whether on both strands every nucleotide of REF lies in a word, words are at the same places in both windows, and none of those
 * is unknown: then they can be compared. */
int fd_word_ratio_is_one(fd_word_ratio *ratio, const fd_word_pair *pair);

/* sum over the words that hold REF's nucleotides of log p(ALT's word) - log p(REF's word) in one place, from the logits of the
 * window's tokens [tokens, vocabulary], all these words masked; `minus`: of the reverse complement. tau, bce: as in score.h. */
double fd_word_ratio_of(fd_word_ratio *ratio, const fd_word_pair *pair, int minus, const float *logits, double tau, int bce);

#endif
