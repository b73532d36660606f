/* Writes a matrix as text, with a line per row. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "output/cell.h"
#include "output/matrix_formats.h"

static fd_status begin(fd_matrix *m) {
  FD_TRY(fd_alloc(&m->own, 1, sizeof(fd_output), "a matrix"));
  fd_output *o = m->own;
  FD_TRY(fd_output_begin(o, m->path));
  fprintf(o->stream, "id%s%s", m->info.many ? "\tposition" : "", m->info.spans ? "\tbegin\tlength" : "");
  for (int c = 0; c < m->info.width; c++) {
    fputc('\t', o->stream);
    if (m->info.column) fd_cell(o->stream, m->info.column[c], strlen(m->info.column[c]), m->info.spreadsheet);
    else fprintf(o->stream, "e%d", c);
  }
  fputc('\n', o->stream);
  return FD_OK;
}

static fd_status append(fd_matrix *m, const char *id, int64_t rows, const float *values, const int64_t *spans) {
  FILE *out = ((fd_output *)m->own)->stream;
  for (int64_t r = 0; r < rows; r++) {
    fd_cell(out, id, strlen(id), m->info.spreadsheet);
    if (m->info.many) fprintf(out, "\t%" PRId64, r + 1);
    if (m->info.spans) fprintf(out, "\t%" PRId64 "\t%" PRId64, spans[2 * r], spans[2 * r + 1]);
    for (int c = 0; c < m->info.width; c++) fprintf(out, "\t%.9g", (double)*values++);
    fputc('\n', out);
  }
  return ferror(out) ? fd_fail_errno("cannot write", m->path) : FD_OK;
}

static fd_status commit(fd_matrix *m) { return fd_output_commit(m->own); }

static void end(fd_matrix *m) {
  if (m->own) fd_output_abandon(m->own);
}

const fd_matrix_format fd_matrix_tsv = {".tsv", begin, append, commit, end};
