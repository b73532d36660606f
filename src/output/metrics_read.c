/* Reads metrics.jsonl into columns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "output/metrics.h"

enum { TABLES_MAX = 32, LINE_BYTES = 1 << 16 }; /* valid lines are far shorter */

static fd_status table_of(fd_metrics_log *log, const char *where, const char *kind, fd_metrics_table **table) {
  for (int i = 0; i < log->tables; i++)
    if (!strcmp((*table = &log->table[i])->kind, kind)) return FD_OK;
  if (log->tables == TABLES_MAX || strlen(kind) >= FD_METRICS_NAME)
    return fd_fail(FD_DATA, "%s: is not a line of metrics: one kind too many, or a kind with a long name: '%.60s'", where, kind);
  *table = &log->table[log->tables];
  FD_TRY(fd_alloc(&(*table)->column, FD_METRICS_COLUMNS, sizeof *(*table)->column, "metrics"));
  snprintf((*table)->kind, sizeof(*table)->kind, "%s", kind);
  log->tables++;
  return FD_OK;
}

static fd_status column_of(fd_metrics_table *t, const char *where, const char *name, fd_column **column) {
  for (int i = 0; i < t->columns; i++)
    if (!strcmp((*column = &t->column[i])->name, name)) return FD_OK;
  if (t->columns == FD_METRICS_COLUMNS || strlen(name) >= FD_METRICS_NAME)
    return fd_fail(FD_DATA, "%s: is not a line of metrics: one column too many, or a name that is too long: '%.60s'", where,
                   name);
  *column = &t->column[t->columns];
  FD_TRY(fd_alloc(&(*column)->value, t->room, sizeof *(*column)->value, "metrics"));
  for (size_t i = 0; i < t->rows; i++) (*column)->value[i] = NAN; /* earlier lines did not have it */
  snprintf((*column)->name, sizeof(*column)->name, "%s", name);
  t->columns++;
  return FD_OK;
}

/* Appends a row of NAN to all columns. */
static fd_status add_row(fd_metrics_table *t) {
  size_t room = t->room;
  for (int i = 0; i < t->columns; i++) {
    size_t capacity = t->room;
    FD_TRY(fd_grow(&t->column[i].value, &capacity, t->rows + 1, sizeof *t->column[i].value, "metrics"));
    t->column[i].value[t->rows] = NAN;
    room = capacity;
  }
  t->room = room > t->rows ? room : t->rows + 1;
  t->rows++;
  return FD_OK;
}

static fd_status take_line(fd_metrics_log *log, const char *where, json_t *object) {
  const char *kind = json_string_value(json_object_get(object, "kind")), *key;
  json_t *value;
  fd_metrics_table *t = NULL;
  fd_column *c = NULL;
  const json_t *step = json_object_get(object, "step");
  if (!kind || !json_is_integer(step) || json_integer_value(step) < 0)
    return fd_fail(FD_DATA, "%s: is not a line of metrics: it has no \"kind\", or no \"step\" that is a whole number from 0",
                   where);
  FD_TRY(table_of(log, where, kind, &t));
  FD_TRY(add_row(t));
  FD_TRY(column_of(t, where, "step", &c));
  json_object_foreach(object, key, value) {
    if (!json_is_number(value)) continue;
    FD_TRY(column_of(t, where, key, &c));
    c->value[t->rows - 1] = json_number_value(value);
  }
  return FD_OK;
}

static fd_status read_line(fd_metrics_log *log, const char *where, const char *line, size_t bytes) {
  json_t *object;
  FD_TRY(fd_json_parse(&object, line, bytes, where));
  fd_status status = take_line(log, where, object);
  json_decref(object);
  return status;
}

fd_status fd_metrics_read(const char *path, fd_metrics_log *log) {
  char line[LINE_BYTES], where[FD_PATH_MAX + 32];
  size_t number = 0;
  uint64_t bytes;
  FILE *in;
  *log = (fd_metrics_log){0};
  FD_TRY(fd_open_stream(path, &in, &bytes));
  fd_status status = fd_alloc(&log->table, TABLES_MAX, sizeof *log->table, "metrics");
  while (status == FD_OK && fgets(line, sizeof line, in)) {
    size_t n = strlen(line);
    if (feof(in)) break; /* the last line is incomplete */
    snprintf(where, sizeof where, "%s:%zu", path, ++number);
    if (n && line[n - 1] == '\n') status = read_line(log, where, line, n);
    else
      status =
          fd_fail(FD_DATA, "%s: is not a line of metrics: it is longer than %d bytes, or contains a NUL", where, LINE_BYTES - 2);
  }
  if (status == FD_OK) status = fd_check_end(in, bytes, path);
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

double fd_metrics_seconds(const fd_metrics_table *steps, size_t row) {
  const double *seconds = fd_metrics_column(steps, "seconds"), *step = fd_metrics_column(steps, "step");
  if (!seconds || !step) return NAN;
  return seconds[row] * (row ? step[row] - step[row - 1] : step[row] + 1);
}

double fd_metrics_total_seconds(const fd_metrics_table *steps) {
  double sum = 0;
  if (!fd_metrics_column(steps, "seconds")) return NAN;
  for (size_t i = 0; i < steps->rows; i++) {
    double seconds = fd_metrics_seconds(steps, i);
    if (isfinite(seconds)) sum += seconds;
  }
  return sum;
}
