/* Signals that ask a run to stop at the end of its step. */
#ifndef FD_BASE_SIGNALS_H
#define FD_BASE_SIGNALS_H

/* Installs the handlers: TERM, INT, HUP, USR1 and USR2 ask to stop (a second INT ends at once), when asked for; INT and HUP stay
 * ignored where they were. PIPE and XFSZ are ignored, so that a closed terminal or a file limit is an ordinary write error.
 * Called before MPI starts. */
void fd_signals_install(int catch_stops);

/* The number of the signal that asked to stop, or 0. Who is told of one obeys it (base/guard.h). */
int fd_signals_stop(void);

/* The same from outside: also how often fd_signals_stop was asked, and whether it ever told of a signal. */
int fd_signals_peek(unsigned *asked, int *told);

/* From now on a signal ends the process with this code at once: all is done but the end itself, in which mpirun, when it has seen
 * one rank end with FD_RETRY, would let the others wait until it kills them. */
void fd_signals_end_with(int code);

/* As if the signal had come: it came to another rank. */
void fd_signals_ask(int number);

#endif
