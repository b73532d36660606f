/* Reads a classifier's stored logits and looks up those of a table's rows. */
#include "tasks/stored_logits.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/fields.h"

static const size_t file_max = (size_t)8 << 30;

typedef struct fd_stored_row {
  char name[FD_SHA256_HEX];
  int at;       /* index of the row in the file */
  int64_t line; /* from 1, with the header */
} stored_row;

static int by_name(const void *a, const void *b) {
  const stored_row *x = a, *y = b;
  int order = strcmp(x->name, y->name);
  return order ? order : (x->at > y->at) - (x->at < y->at);
}

fd_status fd_sequence_name(const uint8_t *symbols, int64_t length, char hex[FD_SHA256_HEX]) {
  unsigned char digest[FD_SHA256_BYTES];
  char letters[4096];
  fd_sha256 *hash;
  FD_TRY(fd_sha256_begin(&hash));
  for (int64_t at = 0; at < length;) {
    size_t n = 0;
    for (; n < sizeof letters && at < length; n++) letters[n] = fd_letters[symbols[at++]];
    fd_sha256_add(hash, letters, n);
  }
  FD_TRY(fd_sha256_end(&hash, digest));
  fd_hex(hex, digest);
  return FD_OK;
}

/* Whether the columns of the classes are e0, e1, ...: their classes have no names. */
static int are_unnamed(const fd_fields *fields, int classes) {
  char wanted[16];
  for (int i = 0; i < classes; i++) {
    snprintf(wanted, sizeof wanted, "e%d", i);
    if (strcmp(fields->item[i + 1].text, wanted)) return 0;
  }
  return 1;
}

/* Checks the columns after `id`, which are the classes: their names, or e0, e1, ... */
static fd_status check_header(const char *path, const fd_fields *fields, const fd_taught_classes *classes) {
  const fd_class_names *names = classes->names;
  if (strcmp(fields->item[0].text, "id") || fields->columns < 2)
    return fd_fail(FD_DATA,
                   "%s:1: expected a header 'id' and the classes, tab-separated, as 'findna embed --pool task --logits' writes",
                   path);
  if (fields->columns - 1 != classes->count)
    return fd_fail(FD_CONFIG, "--teacher-logits %s: has %d classes, the training rows have %d; expected the same", path,
                   fields->columns - 1, classes->count);
  int unnamed = are_unnamed(fields, classes->count);
  for (int i = 0; i < names->count && !unnamed; i++)
    if (strcmp(fields->item[i + 1].text, names->name[i]))
      return fd_fail(FD_CONFIG,
                     "--teacher-logits %s: its class %d is '%s', that of the training rows '%s'; expected the same names in "
                     "the same order",
                     path, i, fields->item[i + 1].text, names->name[i]);
  return FD_OK;
}

static fd_status read_value(const char *path, int64_t line, const char *text, float *value) {
  char *end;
  errno = 0;
  double number = strtod(text, &end);
  *value = (float)number;
  if (end != text && !*end && isfinite(*value)) return FD_OK;
  return fd_fail(FD_DATA, "%s:%lld: the logit '%.40s' is not a finite number: the teacher has diverged, or the file was changed",
                 path, (long long)line, text);
}

static fd_status add_row(fd_stored_logits *s, const fd_lines *lines, const fd_fields *fields, size_t room[2]) {
  size_t n = (size_t)s->rows, classes = (size_t)s->classes;
  const char *name = fields->item[0].text;
  FD_TRY(fd_grow(&s->row, &room[0], n + 1, sizeof *s->row, "stored logits"));
  FD_TRY(fd_grow(&s->values, &room[1], (n + 1) * classes, sizeof *s->values, "stored logits"));
  if (!fd_is_hex(name))
    return fd_fail(FD_DATA,
                   "%s:%lld: '%.40s' is no SHA-256 of a sequence; expected rows that 'findna embed --pool task --logits' wrote",
                   s->path, (long long)lines->number, name);
  memcpy(s->row[n].name, name, FD_SHA256_HEX);
  s->row[n].at = s->rows++;
  s->row[n].line = lines->number;
  for (size_t c = 0; c < classes; c++)
    FD_TRY(read_value(s->path, lines->number, fields->item[c + 1].text, &s->values[n * classes + c]));
  return FD_OK;
}

