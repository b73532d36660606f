/* Start-up of the world: MPI when a launcher started several processes, else a single process without MPI. */
#ifndef FD_MPI_WORLD_H
#define FD_MPI_WORLD_H

#include "comm/comm.h"

/* Call once, after the signal handlers are installed. With `ranks`, processes that srun started side by side without MPI are
 * FD_USAGE: each would take itself for the whole job. A command of one process runs in any of them. */
fd_status fd_world_start(fd_comm **comm, int *argc, char ***argv, int ranks) FD_MUST_CHECK;

#endif
