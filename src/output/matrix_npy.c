/* Writes a matrix in NumPy's format, version 1.0, and the names of its items to a text file next to it. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "output/cell.h"
#include "output/matrix_formats.h"

enum { HEADER = 128 }; /* bytes; a multiple of 64, as the format requires */

typedef struct files {
  fd_output values, ids;
} files;

fd_status fd_matrix_npy_names(char names[FD_PATH_MAX], const char *path) {
  int n = snprintf(names, FD_PATH_MAX, "%s.ids.txt", path);
  return n < FD_PATH_MAX ? FD_OK : fd_fail(FD_USAGE, "%s: the name is too long", path);
}

/* Writes the header, which has the same size for any number of rows. */
static void write_header(const fd_matrix *m, int64_t rows, FILE *out) {
  char header[HEADER + 1];
  int n =
      snprintf(header, sizeof header, "\x93NUMPY\x01%c%c%c{'descr': '<f4', 'fortran_order': False, 'shape': (%" PRId64 ", %d), }",
               0, HEADER - 10, 0, rows, m->info.width);
  memset(header + n, ' ', (size_t)(HEADER - n));
  header[HEADER - 1] = '\n';
  fwrite(header, 1, HEADER, out);
}

static fd_status begin(fd_matrix *m) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_alloc(&m->own, 1, sizeof(files), "a matrix"));
  files *f = m->own;
  FD_TRY(fd_matrix_npy_names(path, m->path));
  FD_TRY(fd_output_begin(&f->values, m->path));
  FD_TRY(fd_output_begin(&f->ids, path));
  write_header(m, m->info.rows, f->values.stream);
  return FD_OK;
}

static fd_status append(fd_matrix *m, const char *id, int64_t rows, const float *values, const int64_t *spans) {
  files *f = m->own;
  FILE *ids = f->ids.stream;
  fwrite(values, sizeof *values * (size_t)m->info.width, (size_t)rows, f->values.stream);
  for (int64_t r = 0; r < (m->info.spans ? rows : 1); r++) {
    fd_cell(ids, id, strlen(id), 0);
    if (m->info.spans) fprintf(ids, "\t%" PRId64 "\t%" PRId64, spans[2 * r], spans[2 * r + 1]);
    else if (m->info.many) fprintf(ids, "\t%" PRId64, rows);
    fputc('\n', ids);
  }
  return ferror(f->values.stream) || ferror(f->ids.stream) ? fd_fail_errno("cannot write", m->path) : FD_OK;
}

/* Commits the names before the matrix, so that a matrix never lacks its names. */
static fd_status commit(fd_matrix *m) {
  files *f = m->own;
  if (m->info.rows < 0) {
    if (fseek(f->values.stream, 0, SEEK_SET)) return fd_fail_errno("cannot write", m->path);
    write_header(m, m->rows, f->values.stream);
  }
  return fd_output_commit_pair(&f->ids, &f->values);
}

static void end(fd_matrix *m) {
  files *f = m->own;
  if (!f) return;
  fd_output_abandon(&f->values);
  fd_output_abandon(&f->ids);
}

const fd_matrix_format fd_matrix_npy = {".npy", begin, append, commit, end};
