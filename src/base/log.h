/* Lines for people, on standard error: information from the root rank, warnings and errors from any rank. */
#ifndef FD_BASE_LOG_H
#define FD_BASE_LOG_H

#include <stdarg.h>

#include "base/error.h"

/* Sets the stamp of this process, "rank 1 of 4 (n3)" with its host; called once when the world is up. */
void fd_log_set_rank(int rank, int size);
int fd_log_is_root(void);

/* The root rank's information; silent on other ranks. */
void fd_info(const char *fmt, ...) FD_PRINTF(1, 2);

/* Something a user should look at; said by the rank that met it. */
void fd_warn(const char *fmt, ...) FD_PRINTF(1, 2);

/* From now on lines go to `taker`, made printable, in the place of standard error, and progress goes nowhere: for a process that
 * is not ours (library/). `level` is NULL for information. */
typedef void fd_log_taker(const char *level, const char *text);
void fd_log_to(fd_log_taker *taker);

/* One line "findna: LEVEL: ..."; it is made printable (base/printable.h), so that a hostile file name cannot forge lines. */
void fd_log_write(const char *level, const char *fmt, va_list args);

/* A progress line of the root rank: rewritten in place on a terminal, else a line of its own at most every 10 seconds.
 * `final` ends the line. */
void fd_progress(int final, const char *fmt, ...) FD_PRINTF(2, 3);

#endif
