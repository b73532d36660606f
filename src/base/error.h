/* Errors are returned as a status; the function that finds the cause logs it once with fd_fail; only main ends the job. */
#ifndef FD_BASE_ERROR_H
#define FD_BASE_ERROR_H

typedef enum fd_status {
#define STATUS(name, code, meaning) name = code,
#include "base/status.def"
#undef STATUS
} fd_status;

#define FD_MUST_CHECK __attribute__((warn_unused_result))
#define FD_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* Logs one line "findna: error: ..." (stamped with the rank in a job of several) and returns `status`.
 * The message says what is wrong, where (file:line or row), and what would be right. */
fd_status fd_fail(fd_status status, const char *fmt, ...) FD_PRINTF(2, 3);

/* As fd_fail, for a failed system call on `path`: picks the status from errno and adds its text.
 * `doing` is a verb phrase such as "cannot open". */
fd_status fd_fail_errno(const char *doing, const char *path);

/* Passes a failure up to the caller. */
#define FD_TRY(call)                      \
  do {                                    \
    fd_status fd_try_ = (call);           \
    if (fd_try_ != FD_OK) return fd_try_; \
  } while (0)

/* Passes a failure to the label `done` of a function that declares `fd_status status`. */
#define FD_GO(call)                            \
  do {                                         \
    if ((status = (call)) != FD_OK) goto done; \
  } while (0)

#endif
