/* Ends a job whose ranks wait for one that is gone or makes no progress. A thread of each rank sends a heartbeat with the rank's
 * state to the root rank twice a second, over a separate communicator, and receives the root's as often. When a rank is stopped,
 * dead or disconnected, its heartbeats cease: the root reports it in one line and ends the job. When the root's cease, the others
 * end the job. Heartbeats also pass a stop request of one rank on to all. */
#ifndef FD_MPI_WATCHDOG_H
#define FD_MPI_WATCHDOG_H

#include "comm/comm.h"

typedef struct fd_watchdog fd_watchdog;

/* Starts the thread; needs MPI_THREAD_MULTIPLE. Collective. The limits are read from comm->watch in each round. */
fd_status fd_watchdog_start(fd_watchdog **watchdog, fd_comm *comm) FD_MUST_CHECK;

/* MPI_Abort with an exit code. If that hangs on a broken network, this process ends three seconds later. */
_Noreturn void fd_end_job(int code);

/* Waits until all ranks have announced their leave, and stops the thread. Collective; called before MPI_Finalize. */
void fd_watchdog_stop(fd_watchdog **watchdog);

#endif
