/* Signals that ask a run to stop at the end of its step. */
#ifndef FD_BASE_SIGNALS_H
#define FD_BASE_SIGNALS_H

/* Installs the handlers: TERM, INT, HUP, USR1 and USR2 ask to stop (a second INT ends at once), when asked for; INT and HUP stay
 * ignored where they were. PIPE and XFSZ are ignored, so that a closed terminal or a file limit is an ordinary write error.
 * Called before MPI starts. */
void fd_signals_install(int catch_stops);

/* The number of the signal that asked to stop, or 0. */
int fd_signals_stop(void);

#endif
