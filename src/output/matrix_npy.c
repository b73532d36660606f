/* A matrix in NumPy's format, version 1.0, and its items' names in a text file beside it. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "output/cell.h"
#include "output/matrix_formats.h"

enum { HEADER = 128 }; /* a multiple of 64, as the format wants */

typedef struct files {
  fd_output values, ids;
} files;

fd_status fd_matrix_npy_names(char names[FD_PATH_MAX], const char *path) {
  int n = snprintf(names, FD_PATH_MAX, "%s.ids.txt", path);
  return n < FD_PATH_MAX ? FD_OK : fd_fail(FD_USAGE, "%s: is too long a name", path);
}

static fd_status begin(fd_matrix *m) {
  char path[FD_PATH_MAX], header[HEADER + 1];
  FD_TRY(fd_alloc(&m->own, 1, sizeof(files), "a matrix"));
  files *f = m->own;
  FD_TRY(fd_matrix_npy_names(path, m->path));
  FD_TRY(fd_output_begin(&f->values, m->path));
  FD_TRY(fd_output_begin(&f->ids, path));
  int n =
      snprintf(header, sizeof header, "\x93NUMPY\x01%c%c%c{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRId64 ", %d), }",
               0, HEADER - 10, 0, m->info.rows, m->info.width);
  memset(header + n, ' ', (size_t)(HEADER - n));
  header[HEADER - 1] = '\n';
  fwrite(header, 1, HEADER, f->values.stream);
  return FD_OK;
}

static fd_status append(fd_matrix *m, const char *id, int64_t rows, const float *values) {
  files *f = m->own;
  fwrite(values, sizeof *values * (size_t)m->info.width, (size_t)rows, f->values.stream);
  fd_cell(f->ids.stream, id, strlen(id), 0);
  if (m->info.many) fprintf(f->ids.stream, "\t%" PRId64, rows);
  fputc('\n', f->ids.stream);
  return ferror(f->values.stream) || ferror(f->ids.stream) ? fd_fail_errno("cannot write", m->path) : FD_OK;
}

/* The names first: a matrix that is there has them. */
static fd_status commit(fd_matrix *m) {
  files *f = m->own;
  return fd_output_commit_pair(&f->ids, &f->values);
}

static void end(fd_matrix *m) {
  files *f = m->own;
  if (!f) return;
  fd_output_abandon(&f->values);
  fd_output_abandon(&f->ids);
}

const fd_matrix_format fd_matrix_npy = {".npy", begin, append, commit, end};
