/* The words that differ between two alleles, and their log-likelihoods under a model over words. */
#ifndef FD_TASKS_SCORE_WORDS_H
#define FD_TASKS_SCORE_WORDS_H

#include "data/tokenizer.h"

enum { FD_REF, FD_ALT, FD_ALLELES, FD_WORDS_MAX = 32 };

/* The windows with REF and with ALT, which differ only at the alleles and at the windows' ends. */
typedef struct fd_word_pair {
  const uint8_t *symbols[FD_ALLELES];
  int length[FD_ALLELES], at[FD_ALLELES], count[FD_ALLELES]; /* of the windows; places and lengths of the alleles */
} fd_word_pair;

/* The words that differ between REF and ALT on one strand: those between the last word border before the alleles and the first
 * one after them that both windows share and that adjoin equal words. */
typedef struct fd_word_change {
  int first[FD_ALLELES], count[FD_ALLELES];   /* tokens of each window */
  int begin[FD_ALLELES], letters[FD_ALLELES]; /* nucleotides of these words: the first, and their number */
  int together;                               /* both alleles' words have the same places, so the masked windows are equal */
} fd_word_change;

/* Memory for the words of two windows and for their reverse complements. */
typedef struct fd_word_scratch {
  const fd_tokenizer *tokenizer;
  fd_tokens words[FD_ALLELES];
  uint8_t *turned[FD_ALLELES];
} fd_word_scratch;

fd_status fd_word_scratch_create(fd_word_scratch *scratch, const fd_tokenizer *tokenizer, int longest) FD_MUST_CHECK;
void fd_word_scratch_free(fd_word_scratch *scratch);

/* Number of tokens of a window; *words: without special tokens. */
int fd_word_tokens(fd_word_scratch *scratch, const uint8_t *symbols, int length, int *words);

/* Finds the change on one strand. Returns 0 if there are no such borders, an allele has letters that are in no word, a word is
 * unknown, or an allele has more than FD_WORDS_MAX words more than letters, as the borders of 6-mers after an insertion may meet
 * only at the window's end. */
int fd_word_change_find(fd_word_scratch *scratch, const fd_word_pair *pair, int minus, fd_word_change *change);

/* Sum of log p over an allele's words in the change that was found last, from the logits [tokens, vocabulary] of the window in
 * which they are masked; tau: as in score.h. */
double fd_word_change_log_p(const fd_word_scratch *scratch, const fd_word_change *change, int allele, const float *logits,
                            double tau);

#endif
