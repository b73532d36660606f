/* A matrix with named items, written piece by piece in one of three formats: HDF5 (.h5), NumPy (.npy) or text (.tsv). The file
 * appears under its name only when it is complete.
 *
 *   .h5    datasets `embedding` [rows, width] float32, `id` [items] text, `start` [items + 1] int64 if items have many rows,
 *          `span` [rows, 2] int64 if rows have spans, `classes` [width] text if columns have names; the notes are attributes
 *          of the file
 *   .npy   float32 [rows, width]; next to it FILE.ids.txt with a line per item: id, and after a tab the number of rows if items
 *          have many; if rows have spans, a line per row: id, begin and length of the span
 *   .tsv   (.tsv.gz: compressed) a header, then a line per row: id, position (from 1) if items have many rows, begin and length
 *          of the span if rows have spans, and the values, which read back to the same bits
 *
 * The span of a row is the part of its item that the row represents: begin, from 0, and length; length 0 for no part. */
#ifndef FD_OUTPUT_MATRIX_H
#define FD_OUTPUT_MATRIX_H

#include <stdint.h>

#include "base/error.h"

typedef struct fd_note {
  const char *name, *text;
} fd_note;

typedef struct fd_matrix_info {
  int64_t items, rows; /* rows -1: not known in advance */
  int width;
  int many;  /* 1: items have any number of rows; 0: exactly one */
  int spans; /* rows have spans */
  int notes;
  const fd_note *note;
  char *const *column; /* [width] names of the columns, for .h5 and .tsv; NULL: e0, e1, ... Borrowed until the end */
  int spreadsheet;     /* 1: names in a text file are protected from evaluation by spreadsheets (output/cell.h) */
} fd_matrix_info;

typedef struct fd_matrix fd_matrix;

/* FD_USAGE unless the name ends with the suffix of a format. */
fd_status fd_matrix_check_name(const char *path) FD_MUST_CHECK;

/* FD_BUSY if the file, or its file of names, would replace the file `input`. */
fd_status fd_matrix_check_output(const char *path, const char *input) FD_MUST_CHECK;

/* Whether the name's suffix is that of the text format. */
int fd_matrix_is_text(const char *path);

/* Begins a file in the format of its name's suffix; another suffix is FD_USAGE. The notes are borrowed for this call only. */
fd_status fd_matrix_begin(fd_matrix **matrix, const char *path, const fd_matrix_info *info) FD_MUST_CHECK;

/* Appends an item with `rows` rows: values [rows, width], spans [rows, 2] or NULL without spans. */
fd_status fd_matrix_append(fd_matrix *matrix, const char *id, int64_t rows, const float *values,
                           const int64_t *spans) FD_MUST_CHECK;

/* Makes the file durable and visible. */
fd_status fd_matrix_commit(fd_matrix *matrix) FD_MUST_CHECK;

/* Releases the matrix; an uncommitted file is removed. */
void fd_matrix_end(fd_matrix **matrix);

#endif
