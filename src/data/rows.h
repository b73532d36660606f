/* Training rows of a task as micro-batches: sequences of any length, packed, with their classes or values. */
#ifndef FD_DATA_ROWS_H
#define FD_DATA_ROWS_H

#include "data/batch.h"
#include "data/table.h"
#include "data/tokenizer.h"

/* Draw g is epoch g / N, position g mod N of that epoch's permutation of the N rows, as in pretraining. All borrowed. */
typedef struct fd_rows {
  const fd_config *config;
  const fd_table *table;         /* with classes, or with values */
  const float *class_weight;     /* [classes], or NULL: all 1 */
  const fd_tokenizer *tokenizer; /* of a model over ids, which are then the batch's input; or NULL */
  fd_tokens words;               /* of one sequence, with a tokenizer */
  int positions;                 /* tokens that the model can have; 0: any number */
} fd_rows;

/* The longest sequence of a table. */
int fd_rows_longest(const fd_table *table);

/* Rows as a source of micro-batches; borrowed. */
fd_source fd_rows_source(fd_rows *rows);

#endif
