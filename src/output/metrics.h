/* metrics.jsonl: one JSON object a line, appended by the root rank of a run and read back by the report. */
#ifndef FD_OUTPUT_METRICS_H
#define FD_OUTPUT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct fd_metrics fd_metrics;

/* Opens RUN/metrics.jsonl for appending. On resume, steps from `resume_step` on, what came after it, and a partial last line are
 * cut off first (through a durable rewrite); -1 begins an empty file. */
fd_status fd_metrics_open(const char *path, int64_t resume_step, fd_metrics **metrics) FD_MUST_CHECK;

/* Whether a file has a line of a kind at a step; 1, too, where it cannot be read. */
int fd_metrics_has(const char *path, const char *kind, int64_t step);

/* Appends {"kind": kind, "step": step, names[i]: values[i], ...} with one write. Values that are not finite become null. A
 * failure is warned about once and counted: training goes on. NULL `metrics` writes nothing. */
void fd_metrics_step(fd_metrics *metrics, const char *kind, int64_t step, int count, const char *const *names,
                     const double *values);

/* Closes, says how many lines were lost if any, and sets the pointer to NULL. */
void fd_metrics_close(fd_metrics **metrics);

enum { FD_METRICS_NAME = 48, FD_METRICS_COLUMNS = 64 };

/* One quantity of one kind of line. */
typedef struct fd_column {
  char name[FD_METRICS_NAME];
  double *value; /* [rows]; NAN where a line says null or nothing */
} fd_column;

/* All lines of one kind, in the file's order. Column 0 is "step". */
typedef struct fd_metrics_table {
  char kind[FD_METRICS_NAME];
  size_t rows, room;
  int columns;
  fd_column *column;
} fd_metrics_table;

typedef struct fd_metrics_log {
  int tables;
  fd_metrics_table *table;
} fd_metrics_log;

/* Reads a whole file. A last line without its end is left out; any other line that is no metrics line is FD_DATA with file:line.
 */
fd_status fd_metrics_read(const char *path, fd_metrics_log *log) FD_MUST_CHECK;
void fd_metrics_log_free(fd_metrics_log *log);

/* The lines of a kind, or NULL; a column of them, or NULL (also for a NULL table). */
const fd_metrics_table *fd_metrics_find(const fd_metrics_log *log, const char *kind);
const double *fd_metrics_column(const fd_metrics_table *table, const char *name);

#endif