static const float *values_of(const fd_stored_logits *s, const stored_row *row) {
  return s->values + (size_t)row->at * (size_t)s->classes;
}

/* Checks that repeated sequences have the same logits. */
static fd_status check_twice(const fd_stored_logits *s) {
  for (int i = 1; i < s->rows; i++) {
    const stored_row *a = &s->row[i - 1], *b = &s->row[i];
    if (strcmp(a->name, b->name) || !memcmp(values_of(s, a), values_of(s, b), (size_t)s->classes * sizeof(float))) continue;
    return fd_fail(FD_DATA,
                   "%s: lines %" PRId64 " and %" PRId64
                   " are of one sequence and have different logits: were files of two teachers merged?",
                   s->path, a->line, b->line);
  }
  return FD_OK;
}

static fd_status read_rows(fd_stored_logits *s, fd_lines *lines, fd_fields *fields, const fd_taught_classes *classes) {
  size_t length, room[2] = {0, 0};
  int is_whole = lines->end > lines->at && (lines->end[-1] == '\n' || lines->end[-1] == '\r');
  char *line = fd_lines_next(lines, &length);
  if (!line) return fd_fail(FD_DATA, "%s: is empty; expected the logits of the training rows", s->path);
  if (!is_whole) return fd_fail(FD_DATA, "%s: its last line has no end: the file was cut off, perhaps within a number", s->path);
  FD_TRY(fd_fields_begin(fields, lines, line, length));
  FD_TRY(check_header(s->path, fields, classes));
  while ((line = fd_lines_next(lines, &length))) {
    FD_TRY(fd_fields_cut(fields, line, length));
    FD_TRY(add_row(s, lines, fields, room));
  }
  if (s->rows) qsort(s->row, (size_t)s->rows, sizeof *s->row, by_name);
  return check_twice(s);
}

fd_status fd_stored_logits_read(fd_stored_logits *s, const char *path, const fd_taught_classes *classes) {
  fd_lines lines;
  fd_fields fields = {0};
  *s = (fd_stored_logits){.path = path, .classes = classes->count};
  FD_TRY(fd_lines_open(&lines, path, file_max));
  fd_status status = read_rows(s, &lines, &fields, classes);
  fd_fields_end(&fields);
  fd_lines_close(&lines);
  if (status != FD_OK) fd_stored_logits_free(s);
  return status;
}

void fd_stored_logits_free(fd_stored_logits *s) {
  free(s->row);
  free(s->values);
  *s = (fd_stored_logits){0};
}

static int compare_name(const void *key, const void *row) { return strcmp(key, ((const stored_row *)row)->name); }

fd_status fd_stored_logits_take(const fd_stored_logits *s, const fd_table *table, const char *file, float *out) {
  char name[FD_SHA256_HEX];
  for (int r = 0; r < table->rows; r++) {
    FD_TRY(fd_sequence_name(table->symbols + table->start[r], table->start[r + 1] - table->start[r], name));
    const stored_row *found = s->rows ? bsearch(name, s->row, (size_t)s->rows, sizeof *s->row, compare_name) : NULL;
    if (!found)
      return fd_fail(
          FD_DATA,
          "%s: has no logits of row %d of %s (sequence %.12s..., %lld nucleotides): the file is of other rows, or of the rows "
          "before --cut; expected the logits of all training rows",
          s->path, r + 1, file, name, (long long)(table->start[r + 1] - table->start[r]));
    if (out) memcpy(out + (size_t)r * (size_t)s->classes, values_of(s, found), (size_t)s->classes * sizeof *out);
  }
  return FD_OK;
}
