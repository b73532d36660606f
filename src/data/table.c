/* Reads sequences, their labels and names from CSV and TSV files. */
#include "data/table.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/fields.h"

enum { CLASSES_MAX = 65536, NEAR = 40, SHOWN = 120 };
static const size_t table_max = (size_t)8 << 30;

typedef struct reader {
  const char *path;
  fd_lines lines;
  fd_fields fields;
  enum { NO_LABELS, CLASSES, VALUES } labels;
  int sequence, label, id; /* columns; -1: absent */
  const char *column;      /* name of the label column; NULL: label */
  fd_class_names *names;   /* of CLASSES */
  int learn, named;        /* learn: take the names from this table; named: its labels are names */
  int unknown;             /* a name that no training row has is an extra class, the last */
  int64_t first;           /* line number of the first row */
  const char **text;       /* [rows] labels that are names, until they are numbered */
  size_t texts;
} reader;

static long long line_of(const reader *r) { return (long long)r->lines.number; }

static fd_status read_header(reader *r) {
  static const char *const sequence[] = {"sequence", "seq", NULL}, *const id[] = {"id", "name", NULL};
  const char *const label[] = {r->column ? r->column : "label", NULL};
  char shown[SHOWN + 1];
  size_t length;
  char *line = fd_lines_next(&r->lines, &length);
  if (!line) return fd_fail(FD_DATA, "%s: is empty; expected a header line 'sequence,label' and rows", r->path);
  snprintf(shown, sizeof shown, "%s", line);
  FD_TRY(fd_fields_begin(&r->fields, &r->lines, line, length));
  FD_TRY(fd_fields_column(&r->fields, sequence, &r->sequence));
  FD_TRY(fd_fields_column(&r->fields, label, &r->label));
  FD_TRY(fd_fields_column(&r->fields, id, &r->id));
  const char *missing = r->sequence < 0 ? "sequence" : r->label < 0 && r->labels ? *label : NULL;
  if (missing)
    return fd_fail(FD_DATA,
                   "%s:%lld: no column '%s' in the header '%s'; expected 'sequence'%s%s%s, separated by comma, semicolon or tab",
                   r->path, line_of(r), missing, shown, r->labels ? " and '" : "", r->labels ? *label : "", r->labels ? "'" : "");
  return FD_OK;
}

static fd_status bad_letter(const reader *r, const fd_field *sequence, size_t i) {
  unsigned char letter = (unsigned char)sequence->text[i];
  char shown[16];
  snprintf(shown, sizeof shown, isprint(letter) ? "'%c'" : "byte 0x%02x", letter);
  const char *hint =
      fd_field_is(sequence, "sequence") || fd_field_is(sequence, "seq") ? " (the header again: files joined with cat?)" : "";
  return fd_fail(FD_DATA,
                 "%s:%lld: %s at letter %zu of the sequence is no nucleotide; expected A, C, G, T, N or another IUPAC letter%s",
                 r->path, line_of(r), shown, i + 1, hint);
}

static fd_status add_sequence(const reader *r, const fd_field *sequence, uint8_t *to) {
  if (sequence->length == 0) return fd_fail(FD_DATA, "%s:%lld: the sequence is empty", r->path, line_of(r));
  if (sequence->length > INT_MAX / 2)
    return fd_fail(FD_DATA, "%s:%lld: the sequence has %zu letters; at most %d are read", r->path, line_of(r), sequence->length,
                   INT_MAX / 2);
  for (size_t i = 0; i < sequence->length; i++) {
    to[i] = fd_symbol_of[(unsigned char)sequence->text[i]];
    if (to[i] == FD_NO_LETTER) return bad_letter(r, sequence, i);
  }
  return FD_OK;
}

/* Reads a whole number, which some programs write as 1.0. */
static fd_status read_label(const reader *r, const fd_field *text, int *label) {
  size_t digits = 0, at;
  int value = 0;
  for (; digits < text->length && digits < 8 && isdigit((unsigned char)text->text[digits]); digits++)
    value = value * 10 + (text->text[digits] - '0');
  for (at = digits + (digits < text->length && text->text[digits] == '.'); at < text->length && text->text[at] == '0';) at++;
  int good = digits > 0 && digits < 8 && at == text->length;
  if (!good || value >= CLASSES_MAX)
    return fd_fail(FD_DATA, "%s:%lld: the label '%.*s' is not a whole number from 0 to %d", r->path, line_of(r),
                   (int)(text->length < NEAR ? text->length : NEAR), text->text, CLASSES_MAX - 1);
  *label = value;
  return FD_OK;
}

static fd_status unknown_name(const reader *r, const fd_field *text) {
  char known[256] = "";
  size_t used = 0;
  for (int i = 0; i < r->names->count && used < sizeof known; i++)
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? "," : "", r->names->name[i]);
  return fd_fail(FD_DATA, "%s:%lld: the label '%.*s' is none that a training row has; expected %s%s", r->path, line_of(r), NEAR,
                 text->text, known, used >= sizeof known ? "..." : "");
}

/* Reads a label that is a name, or must be one because the first row's is. */
static fd_status read_name(reader *r, fd_field *text, int row, int *label) {
  char where[FD_PATH_MAX + 32];
  if (!fd_class_names_is_name(text->text))
    return fd_fail(
        FD_DATA,
        "%s:%lld: the label '%.*s' is no name, as that of line %lld is; expected only names of classes, or only 0, 1, 2, ...",
        r->path, line_of(r), NEAR, text->text, (long long)r->first);
  if (!r->learn) {
    *label = fd_class_names_find(r->names, text->text);
    if (*label < 0 && r->unknown) *label = r->names->count;
    return *label < 0 ? unknown_name(r, text) : FD_OK;
  }
  snprintf(where, sizeof where, "%s:%lld", r->path, line_of(r));
  FD_TRY(fd_class_names_check(where, text->text));
  FD_TRY(fd_grow(&r->text, &r->texts, (size_t)row + 1, sizeof *r->text, "labels of a table"));
  r->text[row] = text->text;
  return FD_OK;
}

