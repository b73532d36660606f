/* Reads sequences, their labels and names from CSV and TSV files. */
#include "data/table.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/unpack.h"

enum { HEADER_MAX = 4096, COLUMNS_MAX = 256, CLASSES_MAX = 65536, NEAR = 40 };
static const size_t table_max = (size_t)8 << 30;

typedef struct field {
  char *text;
  size_t length;
} field;

typedef struct reader {
  const char *path;
  char *at, *end;
  int64_t row; /* line in the file, from 1 */
  char separator;
  enum { NO_LABELS, CLASSES, VALUES } labels;
  int columns, sequence, label, id;
  fd_class_names *names; /* NULL: labels are numbers */
  int learn, named;      /* labels of this table are names */
  int64_t first;         /* the line of the first row */
  const char **text;     /* [rows] labels that are names, until they are numbered */
  size_t texts;
  field item[COLUMNS_MAX];
} reader;

/* The next line without its end (LF or CRLF), NUL-terminated; NULL at the end of the file. */
static char *next_line(reader *r, size_t *length) {
  if (r->at >= r->end) return NULL;
  char *line = r->at, *stop = memchr(line, '\n', (size_t)(r->end - line));
  if (!stop) stop = r->end;
  r->at = stop + 1;
  r->row++;
  if (stop > line && stop[-1] == '\r') stop--;
  *stop = '\0';
  *length = (size_t)(stop - line);
  return line;
}

/* Takes the quotes off a quoted field in place; *at moves to what follows the closing quote. */
static fd_status take_quoted(const reader *r, char **at, const char *end, field *out) {
  char *from = *at + 1, *to = from;
  *out = (field){from, 0};
  for (;; from++) {
    if (from >= end) return fd_fail(FD_DATA, "%s:%lld: a quote is opened but not closed on its line", r->path, (long long)r->row);
    if (*from == '"' && from + 1 < end && from[1] == '"') from++; /* "" is a quote */
    else if (*from == '"') break;
    *to++ = *from;
  }
  out->length = (size_t)(to - out->text);
  *at = from + 1;
  return FD_OK;
}

/* Cuts a line into r->item; *count is the number of fields, also beyond COLUMNS_MAX. */
static fd_status split(reader *r, char *line, size_t length, int *count) {
  char *at = line, *end = line + length;
  *count = 0;
  for (;;) {
    field out = {at, 0};
    if (at < end && *at == '"') FD_TRY(take_quoted(r, &at, end, &out));
    else {
      char *stop = memchr(at, r->separator, (size_t)(end - at));
      at = stop ? stop : end;
      out.length = (size_t)(at - out.text);
    }
    if (at < end && *at != r->separator)
      return fd_fail(FD_DATA, "%s:%lld: text after a closing quote; expected a %s", r->path, (long long)r->row,
                     r->separator == '\t' ? "tab" : "comma");
    if (*count < COLUMNS_MAX) r->item[*count] = out;
    ++*count;
    if (at >= end) return FD_OK;
    at++;
  }
}

static int is_name(const field *item, const char *name) {
  return item->length == strlen(name) && !strncasecmp(item->text, name, item->length);
}

