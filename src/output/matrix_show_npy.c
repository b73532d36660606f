/* Shows NumPy files of embeddings, and their files of names. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "output/matrix_show.h"

enum { HEADER_MAX = 1 << 16 };

typedef struct npy {
  const char *path;
  FILE *in;
  int64_t rows, width;
  uint64_t begin; /* offset of the values in bytes */
} npy;

fd_status fd_matrix_is_npy(const char *path, int *is) { return fd_begins_with(path, "\x93NUMPY", 6, is); }

static fd_status take(const npy *f, void *to, size_t bytes, const char *where) {
  if (fread(to, 1, bytes, f->in) == bytes) return FD_OK;
  if (ferror(f->in)) return fd_fail_errno("cannot read", f->path);
  return fd_fail(FD_DATA, "%s: ends within its %s", f->path, where);
}

/* Reads the dictionary after the magic number. Only the form that findna writes is accepted: two dimensions of float32,
 * row-major.
 */
static fd_status read_header(npy *f) {
  unsigned char head[12] = {0};
  char *text = NULL, *shape;
  long long rows = 0, width = 0;
  int at = 0;
  FD_TRY(take(f, head, 10, "first 10 bytes"));
  size_t length = (size_t)head[8] | (size_t)head[9] << 8;
  if (head[6] > 1) {
    FD_TRY(take(f, head + 10, 2, "first 12 bytes"));
    length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
  }
  f->begin = (head[6] > 1 ? 12 : 10) + (uint64_t)length;
  if (length > HEADER_MAX)
    return fd_fail(FD_DATA, "%s: a header of %zu bytes: this is not a NumPy file of findna", f->path, length);
  FD_TRY(fd_alloc(&text, length + 1, 1, "the header of a NumPy file"));
  fd_status status = take(f, text, length, "header");
  if (status == FD_OK &&
      (!strstr(text, "'<f4'") || !strstr(text, "'fortran_order': False") || !(shape = strstr(text, "'shape': (")) ||
       sscanf(shape, "'shape': (%lld, %lld)%n", &rows, &width, &at) != 2 || !at || rows < 0 || !fd_shown_rows(width)))
    status = fd_fail(FD_DATA, "%s: does not hold rows of float32 as written by 'findna embed': %.100s", f->path, text);
  f->rows = rows, f->width = width;
  free(text);
  return status;
}

static fd_status read_values(npy *f, uint64_t bytes) {
  fd_value_range range;
  float *values;
  int64_t most = fd_shown_rows(f->width);
  int64_t expected = sizeof *values;
  if (!fd_multiply_size(&expected, f->rows) || !fd_multiply_size(&expected, f->width) ||
      !fd_add_size(&expected, (int64_t)f->begin) || (uint64_t)expected != bytes)
    return fd_fail(FD_DATA, "%s: %" PRIu64 " bytes, but its header says %" PRId64 " rows of %" PRId64 " values", f->path, bytes,
                   f->rows, f->width);
  FD_TRY(fd_alloc(&values, (size_t)(most * f->width), sizeof *values, "values"));
  fd_status status = FD_OK;
  fd_value_range_begin(&range);
  for (int64_t row = 0; row < f->rows && status == FD_OK; row += most) {
    size_t count = (size_t)((f->rows - row < most ? f->rows - row : most) * f->width);
    status = take(f, values, count * sizeof *values, "values");
    if (status == FD_OK) fd_value_range_add(&range, values, (int64_t)count);
  }
  free(values);
  if (status == FD_OK) fd_value_range_print(&range);
  return status;
}

/* Contents of the file of names (.ids.txt). */
typedef struct names {
  int64_t items, rows;
  char *last; /* name of the current item, if each of its rows has a line with a span */
  char shown[FD_SHOWN_TEXT];
  size_t used;
} names;

/* Adds a line of the file of names. "NAME" is an item with one row, "NAME\tN" an item with N rows, and "NAME\tBEGIN\tLENGTH" one
 * row with a span, of the same item as the line before or of the next one. */
static fd_status add_line(names *n, char *line, const npy *f) {
  char *tab = strchr(line, '\t');
  int spans = tab && strchr(tab + 1, '\t');
  long long own = tab && !spans ? strtoll(tab + 1, NULL, 10) : 1;
  if (tab) *tab = '\0';
  n->rows += own > 0 && own <= f->rows ? own : 0;
  if (spans && n->last && !strcmp(n->last, line)) return FD_OK;
  free(n->last);
  n->last = NULL;
  if (spans && !(n->last = strdup(line))) return fd_fail(FD_MEMORY, "no memory for a name");
  if (n->items < FD_SHOWN_IDS && n->used < sizeof n->shown)
    n->used += (size_t)snprintf(n->shown + n->used, sizeof n->shown - n->used, "%s%.200s", n->items ? ", " : "", line);
  n->items++;
  return FD_OK;
}

static fd_status read_names(const npy *f) {
  char path[FD_PATH_MAX], *line = NULL;
  size_t room = 0;
  names all = {0};
  if ((size_t)snprintf(path, sizeof path, "%s.ids.txt", f->path) >= sizeof path) return FD_OK;
  FILE *in;
  uint64_t bytes;
  if (fd_is_absent(path)) {
    fd_shown_line("ids", "the file of names (.ids.txt) is missing");
    return FD_OK;
  }
  FD_TRY(fd_open_stream(path, &in, &bytes));
  fd_status status = FD_OK;
  for (ssize_t n; status == FD_OK && (n = getline(&line, &room, in)) > 0;) {
    if (line[n - 1] == '\n') line[n - 1] = '\0';
    status = add_line(&all, line, f);
  }
  if (status == FD_OK) status = fd_check_end(in, bytes, path);
  free(all.last);
  free(line);
  fclose(in);
  FD_TRY(status);
  if (all.rows != f->rows)
    return fd_fail(FD_DATA, "%s: names of %" PRId64 " rows, but the matrix has %" PRId64, path, all.rows, f->rows);
  printf("  %-14s %" PRId64 "\n", "items", all.items);
  if (all.used < sizeof all.shown && all.items > FD_SHOWN_IDS)
    snprintf(all.shown + all.used, sizeof all.shown - all.used, ", ...");
  fd_shown_line("ids", all.shown);
  return FD_OK;
}

fd_status fd_matrix_show_npy(const char *path) {
  npy f = {.path = path};
  uint64_t bytes;
  FD_TRY(fd_open_stream(path, &f.in, &bytes));
  fd_status status = read_header(&f);
  if (status == FD_OK) printf("  %-14s %" PRId64 " of %" PRId64 " values, float32\n", "rows", f.rows, f.width);
  if (status == FD_OK) status = read_values(&f, bytes);
  fclose(f.in);
  return status == FD_OK ? read_names(&f) : status;
}
