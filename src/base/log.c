/* Log and progress lines on standard error. */
#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/printable.h"

enum { LINE_MAX_BYTES = 4096 };

/* Mutable globals, so that any file can log without an argument for it: this rank, the receiver of the lines, whether a progress
 * line is open, and when the last one was written. Atomic, as any thread may log: the guard, the watchdog and the checkpoint
 * writer do. The host is written before log_size, and read only after it is above 1. */
static atomic_int log_rank, log_size = 1;
static char log_host[64];
static atomic_int progress_open;
static _Atomic double progress_time = -1e9;
static fd_log_taker *_Atomic log_taker;

void fd_log_set_rank(int rank, int size) {
  gethostname(log_host, sizeof log_host - 1);
  log_rank = rank;
  log_size = size;
}

void fd_log_to(fd_log_taker *taker) { atomic_store(&log_taker, taker); }

int fd_log_is_root(void) { return log_rank == 0; }

static void write_line(const char *line) {
  /* One write per line keeps lines of several ranks from mixing; a closed stderr must not stop the training. */
  ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
  (void)ignored;
}

static void close_progress(void) {
  if (atomic_exchange(&progress_open, 0)) write_line("\n");
}

void fd_log_write(const char *level, const char *fmt, va_list args) {
  char raw[LINE_MAX_BYTES], text[FD_PRINTABLE_GROWTH * LINE_MAX_BYTES], line[sizeof text + 128];
  vsnprintf(raw, sizeof raw, fmt, args);
  fd_printable(text, sizeof text, raw);
  fd_log_taker *taker = atomic_load(&log_taker);
  if (taker) {
    taker(level, text);
    return;
  }
  const char *mark = level ? level : "", *colon = level ? ": " : "";
  if (log_size > 1 && level)
    snprintf(line, sizeof line, "findna: rank %d of %d (%s): %s%s%s\n", log_rank, log_size, log_host, mark, colon, text);
  else snprintf(line, sizeof line, "findna: %s%s%s\n", mark, colon, text);
  close_progress();
  write_line(line);
}

void fd_info(const char *fmt, ...) {
  if (log_rank) return;
  va_list args;
  va_start(args, fmt);
  fd_log_write(NULL, fmt, args);
  va_end(args);
}

void fd_warn(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fd_log_write("warning", fmt, args);
  va_end(args);
}

void fd_progress(int final, const char *fmt, ...) {
  if (log_rank || atomic_load(&log_taker)) return;
  int terminal = isatty(STDERR_FILENO);
  double now = fd_seconds();
  if (!final && now - progress_time < (terminal ? 0.1 : 10.0)) return;
  progress_time = now;
  char raw[LINE_MAX_BYTES], text[FD_PRINTABLE_GROWTH * LINE_MAX_BYTES], line[sizeof text + 16];
  va_list args;
  va_start(args, fmt);
  vsnprintf(raw, sizeof raw, fmt, args);
  va_end(args);
  fd_printable(text, sizeof text, raw);
  snprintf(line, sizeof line, terminal ? "\r\033[K%s%s" : "%s%s", text, terminal && !final ? "" : "\n");
  write_line(line);
  progress_open = terminal && !final;
}
