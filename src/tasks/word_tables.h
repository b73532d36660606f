/* Word tables: a baseline that predicts a hidden word from counts. */
#ifndef FD_TASKS_WORD_TABLES_H
#define FD_TASKS_WORD_TABLES_H

#include "data/hide.h"

/* The condition of a word's counts: nothing (composition), its place in the sequence, or the FD_TABLE_REACH letters on either
 * side. */
typedef enum fd_table_given { FD_TABLE_ALONE, FD_TABLE_PLACE, FD_TABLE_BESIDE } fd_table_given;
enum { FD_TABLE_REACH = 2, FD_TABLE_LETTERS = 7 /* tables of longer words would not fit in memory */ };

typedef struct fd_word_table fd_word_table;

/* Counts the words of the hider's training windows, from their first letter on, without special tokens. FD_TABLE_BESIDE is for
 * words of tokenizer kmer; it also counts each neighbour as unknown, for predictions next to hidden words. */
fd_status fd_word_table_fit(fd_word_table **table, const fd_hider *hider, fd_table_given given) FD_MUST_CHECK;
void fd_word_table_free(fd_word_table **table);

typedef struct fd_word_score {
  double loss, accuracy; /* nats; share of the words */
  int64_t words;
} fd_word_score;

/* Scores predictions at the hidden words of the first `count` held-out windows (fd_hider_held_out). A neighbour that is hidden,
 * [UNK] or outside the sequence is unknown.
 *   p(w | given) = (n(w, given) + S p(w)) / (n(given) + S) with S = 64 and p(w) = (n(w) + 1) / (n + words),
 * so that a word never counted in a context gets its overall probability. */
fd_status fd_word_table_score(const fd_word_table *table, fd_hider *hider, const fd_windows *windows, int64_t count,
                              fd_word_score *score) FD_MUST_CHECK;

#endif
