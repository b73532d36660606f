/* metrics.jsonl: one JSON object per line, appended by the root rank of a run and read back by the report. */
#ifndef FD_OUTPUT_METRICS_H
#define FD_OUTPUT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct fd_metrics fd_metrics;

/* Opens RUN/metrics.jsonl for appending. On a resume, step `resume_step`, all later lines and a partial last line are removed
 * first (by a durable rewrite), with a warning if earlier ones are missing, of which there should be one in `every` steps; -1
 * begins an empty file. FD_DATA for a pipe. */
fd_status fd_metrics_open(const char *path, int64_t resume_step, int64_t every, fd_metrics **metrics) FD_MUST_CHECK;

/* *has: whether the file has a complete line of this kind at this step; also 1 if there is no file. Damaged lines are passed
 * over. A file that cannot be read to its end, as for lack of memory, is an error, and nothing is known of its lines. */
fd_status fd_metrics_has(const char *path, const char *kind, int64_t step, int *has) FD_MUST_CHECK;

/* Appends {"kind": kind, "step": step, names[i]: values[i], ...} with one write. Values that are not finite become null. A
 * failure to write is warned about once and counted; training goes on. With `metrics` NULL nothing is written. */
void fd_metrics_step(fd_metrics *metrics, const char *kind, int64_t step, int count, const char *const *names,
                     const double *values);

/* Closes the file, warns if lines were lost, and sets the pointer to NULL. */
void fd_metrics_close(fd_metrics **metrics);

enum { FD_METRICS_NAME = 48, FD_METRICS_COLUMNS = 64 };

/* One quantity of one kind of line. */
typedef struct fd_column {
  char name[FD_METRICS_NAME];
  double *value; /* [rows]; NAN where a line has null or no value */
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

/* Reads a whole file. An incomplete last line is left out; any other invalid line is FD_DATA with file:line. */
fd_status fd_metrics_read(const char *path, fd_metrics_log *log) FD_MUST_CHECK;
void fd_metrics_log_free(fd_metrics_log *log);

/* The lines of a kind, or NULL; a column of them, or NULL (also for a NULL table). */
const fd_metrics_table *fd_metrics_find(const fd_metrics_log *log, const char *kind);
const double *fd_metrics_column(const fd_metrics_table *table, const char *name);

/* The seconds of the steps up to that of a row and since the row before it: a row has the time of its own step, for which those
 * that log.every left out are taken to be alike. NAN where the row has no time. */
double fd_metrics_seconds(const fd_metrics_table *steps, size_t row);

/* Their sum; NAN without times, also for a NULL table. */
double fd_metrics_total_seconds(const fd_metrics_table *steps);

#endif
