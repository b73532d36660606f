/* The words of two alleles, for the likelihoods that a model over words gives them. */
#ifndef FD_TASKS_SCORE_WORDS_H
#define FD_TASKS_SCORE_WORDS_H

#include "data/tokenizer.h"

enum { FD_REF, FD_ALT, FD_ALLELES, FD_WORDS_MAX = 32 };

/* The windows with REF and with ALT, which differ at the alleles alone, and at their ends. */
typedef struct fd_word_pair {
  const uint8_t *symbols[FD_ALLELES];
  int length[FD_ALLELES], at[FD_ALLELES], count[FD_ALLELES]; /* of the windows; places and lengths of the alleles */
} fd_word_pair;

/* The words that are others with ALT than with REF, on one strand: between the last border of words before the alleles and the
 * first one behind them that both windows have, beside equal words. */
typedef struct fd_word_change {
  int first[FD_ALLELES], count[FD_ALLELES];   /* tokens of each window */
  int begin[FD_ALLELES], letters[FD_ALLELES]; /* the nucleotides that they hold */
  int together;                               /* they are at the same places: masked, both windows are the same */
} fd_word_change;

/* Memory for the words of two windows and for their reverse complements. */
typedef struct fd_word_scratch {
  const fd_tokenizer *tokenizer;
  fd_tokens words[FD_ALLELES];
  uint8_t *turned[FD_ALLELES];
} fd_word_scratch;

fd_status fd_word_scratch_create(fd_word_scratch *scratch, const fd_tokenizer *tokenizer, int longest) FD_MUST_CHECK;
void fd_word_scratch_free(fd_word_scratch *scratch);

/* Tokens of a window; *words: those that are no special ones. */
int fd_word_tokens(fd_word_scratch *scratch, const uint8_t *symbols, int length, int *words);

/* Finds them, on one strand; 0 where there are no such borders, an allele has letters in no word, a word is unknown, or an allele
 * has more than FD_WORDS_MAX words more than letters: the borders of 6-mers behind an insertion may meet at the window's end. */
int fd_word_change_find(fd_word_scratch *scratch, const fd_word_pair *pair, int minus, fd_word_change *change);

/* sum of log p over the words of an allele of the change that was found last, by logits [tokens, vocabulary] of the window where
 * they are masked; tau: as in score.h. */
double fd_word_change_log_p(const fd_word_scratch *scratch, const fd_word_change *change, int allele, const float *logits,
                            double tau);

#endif
