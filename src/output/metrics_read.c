/* Reads metrics.jsonl into columns. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "output/metrics.h"

enum { TABLES_MAX = 32 };

static fd_metrics_table *table_of(fd_metrics_log *log, const char *kind) {
  for (int i = 0; i < log->tables; i++)
    if (!strcmp(log->table[i].kind, kind)) return &log->table[i];
  if (log->tables == TABLES_MAX || strlen(kind) >= FD_METRICS_NAME) return NULL;
  fd_metrics_table *t = &log->table[log->tables];
  if (!(t->column = calloc(FD_METRICS_COLUMNS, sizeof *t->column))) return NULL;
  snprintf(t->kind, sizeof t->kind, "%s", kind);
  log->tables++;
  return t;
}

static fd_column *column_of(fd_metrics_table *t, const char *name) {
  for (int i = 0; i < t->columns; i++)
    if (!strcmp(t->column[i].name, name)) return &t->column[i];
  if (t->columns == FD_METRICS_COLUMNS || strlen(name) >= FD_METRICS_NAME) return NULL;
  fd_column *c = &t->column[t->columns];
  if (!(c->value = malloc(t->room * sizeof *c->value))) return NULL;
  for (size_t i = 0; i < t->rows; i++) c->value[i] = NAN; /* earlier lines did not have it */
  snprintf(c->name, sizeof c->name, "%s", name);
  t->columns++;
  return c;
}

static fd_status bad_line(const char *where, const char *wrong) {
  if (errno == ENOMEM) return fd_fail(FD_MEMORY, "%s: out of memory", where);
  return fd_fail(FD_DATA, "%s: is no line of metrics: %s", where, wrong);
}

/* Room for one more row in all columns. */
static int grow(fd_metrics_table *t) {
  if (t->rows < t->room) return 1;
  size_t room = t->room ? 2 * t->room : 64;
  for (int i = 0; i < t->columns; i++) {
    double *value = realloc(t->column[i].value, room * sizeof *value);
    if (!value) return 0;
    t->column[i].value = value;
  }
  t->room = room;
  return 1;
}

/* Takes one line's object; `where` is file:line. */
static fd_status take_line(fd_metrics_log *log, json_t *object, const char *where) {
  const char *kind = json_string_value(json_object_get(object, "kind")), *key;
  const json_t *value;
  if (!kind || !json_is_integer(json_object_get(object, "step")))
    return fd_fail(FD_DATA, "%s: is no line of metrics: has no \"kind\" or no \"step\"", where);
  errno = 0;
  fd_metrics_table *t = table_of(log, kind);
  if (!t) return bad_line(where, "has one kind too many, or a kind with a long name");
  if (!grow(t) || !column_of(t, "step")) return bad_line(where, "needs more memory than there is");
  for (int i = 0; i < t->columns; i++) t->column[i].value[t->rows] = NAN;
  json_object_foreach(object, key, value) {
    if (!json_is_number(value)) continue;
    fd_column *c = column_of(t, key);
    if (!c) return bad_line(where, "has one column too many, or a name that is too long");
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
