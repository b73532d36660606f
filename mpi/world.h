/* Start-up: MPI when a launcher started several processes, else a single process without MPI. */
#ifndef FD_MPI_WORLD_H
#define FD_MPI_WORLD_H

#include "comm/comm.h"

/* Called once, after the signal handlers are installed. With `ranks`, separate processes that srun started without MPI are
 * FD_USAGE: each would run as the whole job. A command of one process may run in any of them. */
fd_status fd_world_start(fd_comm **comm, int *argc, char ***argv, int ranks) FD_MUST_CHECK;

#endif
