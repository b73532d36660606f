/* Writes metrics.jsonl, line by line. */
#include "output/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/output.h"

struct fd_metrics {
  int fd;
  int64_t lost; /* lines that could not be written */
  char path[FD_PATH_MAX];
};

/* Whether a line is kept on a resume at `resume_step`: that step itself runs again, but evaluations at it do not. */
static int is_before(const json_t *object, json_int_t step, int64_t resume_step) {
  const char *kind = json_string_value(json_object_get(object, "kind"));
  return step < resume_step || (step == resume_step && kind && strcmp(kind, "step"));
}

/* The steps that have a line: first and last (-1: none), and the largest distance from one to the next. */
typedef struct covered {
  int64_t first, last, distance;
} covered;

static void cover(covered *c, const json_t *object, int64_t step) {
  const char *kind = json_string_value(json_object_get(object, "kind"));
  if (!kind || strcmp(kind, "step")) return;
  if (c->last < 0) c->first = step;
  else if (step - c->last > c->distance) c->distance = step - c->last;
  c->last = step;
}

/* Warns if the file does not have the steps before `resume_step` from 0 on: it was removed, or replaced by an older one. */
static void warn_missing(const covered *c, const char *path, int64_t resume_step) {
  static const char *const text = "%s: the metrics of steps %" PRId64 " to %" PRId64 " are missing; the run goes on without them";
  if (resume_step <= 0) return;
  if (c->last < 0) fd_warn(text, path, (int64_t)0, resume_step - 1);
  else if (c->first > 0) fd_warn(text, path, (int64_t)0, c->first - 1);
  if (c->last >= 0 && resume_step - c->last > c->distance) fd_warn(text, path, c->last + 1, resume_step - 1);
}

/* Copies the complete lines before `resume_step`. Lines that are not valid metrics were damaged by a full disk and are dropped.
 */
static fd_status copy_lines(FILE *in, uint64_t bytes, FILE *out, const char *path, int64_t resume_step, covered *c) {
  char *line = NULL;
  size_t room = 0;
  int64_t damaged = 0;
  fd_status status = FD_OK;
  for (ssize_t n; status == FD_OK && (n = getline(&line, &room, in)) > 0 && line[n - 1] == '\n';) {
    json_t *object;
    if ((status = fd_json_try(&object, line, (size_t)n, path)) != FD_OK) break;
    const json_t *step = json_object_get(object, "step");
    if (!json_is_integer(step)) damaged++;
    else if (is_before(object, json_integer_value(step), resume_step)) {
      cover(c, object, json_integer_value(step));
      fwrite(line, 1, (size_t)n, out);
    }
    json_decref(object);
  }
  free(line);
  if (damaged) fd_warn("%s: %" PRId64 " lines are damaged and were dropped", path, damaged);
  return status == FD_OK ? fd_check_end(in, bytes, path) : status;
}

fd_status fd_metrics_has(const char *path, const char *kind, int64_t step, int *has) {
  FILE *in;
  uint64_t bytes;
  char *line = NULL;
  size_t room = 0;
  fd_status status = FD_OK;
  *has = fd_is_absent(path);
  if (*has) return FD_OK;
  FD_TRY(fd_open_stream(path, &in, &bytes));
  for (ssize_t n; !*has && (n = getline(&line, &room, in)) > 0 && line[n - 1] == '\n';) {
    json_t *object;
    if ((status = fd_json_try(&object, line, (size_t)n, path)) != FD_OK) break;
    const char *its = json_string_value(json_object_get(object, "kind"));
    *has = its && !strcmp(its, kind) && json_integer_value(json_object_get(object, "step")) == step;
    json_decref(object);
  }
  if (status == FD_OK && !*has) status = fd_check_end(in, bytes, path);
  free(line);
  fclose(in);
  return status;
}

static fd_status cut_back(const char *path, int64_t resume_step, int64_t every) {
  fd_output out = {0};
  covered c = {-1, -1, every};
  FILE *in;
  uint64_t bytes;
  if (fd_is_absent(path)) {
    warn_missing(&c, path, resume_step);
    return FD_OK;
  }
  FD_TRY(fd_open_stream(path, &in, &bytes));
  fd_status status = fd_output_begin(&out, path);
  if (status == FD_OK) status = copy_lines(in, bytes, out.stream, path, resume_step, &c);
  if (status == FD_OK) status = fd_output_commit(&out);
  fd_output_abandon(&out);
  fclose(in);
  if (status == FD_OK) warn_missing(&c, path, resume_step);
  return status;
}

fd_status fd_metrics_open(const char *path, int64_t resume_step, int64_t every, fd_metrics **metrics) {
  int begin = resume_step < 0 ? O_TRUNC : 0;
  *metrics = NULL;
  if (!begin) FD_TRY(cut_back(path, resume_step, every));
  fd_metrics *m;
  FD_TRY(fd_alloc(&m, 1, sizeof *m, "metrics"));
  snprintf(m->path, sizeof m->path, "%s", path);
  m->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | begin, 0666); /* without waiting for a reader */
  fd_status status = m->fd >= 0       ? FD_OK
                     : errno == ENXIO ? fd_fail(FD_DATA, "%s: is a pipe; metrics need a regular file: remove it", path)
                                      : fd_fail_errno("cannot open", path);
  if (status == FD_OK) *metrics = m;
  else free(m);
  return status;
}

/* Writes a line with one write(). If a full disk cuts it off, the partial line is truncated, so that the next line starts clean.
 */
static int append(int fd, const char *line, size_t bytes) {
  struct stat before;
  if (fstat(fd, &before)) return 0;
  ssize_t n = write(fd, line, bytes);
  if (n == (ssize_t)bytes) return 1;
  int code = n < 0 ? errno : ENOSPC;
  if (n > 0 && ftruncate(fd, before.st_size)) code = errno;
  errno = code;
  return 0;
}

void fd_metrics_step(fd_metrics *m, const char *kind, int64_t step, int count, const char *const *names, const double *values) {
  char line[4096];
  if (!m) return;
  int at = snprintf(line, sizeof line, "{\"kind\":\"%s\",\"step\":%" PRId64, kind, step);
  for (int i = 0; i < count && at < (int)sizeof line; i++) {
    size_t room = sizeof line - (size_t)at;
    if (isfinite(values[i])) at += snprintf(line + at, room, ",\"%s\":%.9g", names[i], values[i]);
    else at += snprintf(line + at, room, ",\"%s\":null", names[i]);
  }
  if (at < (int)sizeof line) at += snprintf(line + at, sizeof line - (size_t)at, "}\n");
  errno = EMSGSIZE;
  if (at < (int)sizeof line && append(m->fd, line, (size_t)at)) return;
  if (m->lost++ == 0) fd_warn("%s: cannot write a line of metrics: %s; training goes on without it", m->path, strerror(errno));
}

void fd_metrics_close(fd_metrics **metrics) {
  if (!*metrics) return;
  if ((*metrics)->lost) fd_warn("%s: %" PRId64 " lines of metrics were lost", (*metrics)->path, (*metrics)->lost);
  close((*metrics)->fd);
  free(*metrics);
  *metrics = NULL;
}
