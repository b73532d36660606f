/* Start-up of the world: MPI when a launcher started several processes, else a single process without MPI. */
#ifndef FD_MPI_WORLD_H
#define FD_MPI_WORLD_H

#include "comm/comm.h"

/* Call once, after the signal handlers are installed. */
fd_status fd_world_start(fd_comm **comm, int *argc, char ***argv) FD_MUST_CHECK;

#endif
