/* A thread that ends the process where nothing else does: when a request to stop is not heard, when the launcher is gone, when
 * the end itself hangs. It needs nobody's help: what it watches may be stuck in a library. */
#ifndef FD_BASE_GUARD_H
#define FD_BASE_GUARD_H

#include "base/error.h"

/* Starts the thread. Called once, after fd_signals_install and before MPI starts. */
fd_status fd_guard_start(void) FD_MUST_CHECK;

/* How a process that is one of several ends at a limit: the job with it. Until then and on NULL: with _exit. */
void fd_guard_end_with(void (*end)(int code));

/* FD_RETRY when a signal asked to stop and no step is held, else FD_OK. Every loop over data that may be long asks this several
 * times a second: a process that has not asked within a second of the signal ends where it is, with FD_RETRY. Asking is also the
 * sign of progress that the watchdog looks for: only loops that are sure to end may ask. */
fd_status fd_guard_go_on(void) FD_MUST_CHECK;

/* Between hold and release a stop waits for the caller, who looks at fd_signals_stop() himself: a step of a training is finished,
 * and its checkpoint written. */
void fd_guard_hold(void);
void fd_guard_release(void);

/* From now on, the process that launched this one must live: the nearest ancestor without `sign`, an environment variable that a
 * launcher gives to its ranks alone (wrappers such as bash -c inherit it). When it is gone, this process ends with FD_LOST. */
void fd_guard_watch_launcher(const char *sign);

/* The process, or its job, ends with `code` unless it does so by itself within these seconds; `why` is said. A later call
 * replaces an earlier one. */
void fd_guard_limit(double seconds, int code, const char *why);

#endif
