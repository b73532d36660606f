/* Sequences in CSV or TSV, with the columns `sequence`, `label` and `id`; plain, gzip or xz. */
#ifndef FD_DATA_TABLE_H
#define FD_DATA_TABLE_H

#include <stdint.h>

#include "data/class_names.h"

typedef struct fd_table {
  int rows, classes;
  int64_t *start;   /* [rows + 1] into symbols */
  uint8_t *symbols; /* 0..4 */
  int *label;       /* [rows], 0 .. classes-1; NULL unless classes were requested */
  float *value;     /* [rows]; NULL unless values were requested */
  char **id;        /* [rows] from the column `id` or `name`, may be empty; NULL without one; see fd_table_id */
  char *text;       /* memory of the ids */
} fd_table;

/* Reads a table. The header must have `sequence` (or `seq`) and `label` (any order, further columns are ignored; comma,
 * semicolon or tab, quotes allowed); letters are upper- or lower-case IUPAC, all but A, C, G, T become N. Labels are whole
 * numbers from 0, or names of classes: all of them are, or none. With `learn`, `names` is set to the names in this table, in
 * alphabetical order (released by the caller; empty if labels are numbers); without it, a label must be one of `names` (or a
 * number if `names` is empty). Errors name file:line and what is expected. */
fd_status fd_table_read_classes(const char *path, fd_class_names *names, int learn, fd_table *table) FD_MUST_CHECK;

/* The same for labels that are finite numbers (a regression), and for sequences only, whose header needs no `label`. */
fd_status fd_table_read_values(const char *path, fd_table *table) FD_MUST_CHECK;
fd_status fd_table_read_sequences(const char *path, fd_table *table) FD_MUST_CHECK;

/* As fd_table_read_classes, with the labels in another column (NULL: `label`). With `unknown`, a label that is not in `names` is
 * the class names->count instead of an error. */
typedef struct fd_label_column {
  const char *name;
  int learn, unknown;
} fd_label_column;
fd_status fd_table_read_column(const char *path, const fd_label_column *column, fd_class_names *names,
                               fd_table *table) FD_MUST_CHECK;

/* FD_DATA unless each of 0 .. classes-1 is the label of a row, as training requires. */
fd_status fd_table_check_classes(const fd_table *table, const char *name) FD_MUST_CHECK;

/* Copies `count` rows in the given order, without ids. */
fd_status fd_table_pick(const fd_table *table, const int *rows, int count, fd_table *picked) FD_MUST_CHECK;

/* The id of a row, or its number, from 1, if it has none; `room` holds the number. */
enum { FD_TABLE_ID = 16 };
const char *fd_table_id(const fd_table *table, int row, char room[FD_TABLE_ID]);

/* Keeps the first `length` nucleotides of each sequence; shorter ones stay as they are. */
void fd_table_cut(fd_table *table, int64_t length);

void fd_table_free(fd_table *table);

#endif
