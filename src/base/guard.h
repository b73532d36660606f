/* A thread that ends the process when nothing else does: when a stop request is not answered, when the launcher is gone, or when
 * the shutdown hangs. It depends on no other thread, as those may be stuck in a library. */
#ifndef FD_BASE_GUARD_H
#define FD_BASE_GUARD_H

#include "base/error.h"

/* Starts the thread. Called once, after fd_signals_install and before MPI starts. */
fd_status fd_guard_start(void) FD_MUST_CHECK;

/* Sets the function that ends the whole job when a limit expires, for a process that is one of several. NULL, and the default:
 * only this process ends, with _exit. */
void fd_guard_end_with(void (*end)(int code));

/* FD_RETRY when a signal requested a stop and no step is held, else FD_OK. Every loop over data that may be long polls this
 * several times a second: a process that has not polled within a second of the signal is ended with FD_RETRY. Polls are also the
 * watchdog's sign of progress: only loops that are sure to end may poll. */
fd_status fd_guard_go_on(void) FD_MUST_CHECK;

/* Between hold and release a stop request is left to the caller, which polls fd_signals_stop(): a training step is finished and
 * its checkpoint written. */
void fd_guard_hold(void);
void fd_guard_release(void);

/* From now on this process ends with FD_LOST when its launcher is gone: the nearest ancestor without `sign`, an environment
 * variable that a launcher sets for its ranks only (wrappers such as bash -c inherit it). */
void fd_guard_watch_launcher(const char *sign);

/* Ends the process, or its job, with `code` and the message `why` unless it ends by itself within these seconds (0: no limit). A
 * later call replaces an earlier one. */
void fd_guard_limit(double seconds, int code, const char *why);

#endif
