/* Ends a job whose ranks wait for one that is gone, or that spins. Each rank has a thread that tells the root rank twice a second
 * what the rank is doing, over a communicator of its own, and hears from the root as often. A rank that is stopped, dead or cut
 * off falls silent; the root then says which one in one line, and ends the job. When the root falls silent, the others do. The
 * same beats tell all ranks of a request to stop that came to one. */
#ifndef FD_MPI_WATCHDOG_H
#define FD_MPI_WATCHDOG_H

#include "comm/comm.h"

typedef struct fd_watchdog fd_watchdog;

/* Starts the thread; needs MPI_THREAD_MULTIPLE. Collective. The limits are those of comm->watch, at any time. */
fd_status fd_watchdog_start(fd_watchdog **watchdog, fd_comm *comm) FD_MUST_CHECK;

/* MPI_Abort with an exit code. It may hang on a broken network: then at least this process ends, three seconds later. */
_Noreturn void fd_end_job(int code);

/* Takes leave of the other watchdogs and stops the thread. Collective; before MPI_Finalize. */
void fd_watchdog_stop(fd_watchdog **watchdog);

#endif
