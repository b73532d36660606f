/* A matrix with named items, written piece by piece in one of three formats: HDF5 (.h5), NumPy (.npy) or text (.tsv). It is seen
 * only when it is whole.
 *
 *   .h5    datasets `embedding` [rows, width] float32, `id` [items] text, `start` [items + 1] int64 when an item has many rows,
 *          `span` [rows, 2] int64 when rows have spans, `classes` [width] text when columns have names; the notes are attributes
 *          of the file
 *   .npy   float32 [rows, width]; beside it FILE.ids.txt: a line an item, with its number of rows behind a tab when it has many;
 *          when rows have spans a line a row: id, and the two numbers of its span
 *   .tsv   (.tsv.gz: packed) a header, then a line a row: id, position (from 1) when an item has many rows, begin and length of
 *          its span when it has one, and the values, which read back to the same bits
 *
 * The span of a row is the part of its item that it is of: where it begins, from 0, and how long it is; 0 for no part. */
#ifndef FD_OUTPUT_MATRIX_H
#define FD_OUTPUT_MATRIX_H

#include <stdint.h>

#include "base/error.h"

typedef struct fd_note {
  const char *name, *text;
} fd_note;

typedef struct fd_matrix_info {
  int64_t items, rows; /* rows -1: not known before the end */
  int width;
  int many;  /* an item has many rows, else one */
  int spans; /* rows have spans */
  int notes;
  const fd_note *note;
  char *const *column; /* [width] names of the columns, for .h5 and .tsv; NULL: e0, e1, ... Borrowed until the end */
  int spreadsheet;     /* names in a text are kept from being computed (output/cell.h) */
} fd_matrix_info;

typedef struct fd_matrix fd_matrix;

/* FD_USAGE unless the name's ending is that of a format. */
fd_status fd_matrix_check_name(const char *path) FD_MUST_CHECK;

/* FD_BUSY when the file, or the one of the names beside it, would replace the file `input`. */
fd_status fd_matrix_check_output(const char *path, const char *input) FD_MUST_CHECK;

/* Whether the name's ending is that of a text. */
int fd_matrix_is_text(const char *path);

/* Begins a file whose format its name's ending says; another ending is FD_USAGE. The notes are
 * borrowed for this call. */
fd_status fd_matrix_begin(fd_matrix **matrix, const char *path, const fd_matrix_info *info) FD_MUST_CHECK;

/* Appends an item of `rows` rows: values [rows, width], spans [rows, 2] or, without spans, NULL. */
fd_status fd_matrix_append(fd_matrix *matrix, const char *id, int64_t rows, const float *values,
                           const int64_t *spans) FD_MUST_CHECK;

/* Makes the file durable and visible. */
fd_status fd_matrix_commit(fd_matrix *matrix) FD_MUST_CHECK;

/* Releases; what was not committed is removed. */
void fd_matrix_end(fd_matrix **matrix);

#endif
