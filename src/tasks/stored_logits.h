/* Logits of a classifier in a file, one row per sequence, named by the SHA-256 of the sequence: written by 'findna embed --pool
 * task --logits', and used by distillation in the classifier's place. */
#ifndef FD_TASKS_STORED_LOGITS_H
#define FD_TASKS_STORED_LOGITS_H

#include "base/hash.h"
#include "data/table.h"

/* The classes of the training rows. */
typedef struct fd_taught_classes {
  int count;
  const fd_class_names *names; /* without names, classes are numbers */
} fd_taught_classes;

typedef struct fd_stored_logits {
  const char *path; /* borrowed */
  int rows, classes;
  struct fd_stored_row *row; /* [rows], sorted by hash */
  float *values;             /* [rows, classes] */
} fd_stored_logits;

/* The name of a sequence of symbols (0..4): the SHA-256 of its letters, ACGTN. */
fd_status fd_sequence_name(const uint8_t *symbols, int64_t length, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* Reads a text file, plain or compressed: a header of `id` and the classes, and rows. FD_CONFIG if the classes differ from
 * `classes`; FD_DATA, with the line, for a name that is not a hash, a value that is not finite, or two rows of one sequence with
 * different logits. */
fd_status fd_stored_logits_read(fd_stored_logits *stored, const char *path, const fd_taught_classes *classes) FD_MUST_CHECK;
void fd_stored_logits_free(fd_stored_logits *stored);

/* Looks up the logits of the rows of a table that was read from `file`, in their order: out [table->rows, classes], or NULL to
 * check only that they are there. FD_DATA, with row and sequence, if a row has none. */
fd_status fd_stored_logits_take(const fd_stored_logits *stored, const fd_table *table, const char *file,
                                float *out) FD_MUST_CHECK;

#endif
