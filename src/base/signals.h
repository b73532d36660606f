/* Signals that request a run to stop at the end of its step. */
#ifndef FD_BASE_SIGNALS_H
#define FD_BASE_SIGNALS_H

/* Installs the handlers: with `catch_stops` TERM, INT, HUP, USR1 and USR2 request a stop (a second INT ends the process at once);
 * INT and HUP stay ignored if they were. PIPE and XFSZ are ignored, so that a closed terminal or a file limit is an ordinary
 * write error. Called before MPI starts. */
void fd_signals_install(int catch_stops);

/* The number of the signal that requested a stop, or 0. A caller that gets a signal must stop (base/guard.h). */
int fd_signals_stop(void);

/* The same for an observer: does not count as a poll; also returns how often fd_signals_stop was called (*looks), and whether it
 * ever returned a signal (*taken). */
int fd_signals_peek(unsigned *looks, int *taken);

/* From now on a signal ends the process with this code at once. For the shutdown, when all work is done: mpirun, once it has seen
 * one rank end with FD_RETRY, would let the others wait until it kills them. */
void fd_signals_end_with(int code);

/* Acts as if the signal had arrived here: it arrived at another rank. */
void fd_signals_ask(int number);

#endif