static fd_status no_label(const reader *r) {
  return fd_fail(FD_DATA, "%s:%lld: the label is missing; leave such rows out (findna prepare --require COLUMN does)", r->path,
                 line_of(r));
}

/* The first row decides whether labels are names. */
static fd_status read_class(reader *r, fd_field *text, int row, int *label) {
  if (!text->length) return no_label(r);
  if (!row) {
    r->first = line_of(r);
    r->named = r->learn ? fd_class_names_is_name(text->text) : r->names->count > 0;
  }
  return r->named ? read_name(r, text, row, label) : read_label(r, text, label);
}

static fd_status read_value(const reader *r, fd_field *text, float *value) {
  char *end;
  if (!text->length) return no_label(r);
  *value = strtof(text->text, &end);
  if (end == text->text || *end || !isfinite(*value))
    return fd_fail(FD_DATA, "%s:%lld: the label '%.*s' is not a finite number", r->path, line_of(r), NEAR, text->text);
  return FD_OK;
}

static fd_status read_rows(reader *r, fd_table *table) {
  size_t rows = 0, starts = 0, labels = 0, ids = 0, length;
  FD_TRY(fd_alloc(&table->symbols, (size_t)(r->lines.end - r->lines.at) + 1, 1, "sequences of a table"));
  FD_TRY(fd_grow(&table->start, &starts, 1, sizeof *table->start, "rows of a table"));
  table->start[0] = 0;
  for (char *line; (line = fd_lines_next(&r->lines, &length));) {
    FD_TRY(fd_fields_cut(&r->fields, line, length));
    if (rows == INT_MAX - 1) return fd_fail(FD_DATA, "%s:%lld: more than %d rows", r->path, line_of(r), INT_MAX - 1);
    FD_TRY(fd_grow(&table->start, &starts, rows + 2, sizeof *table->start, "rows of a table"));
    if (r->labels == CLASSES) FD_TRY(fd_grow(&table->label, &labels, rows + 1, sizeof *table->label, "rows of a table"));
    if (r->labels == VALUES) FD_TRY(fd_grow(&table->value, &labels, rows + 1, sizeof *table->value, "rows of a table"));
    if (r->id >= 0) FD_TRY(fd_grow(&table->id, &ids, rows + 1, sizeof *table->id, "rows of a table"));
    const fd_field *item = r->fields.item;
    fd_field sequence = fd_field_trimmed(item[r->sequence]), label = r->labels ? fd_field_trimmed(item[r->label]) : (fd_field){0};
    FD_TRY(add_sequence(r, &sequence, table->symbols + table->start[rows]));
    if (r->labels == CLASSES) FD_TRY(read_class(r, &label, (int)rows, &table->label[rows]));
    if (r->labels == VALUES) FD_TRY(read_value(r, &label, &table->value[rows]));
    if (r->id >= 0) table->id[rows] = item[r->id].text;
    table->start[rows + 1] = table->start[rows] + (int64_t)sequence.length;
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

/* Sets the names of the classes of a table, and the labels of its rows. */
static fd_status number_names(reader *r, fd_table *table) {
  FD_TRY(fd_class_names_of(r->names, r->path, r->text, table->rows));
  for (int i = 0; i < table->rows; i++) table->label[i] = fd_class_names_find(r->names, r->text[i]);
  return FD_OK;
}

static fd_status read_table(const char *path, int labels, const fd_label_column *column, fd_class_names *names, fd_table *table) {
  reader *r;
  fd_status status = FD_OK;
  memset(table, 0, sizeof *table);
  FD_TRY(fd_alloc(&r, 1, sizeof *r, "the reader of a table"));
  r->path = path, r->labels = labels, r->names = names;
  r->column = column->name, r->learn = column->learn, r->unknown = column->unknown;
  FD_GO(fd_lines_open(&r->lines, path, table_max));
  FD_GO(read_header(r));
  FD_GO(read_rows(r, table));
  if (r->named && r->learn) FD_GO(number_names(r, table));
  for (int i = 0; i < table->rows && labels == CLASSES; i++)
    if (table->label[i] >= table->classes) table->classes = table->label[i] + 1;
  if (table->id) table->text = r->lines.text, r->lines.text = NULL; /* the ids point into it */
done:
  fd_fields_end(&r->fields);
  fd_lines_close(&r->lines);
  free(r->text);
  free(r);
  if (status != FD_OK) fd_table_free(table);
  return status;
}

static const fd_label_column plain = {NULL, 0, 0};

fd_status fd_table_read_column(const char *path, const fd_label_column *column, fd_class_names *names, fd_table *table) {
  if (column->learn) *names = (fd_class_names){0};
  return read_table(path, CLASSES, column, names, table);
}

fd_status fd_table_read_classes(const char *path, fd_class_names *names, int learn, fd_table *table) {
  return fd_table_read_column(path, &(fd_label_column){NULL, learn, 0}, names, table);
}

fd_status fd_table_read_values(const char *path, fd_table *table) { return read_table(path, VALUES, &plain, NULL, table); }

fd_status fd_table_read_sequences(const char *path, fd_table *table) { return read_table(path, NO_LABELS, &plain, NULL, table); }

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

const char *fd_table_id(const fd_table *table, int row, char room[FD_TABLE_ID]) {
  if (table->id && *table->id[row]) return table->id[row];
  snprintf(room, FD_TABLE_ID, "%d", row + 1);
  return room;
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