static fd_status read_header(reader *r) {
  size_t length;
  int count;
  if (r->end - r->at >= 3 && !memcmp(r->at, "\xef\xbb\xbf", 3)) r->at += 3; /* the mark that spreadsheets write */
  char *line = next_line(r, &length);
  if (!line) return fd_fail(FD_DATA, "%s: is empty; expected a header line 'sequence,label' and rows", r->path);
  if (length > HEADER_MAX)
    return fd_fail(FD_DATA, "%s:1: the first line has %zu bytes; expected a header such as 'sequence,label'", r->path, length);
  r->separator = memchr(line, '\t', length) ? '\t' : ',';
  FD_TRY(split(r, line, length, &count));
  if (count > COLUMNS_MAX) return fd_fail(FD_DATA, "%s:1: %d columns; at most %d are read", r->path, count, COLUMNS_MAX);
  r->columns = count;
  r->sequence = r->label = r->id = -1;
  for (int i = 0; i < count; i++) {
    int *column = is_name(&r->item[i], "label")                                     ? &r->label
                  : is_name(&r->item[i], "sequence") || is_name(&r->item[i], "seq") ? &r->sequence
                  : is_name(&r->item[i], "id") || is_name(&r->item[i], "name")      ? &r->id
                                                                                    : NULL;
    if (column && *column >= 0)
      return fd_fail(FD_DATA, "%s:1: the column '%.*s' is there twice", r->path, (int)r->item[i].length, r->item[i].text);
    if (column) *column = i;
  }
  const char *missing = r->sequence < 0 ? "sequence" : r->label < 0 && r->labels ? "label" : NULL;
  if (missing)
    return fd_fail(FD_DATA, "%s:1: no column '%s' in the header '%.*s'; expected %s, separated by comma or tab", r->path, missing,
                   NEAR, line, r->labels ? "'sequence' and 'label'" : "'sequence'");
  return FD_OK;
}

static fd_status add_sequence(const reader *r, const field *sequence, uint8_t *to) {
  if (sequence->length == 0) return fd_fail(FD_DATA, "%s:%lld: the sequence is empty", r->path, (long long)r->row);
  if (sequence->length > INT_MAX / 2)
    return fd_fail(FD_DATA, "%s:%lld: the sequence has %zu letters; at most %d are read", r->path, (long long)r->row,
                   sequence->length, INT_MAX / 2);
  for (size_t i = 0; i < sequence->length; i++) {
    unsigned char letter = (unsigned char)sequence->text[i];
    to[i] = fd_symbol_of[letter];
    if (to[i] != FD_NO_LETTER) continue;
    char shown[16];
    snprintf(shown, sizeof shown, isprint(letter) ? "'%c'" : "byte %d", letter);
    return fd_fail(FD_DATA,
                   "%s:%lld: %s at letter %zu of the sequence is no nucleotide; expected A, C, G, T, N or another IUPAC letter",
                   r->path, (long long)r->row, shown, i + 1);
  }
  return FD_OK;
}

static fd_status read_label(const reader *r, const field *text, int *label) {
  int value = 0, good = text->length > 0 && text->length < 8;
  for (size_t i = 0; i < text->length && good; i++) {
    good = isdigit((unsigned char)text->text[i]);
    value = value * 10 + (text->text[i] - '0');
  }
  if (!good || value >= CLASSES_MAX)
    return fd_fail(FD_DATA, "%s:%lld: the label '%.*s' is not a whole number from 0 to %d", r->path, (long long)r->row,
                   (int)(text->length < NEAR ? text->length : NEAR), text->text, CLASSES_MAX - 1);
  *label = value;
  return FD_OK;
}

static fd_status unknown_name(const reader *r, const field *text) {
  char known[256] = "";
  size_t used = 0;
  for (int i = 0; i < r->names->count && used < sizeof known; i++)
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? "," : "", r->names->name[i]);
  return fd_fail(FD_DATA, "%s:%lld: the label '%.*s' is none that a training row has; expected %s%s", r->path, (long long)r->row,
                 NEAR, text->text, known, used >= sizeof known ? "..." : "");
}

/* A label that is a name, or must be one because the first row's is. */
static fd_status read_name(reader *r, field *text, int row, int *label) {
  text->text[text->length] = '\0'; /* the separator's place: the line is cut already */
  if (strlen(text->text) != text->length) return fd_fail(FD_DATA, "%s:%lld: a NUL byte in the label", r->path, (long long)r->row);
  if (!fd_class_names_is_name(text->text))
    return fd_fail(
        FD_DATA,
        "%s:%lld: the label '%.*s' is no name, as that of line %lld is; expected names of classes alone, or 0, 1, 2, ...",
        r->path, (long long)r->row, NEAR, text->text, (long long)r->first);
  if (!r->learn) {
    *label = fd_class_names_find(r->names, text->text);
    return *label < 0 ? unknown_name(r, text) : FD_OK;
  }
  FD_TRY(fd_grow(&r->text, &r->texts, (size_t)row + 1, sizeof *r->text, "labels of a table"));
  r->text[row] = text->text;
  return FD_OK;
}

