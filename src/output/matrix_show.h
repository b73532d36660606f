/* Shows and checks the contents of a file of embeddings. */
#ifndef FD_OUTPUT_MATRIX_SHOW_H
#define FD_OUTPUT_MATRIX_SHOW_H

#include <stdint.h>

#include "base/error.h"

/* *is: whether a file is a matrix of matrix.h in HDF5 (known by its attribute `format`), or any NumPy file. */
fd_status fd_matrix_is_one(const char *path, int *is) FD_MUST_CHECK;

/* Prints the shape, the notes, the first names, and the range of the values. FD_DATA if the file is damaged, cut off, or contains
 * something else. */
fd_status fd_matrix_show(const char *path) FD_MUST_CHECK;

/* --- shared by the formats ------------------------------------------------------------------------------------------- */

enum { FD_SHOWN_IDS = 3, FD_SHOWN_TEXT = 4096 };

/* Range and mean of the finite values so far. */
typedef struct fd_value_range {
  double min, mean, max;
  int64_t finite, not_finite;
} fd_value_range;
void fd_value_range_begin(fd_value_range *range);
void fd_value_range_take(fd_value_range *range, double value);
void fd_value_range_add(fd_value_range *range, const float *value, int64_t count);
void fd_value_range_print(const fd_value_range *range);

/* Prints "  name  text", with control characters replaced by '?': a file must not control the terminal. */
void fd_shown_line(const char *name, const char *text);

/* Number of rows to read at a time; 0 for a width that findna does not write. */
int64_t fd_shown_rows(int64_t width);

fd_status fd_matrix_is_npy(const char *path, int *is) FD_MUST_CHECK;
fd_status fd_matrix_show_npy(const char *path) FD_MUST_CHECK;
fd_status fd_matrix_is_h5(const char *path, int *is) FD_MUST_CHECK;
fd_status fd_matrix_show_h5(const char *path) FD_MUST_CHECK;

#endif
