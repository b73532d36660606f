/* Chooses the format of a matrix by its file name, and counts items and rows. */
#include "output/matrix.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/path.h"
#include "output/matrix_formats.h"

/* The format by the name's suffix, or NULL; a text file may be compressed. */
static const fd_matrix_format *format_of(const char *path) {
  static const fd_matrix_format *const formats[] = {&fd_matrix_h5, &fd_matrix_npy, &fd_matrix_tsv};
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot && i < sizeof formats / sizeof *formats; i++)
    if (!strcmp(dot, formats[i]->ending)) return formats[i];
  size_t n = strlen(path);
  return n > 7 && !strcmp(path + n - 7, ".tsv.gz") ? &fd_matrix_tsv : NULL;
}

fd_status fd_matrix_check_name(const char *path) {
  return format_of(path)
             ? FD_OK
             : fd_fail(FD_USAGE, "%s: expected a name that ends with .h5, .npy, .tsv or .tsv.gz, which determines the format",
                       path);
}

fd_status fd_matrix_check_output(const char *path, const char *input) {
  char names[FD_PATH_MAX];
  FD_TRY(fd_check_output(path, input));
  if (format_of(path) != &fd_matrix_npy) return FD_OK;
  FD_TRY(fd_matrix_npy_names(names, path));
  return fd_check_output(names, input);
}

int fd_matrix_is_text(const char *path) { return format_of(path) == &fd_matrix_tsv; }

fd_status fd_matrix_begin(fd_matrix **matrix, const char *path, const fd_matrix_info *info) {
  const fd_matrix_format *format = format_of(path);
  *matrix = NULL;
  FD_TRY(fd_matrix_check_name(path));
  FD_TRY(fd_alloc(matrix, 1, sizeof **matrix, "a matrix"));
  fd_matrix *m = *matrix;
  m->format = format, m->info = *info;
  fd_status status = fd_path(m->path, path, NULL, NULL);
  if (status == FD_OK) status = format->begin(m);
  if (status != FD_OK) fd_matrix_end(matrix);
  return status;
}

fd_status fd_matrix_append(fd_matrix *m, const char *id, int64_t rows, const float *values, const int64_t *spans) {
  if (m->items == m->info.items || (m->info.rows >= 0 && m->rows + rows > m->info.rows))
    return fd_fail(FD_BUG, "%s: more than the %" PRId64 " items that were announced", m->path, m->info.items);
  FD_TRY(m->format->append(m, id, rows, values, spans));
  m->items++;
  m->rows += rows;
  return FD_OK;
}

fd_status fd_matrix_commit(fd_matrix *m) {
  if (m->items != m->info.items || (m->info.rows >= 0 && m->rows != m->info.rows))
    return fd_fail(FD_BUG, "%s: %" PRId64 " items instead of %" PRId64, m->path, m->items, m->info.items);
  return m->format->commit(m);
}

void fd_matrix_end(fd_matrix **matrix) {
  fd_matrix *m = *matrix;
  if (!m) return;
  m->format->end(m);
  free(m->own);
  free(m);
  *matrix = NULL;
}