/* The first row tells whether labels are names. */
static fd_status read_class(reader *r, field *text, int row, int *label) {
  if (!row) {
    char end = text->text[text->length];
    r->first = r->row;
    text->text[text->length] = '\0';
    r->named = r->names && (r->learn ? fd_class_names_is_name(text->text) : r->names->count > 0);
    text->text[text->length] = end;
  }
  return r->named ? read_name(r, text, row, label) : read_label(r, text, label);
}

static fd_status read_value(const reader *r, field *text, float *value) {
  char *end;
  text->text[text->length] = '\0'; /* the separator's place: the line is cut already */
  *value = strtof(text->text, &end);
  if (end == text->text || *end || !isfinite(*value))
    return fd_fail(FD_DATA, "%s:%lld: the label '%.*s' is not a finite number", r->path, (long long)r->row, NEAR, text->text);
  return FD_OK;
}

static fd_status read_rows(reader *r, fd_table *table) {
  size_t rows = 0, starts = 0, labels = 0, ids = 0, length;
  FD_TRY(fd_alloc(&table->symbols, (size_t)(r->end - r->at) + 1, 1, "sequences of a table"));
  FD_TRY(fd_grow(&table->start, &starts, 1, sizeof *table->start, "rows of a table"));
  table->start[0] = 0;
  for (char *line; (line = next_line(r, &length));) {
    int count;
    if (length == 0 && r->at >= r->end) break; /* an empty last line */
    FD_TRY(split(r, line, length, &count));
    if (count != r->columns)
      return fd_fail(FD_DATA, "%s:%lld: %d field%s; the header has %d columns", r->path, (long long)r->row, count,
                     count == 1 ? "" : "s", r->columns);
    if (rows == INT_MAX - 1) return fd_fail(FD_DATA, "%s:%lld: more than %d rows", r->path, (long long)r->row, INT_MAX - 1);
    FD_TRY(fd_grow(&table->start, &starts, rows + 2, sizeof *table->start, "rows of a table"));
    if (r->labels == CLASSES) FD_TRY(fd_grow(&table->label, &labels, rows + 1, sizeof *table->label, "rows of a table"));
    if (r->labels == VALUES) FD_TRY(fd_grow(&table->value, &labels, rows + 1, sizeof *table->value, "rows of a table"));
    if (r->id >= 0) FD_TRY(fd_grow(&table->id, &ids, rows + 1, sizeof *table->id, "rows of a table"));
    FD_TRY(add_sequence(r, &r->item[r->sequence], table->symbols + table->start[rows]));
    if (r->labels == CLASSES) FD_TRY(read_class(r, &r->item[r->label], (int)rows, &table->label[rows]));
    if (r->labels == VALUES) FD_TRY(read_value(r, &r->item[r->label], &table->value[rows]));
    if (r->id >= 0) (table->id[rows] = r->item[r->id].text)[r->item[r->id].length] = '\0';
    table->start[rows + 1] = table->start[rows] + (int64_t)r->item[r->sequence].length;
    rows++;
  }
  table->rows = (int)rows;
  return rows ? FD_OK : fd_fail(FD_DATA, "%s: has a header but no rows", r->path);
}

fd_status fd_table_check_classes(const fd_table *table, const char *name) {
  char *seen;
  FD_TRY(fd_alloc(&seen, (size_t)table->classes, 1, "classes of a table"));
  for (int i = 0; i < table->rows; i++) seen[table->label[i]] = 1;
  const char *hole = memchr(seen, 0, (size_t)table->classes);
  fd_status status = hole ? fd_fail(FD_DATA, "%s: labels reach %d but none is %d; number the classes 0, 1, 2, ... without holes",
                                    name, table->classes - 1, (int)(hole - seen))
                          : FD_OK;
  free(seen);
  return status;
}

