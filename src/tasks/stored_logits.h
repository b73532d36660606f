/* Logits of a classifier in a file, a row a sequence, named by the SHA-256 of its letters: what 'findna embed --pool task
 * --logits' writes, and a fine-tuning learns from in the place of the classifier. */
#ifndef FD_TASKS_STORED_LOGITS_H
#define FD_TASKS_STORED_LOGITS_H

#include "base/hash.h"
#include "data/table.h"

/* The classes of the rows that are learned from. */
typedef struct fd_taught_classes {
  int count;
  const fd_class_names *names; /* none: numbers */
} fd_taught_classes;

typedef struct fd_stored_logits {
  const char *path; /* borrowed */
  int rows, classes;
  struct fd_stored_row *row; /* [rows], by their hashes */
  float *values;             /* [rows, classes] */
} fd_stored_logits;

/* The name of a sequence of symbols (0..4): SHA-256 of them. */
fd_status fd_sequence_name(const uint8_t *symbols, int64_t length, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* Reads a text, plain or packed: a header `id` and the classes, and rows. FD_CONFIG when these are not the classes; FD_DATA, with
 * the line, for a name that is no hash, a value that is not finite, or two rows of one sequence with different logits. */
fd_status fd_stored_logits_read(fd_stored_logits *stored, const char *path, const fd_taught_classes *classes) FD_MUST_CHECK;
void fd_stored_logits_free(fd_stored_logits *stored);

/* Those of the rows of a table, in its order: out [table->rows, classes]. FD_DATA, with the row, where the file has none. */
fd_status fd_stored_logits_take(const fd_stored_logits *stored, const fd_table *table, float *out) FD_MUST_CHECK;

#endif
