/* Log lines on standard error: information from the root rank, warnings and errors from any rank. */
#ifndef FD_BASE_LOG_H
#define FD_BASE_LOG_H

#include <stdarg.h>

#include "base/error.h"

/* Sets the prefix of this process's lines, such as "rank 1 of 4 (n3)" with the hostname; called once, after MPI has started. */
void fd_log_set_rank(int rank, int size);
int fd_log_is_root(void);

/* Information; only the root rank prints it. */
void fd_info(const char *fmt, ...) FD_PRINTF(1, 2);

/* A warning; printed by the rank that detects it. */
void fd_warn(const char *fmt, ...) FD_PRINTF(1, 2);

/* From now on printable lines go to `taker` instead of standard error, and progress lines are dropped: for use within another
 * program's process (library/). `level` is NULL for information. */
typedef void fd_log_taker(const char *level, const char *text);
void fd_log_to(fd_log_taker *taker);

/* Writes one line "findna: LEVEL: ...", made printable (base/printable.h), so that a hostile file name cannot forge lines. */
void fd_log_write(const char *level, const char *fmt, va_list args);

/* A progress line of the root rank: rewritten in place on a terminal, otherwise a separate line at most every 10 seconds. `final`
 * ends the line. */
void fd_progress(int final, const char *fmt, ...) FD_PRINTF(2, 3);

#endif