/* Gives the classes of a table their names, and their numbers. */
static fd_status number_names(reader *r, fd_table *table) {
  FD_TRY(fd_class_names_of(r->names, r->path, r->text, table->rows));
  for (int i = 0; i < table->rows; i++) table->label[i] = fd_class_names_find(r->names, r->text[i]);
  return FD_OK;
}

static fd_status read_table(const char *path, int labels, fd_class_names *names, int learn, fd_table *table) {
  char *text;
  size_t bytes;
  memset(table, 0, sizeof *table);
  FD_TRY(fd_unpack_file(path, table_max, &text, &bytes));
  reader *r = NULL;
  fd_status status = FD_OK;
  FD_GO(fd_alloc(&r, 1, sizeof *r, "the reader of a table"));
  r->path = path, r->at = text, r->end = text + bytes, r->labels = labels;
  r->names = names, r->learn = learn;
  table->text = text;
  FD_GO(read_header(r));
  FD_GO(read_rows(r, table));
  if (r->named && r->learn) FD_GO(number_names(r, table));
  for (int i = 0; i < table->rows && labels == CLASSES; i++)
    if (table->label[i] >= table->classes) table->classes = table->label[i] + 1;
done:
  if (r) free(r->text);
  free(r);
  if (status == FD_OK && !table->id) free(text), table->text = NULL;
  if (status != FD_OK) fd_table_free(table);
  return status;
}

fd_status fd_table_read(const char *path, fd_table *table) { return read_table(path, CLASSES, NULL, 0, table); }

fd_status fd_table_read_classes(const char *path, fd_class_names *names, int learn, fd_table *table) {
  if (learn) *names = (fd_class_names){0};
  return read_table(path, CLASSES, names, learn, table);
}

fd_status fd_table_read_values(const char *path, fd_table *table) { return read_table(path, VALUES, NULL, 0, table); }

fd_status fd_table_read_sequences(const char *path, fd_table *table) { return read_table(path, NO_LABELS, NULL, 0, table); }

fd_status fd_table_pick(const fd_table *from, const int *rows, int count, fd_table *to) {
  fd_status status = FD_OK;
  int64_t bases = 0;
  *to = (fd_table){.rows = count, .classes = from->classes};
  for (int i = 0; i < count; i++) bases += from->start[rows[i] + 1] - from->start[rows[i]];
  FD_GO(fd_alloc(&to->start, (size_t)count + 1, sizeof *to->start, "rows of a table"));
  FD_GO(fd_alloc(&to->symbols, (size_t)bases, 1, "rows of a table"));
  if (from->label) FD_GO(fd_alloc(&to->label, (size_t)count, sizeof *to->label, "rows of a table"));
  if (from->value) FD_GO(fd_alloc(&to->value, (size_t)count, sizeof *to->value, "rows of a table"));
  for (int i = 0; i < count; i++) {
    int64_t first = from->start[rows[i]], length = from->start[rows[i] + 1] - first;
    memcpy(to->symbols + to->start[i], from->symbols + first, (size_t)length);
    to->start[i + 1] = to->start[i] + length;
    if (from->label) to->label[i] = from->label[rows[i]];
    if (from->value) to->value[i] = from->value[rows[i]];
  }
done:
  if (status != FD_OK) fd_table_free(to);
  return status;
}

void fd_table_cut(fd_table *table, int64_t length) {
  int64_t first = 0, to = 0;
  for (int i = 0; i < table->rows; i++) {
    int64_t kept = table->start[i + 1] - first < length ? table->start[i + 1] - first : length;
    memmove(table->symbols + to, table->symbols + first, (size_t)kept);
    first = table->start[i + 1];
    table->start[i + 1] = to += kept;
  }
}

void fd_table_free(fd_table *table) {
  free(table->start);
  free(table->symbols);
  free(table->label);
  free(table->value);
  free(table->id);
  free(table->text);
  memset(table, 0, sizeof *table);
}
