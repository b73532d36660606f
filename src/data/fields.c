/* Splits rows of CSV and TSV files into fields. */
#include "data/fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

enum { FIELDS_MAX = 1 << 20, SHOWN = 120 };

static const char *name_of(char separator) { return separator == '\t' ? "tab" : separator == ';' ? "semicolon" : "comma"; }

/* Unquotes a field in place; *at moves from its opening quote past the closing one and blanks after it. */
static fd_status take_quoted(const fd_fields *f, char **at, const char *end, fd_field *out) {
  char *from = *at + 1, *to = from;
  *out = (fd_field){from, 0};
  for (;; from++) {
    if (from >= end)
      return fd_fail(FD_DATA, "%s:%" PRId64 ": a quote is opened but not closed on its line", f->lines->path, f->lines->number);
    if (*from == '"' && from + 1 < end && from[1] == '"') from++; /* "" is a quote */
    else if (*from == '"') break;
    *to++ = *from;
  }
  out->length = (size_t)(to - out->text);
  for (from++; from < end && *from == ' ';) from++;
  *at = from;
  if (from == end || *from == f->separator) return FD_OK;
  return fd_fail(FD_DATA, "%s:%" PRId64 ": text after a closing quote; expected a %s", f->lines->path, f->lines->number,
                 name_of(f->separator));
}

static fd_status cut(fd_fields *f, char *line, size_t length) {
  char *at = line, *end = line + length;
  f->count = 0;
  for (;; at++) {
    fd_field out = {at, 0};
    size_t blanks = strspn(at, " "); /* a line ends with a NUL */
    if (at[blanks] == '"') {
      at += blanks;
      FD_TRY(take_quoted(f, &at, end, &out));
    } else {
      char *stop = memchr(at, f->separator, (size_t)(end - at));
      at = stop ? stop : end;
      out.length = (size_t)(at - out.text);
    }
    if (f->count == FIELDS_MAX)
      return fd_fail(FD_DATA, "%s:%" PRId64 ": more than %d fields", f->lines->path, f->lines->number, FIELDS_MAX);
    FD_TRY(fd_grow(&f->item, &f->capacity, (size_t)f->count + 1, sizeof *f->item, "fields of a row"));
    f->item[f->count++] = out;
    if (at >= end) return FD_OK;
  }
}

/* Called only after the whole line is split: the NULs replace separators and quotes. */
static void terminate(fd_fields *f) {
  for (int i = 0; i < f->count; i++) f->item[i].text[f->item[i].length] = '\0';
}

fd_status fd_fields_begin(fd_fields *f, const fd_lines *lines, char *header, size_t length) {
  *f = (fd_fields){.lines = lines, .separator = ','};
  if (memchr(header, '\t', length)) f->separator = '\t';
  else if (memchr(header, ';', length) && !memchr(header, ',', length)) f->separator = ';';
  FD_TRY(cut(f, header, length));
  terminate(f);
  f->columns = f->count;
  return FD_OK;
}

void fd_fields_end(fd_fields *f) {
  free(f->item);
  *f = (fd_fields){0};
}

int fd_is_missing(const char *text) {
  static const char *const words[] = {"", "NA", "<NA>", "N/A", "n/a", "#N/A", "NULL", "null"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(text, words[i])) return 1;
  return !strcasecmp(text, "nan");
}

int fd_field_is(const fd_field *field, const char *word) {
  return field->length == strlen(word) && !strncasecmp(field->text, word, field->length);
}

fd_status fd_fields_column(const fd_fields *f, const char *const *names, int *column) {
  *column = -1;
  for (; *names && *column < 0; names++)
    for (int i = 0; i < f->columns; i++) {
      fd_field name = fd_field_trimmed(f->item[i]);
      if (*name.text == '#') name.text++, name.length--;
      if (!fd_field_is(&name, *names)) continue;
      if (*column >= 0)
        return fd_fail(FD_DATA, "%s:%" PRId64 ": the column '%s' is there twice", f->lines->path, f->lines->number, *names);
      *column = i;
    }
  return FD_OK;
}

fd_status fd_fields_cut(fd_fields *f, char *row, size_t length) {
  FD_TRY(cut(f, row, length));
  if (f->count != f->columns)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": %d field%s; the header has %d column%s%s: '%.*s'", f->lines->path, f->lines->number,
                   f->count, f->count == 1 ? "" : "s", f->columns, f->columns == 1 ? "" : "s",
                   f->count == f->columns + 1 ? " (names of rows, as R writes them without row.names = FALSE?)" : "", SHOWN, row);
  terminate(f);
  return FD_OK;
}

fd_field fd_field_trimmed(fd_field field) {
  while (field.length && *field.text == ' ') field.text++, field.length--;
  while (field.length && field.text[field.length - 1] == ' ') field.text[--field.length] = '\0';
  return field;
}
