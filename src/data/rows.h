/* Training rows of a task as micro-batches: sequences of any length, packed, with their classes or values. */
#ifndef FD_DATA_ROWS_H
#define FD_DATA_ROWS_H

#include "data/batch.h"
#include "data/table.h"
#include "data/tokenizer.h"

/* Draw g is epoch g / N, position g mod N of that epoch's permutation of the N rows, as in pretraining. Pointers are
 * borrowed. */
typedef struct fd_rows {
  const fd_config *config;
  const fd_table *table;         /* with classes, or with values */
  const float *class_weight;     /* [classes], or NULL: all 1 */
  const fd_tokenizer *tokenizer; /* for a model over token ids (the batch's input), or NULL. The rows must have been checked */
  fd_tokens words;               /* of one sequence, with a tokenizer */
  fd_rng_key augment;            /* with task.augment: the key of its random numbers */
  uint8_t *augmented;
  fd_beside beside;            /* what a teacher requires of each row */
  const fd_tokenizer *teacher; /* for a frozen teacher over token ids, or NULL. The rows must have been checked */
  fd_tokens teacher_words;     /* of one sequence, with that tokenizer */
  const float *logits;         /* [rows, beside.logits] stored logits of a teacher, or NULL */
} fd_rows;

/* Length of the longest sequence of a table. */
int fd_rows_longest(const fd_table *table);

/* FD_DATA, with file and row, unless a model over token ids can read each sequence of a table (fd_tokenizer_check). Raises
 * *most to the largest number of tokens of a sequence. */
fd_status fd_rows_check_words(const fd_table *table, const fd_tokenizer *tokenizer, int positions, const char *name,
                              int *most) FD_MUST_CHECK;

/* Rows as a source of micro-batches; borrowed. */
fd_source fd_rows_source(fd_rows *rows);

#endif
