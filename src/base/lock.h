/* Exclusive ownership of a folder, or of outputs while they are renamed, by a lock file. */
#ifndef FD_BASE_LOCK_H
#define FD_BASE_LOCK_H

#include "base/error.h"

/* The kind of lock that a file system supports. */
typedef enum fd_lock_kind { FD_LOCK_NONE, FD_LOCK_FCNTL, FD_LOCK_FLOCK } fd_lock_kind;

/* Locks the file `path` exclusively for the lifetime of *fd (close releases the lock). A second owner gets FD_BUSY with the host
 * and process of the first. Without flock (Lustre without -o flock, NFS without a lock daemon) fcntl is used; where the file
 * system has neither, the call succeeds with a warning that the folder is not protected. */
fd_status fd_lock(const char *path, int *fd) FD_MUST_CHECK;

/* Locks the file `path`, as an owner of some outputs does while it renames them: waits for another owner for up to a minute, then
 * FD_BUSY; FD_RETRY when a signal requests a stop. Where the file system has no locks, succeeds without one. */
fd_status fd_lock_wait(const char *path, int *fd) FD_MUST_CHECK;

/* Ends fd_lock_wait and removes the file. */
void fd_lock_end(const char *path, int fd);

/* Finds the kind of lock that an existing folder supports, with a temporary file that is removed. */
fd_status fd_lock_probe(const char *folder, fd_lock_kind *kind) FD_MUST_CHECK;

#endif
