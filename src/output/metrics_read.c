/* Reads metrics.jsonl into columns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "output/metrics.h"

enum { TABLES_MAX = 32 };

static fd_status bad_line(const char *where, const char *wrong) {
  return fd_fail(FD_DATA, "%s: is no line of metrics: %s", where, wrong);
}

static fd_status table_of(fd_metrics_log *log, const char *kind, const char *where, fd_metrics_table **table) {
  for (int i = 0; i < log->tables; i++) {
    *table = &log->table[i];
    if (!strcmp((*table)->kind, kind)) return FD_OK;
  }
  if (log->tables == TABLES_MAX || strlen(kind) >= FD_METRICS_NAME)
    return bad_line(where, "has one kind too many, or a kind with a long name");
  fd_metrics_table *t = *table = &log->table[log->tables];
  FD_TRY(fd_alloc(&t->column, FD_METRICS_COLUMNS, sizeof *t->column, "metrics"));
  snprintf(t->kind, sizeof t->kind, "%s", kind);
  log->tables++;
  return FD_OK;
}

static fd_status column_of(fd_metrics_table *t, const char *name, const char *where, fd_column **column) {
  for (int i = 0; i < t->columns; i++) {
    *column = &t->column[i];
    if (!strcmp((*column)->name, name)) return FD_OK;
  }
  if (t->columns == FD_METRICS_COLUMNS || strlen(name) >= FD_METRICS_NAME)
    return bad_line(where, "has one column too many, or a name that is too long");
  fd_column *c = *column = &t->column[t->columns];
  size_t room = 0;
  FD_TRY(fd_grow(&c->value, &room, t->room, sizeof *c->value, "metrics"));
  for (size_t i = 0; i < t->rows; i++) c->value[i] = NAN; /* earlier lines did not have it */
  snprintf(c->name, sizeof c->name, "%s", name);
  t->columns++;
  return FD_OK;
}

/* Room for one more row in all columns. */
static fd_status grow(fd_metrics_table *t) {
  if (t->rows < t->room) return FD_OK;
  size_t room = t->room ? 2 * t->room : 64;
  for (int i = 0; i < t->columns; i++) {
    size_t own = t->room;
    FD_TRY(fd_grow(&t->column[i].value, &own, room, sizeof *t->column[i].value, "metrics"));
  }
  t->room = room;
  return FD_OK;
}

/* Takes one line's object; `where` is file:line. */
static fd_status take_line(fd_metrics_log *log, json_t *object, const char *where) {
  const char *kind = json_string_value(json_object_get(object, "kind")), *key;
  const json_t *value;
  fd_metrics_table *t = NULL;
  fd_column *c = NULL;
  if (!kind) return bad_line(where, "has no \"kind\"");
  if (!json_is_integer(json_object_get(object, "step"))) return bad_line(where, "has no \"step\"");
  FD_TRY(table_of(log, kind, where, &t));
  FD_TRY(grow(t));
  FD_TRY(column_of(t, "step", where, &c));
  for (int i = 0; i < t->columns; i++) t->column[i].value[t->rows] = NAN;
  json_object_foreach(object, key, value) {
    if (!json_is_number(value)) continue;
    FD_TRY(column_of(t, key, where, &c));
    c->value[t->rows] = json_number_value(value);
  }
  t->rows++;
  return FD_OK;
}

fd_status fd_metrics_read(const char *path, fd_metrics_log *log) {
  char *line = NULL;
  size_t room = 0, number = 0;
  fd_status status = FD_OK;
  *log = (fd_metrics_log){0};
  FILE *in = fopen(path, "re");
  if (!in) return fd_fail_errno("cannot open", path);
  FD_GO(fd_alloc(&log->table, TABLES_MAX, sizeof *log->table, "metrics"));
  for (ssize_t n; status == FD_OK && (n = getline(&line, &room, in)) > 0 && line[n - 1] == '\n';) {
    char where[FD_PATH_MAX + 32];
    json_t *object;
    snprintf(where, sizeof where, "%s:%zu", path, ++number);
    status = fd_json_parse(&object, line, (size_t)n, where);
    if (status == FD_OK) status = take_line(log, object, where);
    json_decref(object);
  }
  if (status == FD_OK && !feof(in)) status = fd_fail_errno("cannot read", path); /* also a line without memory for it */
done:
  free(line);
  fclose(in);
  if (status != FD_OK) fd_metrics_log_free(log);
  return status;
}

void fd_metrics_log_free(fd_metrics_log *log) {
  for (int i = 0; i < log->tables; i++) {
    for (int c = 0; c < log->table[i].columns; c++) free(log->table[i].column[c].value);
    free(log->table[i].column);
  }
  free(log->table);
  *log = (fd_metrics_log){0};
}

const fd_metrics_table *fd_metrics_find(const fd_metrics_log *log, const char *kind) {
  for (int i = 0; i < log->tables; i++)
    if (!strcmp(log->table[i].kind, kind)) return &log->table[i];
  return NULL;
}

const double *fd_metrics_column(const fd_metrics_table *table, const char *name) {
  for (int i = 0; table && i < table->columns; i++)
    if (!strcmp(table->column[i].name, name)) return table->column[i].value;
  return NULL;
}
