/* Statuses, and the one line that reports a failure. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/log.h"

fd_status fd_fail(fd_status status, const char *fmt, ...) {
  va_list args;
  if (status == FD_USAGE && !fd_log_is_root()) return status; /* all ranks have the same command line: one reports it */
  va_start(args, fmt);
  fd_log_write("error", fmt, args);
  va_end(args);
  return status;
}

fd_status fd_fail_errno(const char *doing, const char *path) {
  int code = errno;
  fd_status status = FD_IO;
  if (code == ENOENT || code == ENOTDIR) status = FD_MISSING;
  if (code == EACCES || code == EPERM || code == EROFS) status = FD_PERMISSION;
  if (code == ENOMEM) status = FD_MEMORY;
  if (code == EEXIST) status = FD_BUSY;
  return fd_fail(status, "%s %s: %s", doing, path, strerror(code));
}
