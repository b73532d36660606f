/* The one owner of a folder. */
#ifndef FD_BASE_LOCK_H
#define FD_BASE_LOCK_H

#include "base/error.h"

/* What the locks of a file system are made of. */
typedef enum fd_lock_kind { FD_LOCK_NONE, FD_LOCK_FCNTL, FD_LOCK_FLOCK } fd_lock_kind;

/* Takes the exclusive lock file `path` for the life of *fd (close releases it). A second owner gets FD_BUSY with the host and
 * process of the first. Without flock (Lustre without -o flock, NFS without a lock daemon) the lock is fcntl's; where the file
 * system has neither, a warning says what is not protected, and the call succeeds. */
fd_status fd_lock(const char *path, int *fd) FD_MUST_CHECK;

/* Tries with a file of its own in an existing folder, which is removed. */
fd_status fd_lock_probe(const char *folder, fd_lock_kind *kind) FD_MUST_CHECK;

#endif
