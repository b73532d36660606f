/* The asynchronous link over MPI: messages are in transit while the device computes. */
#ifndef FD_MPI_LINK_H
#define FD_MPI_LINK_H

#include "comm/comm.h"
#include "device/link.h"

/* Creates the communicator of all links. Collective and blocking; called at the start of MPI, whose time is limited. */
fd_status fd_link_mpi_start(void) FD_MUST_CHECK;

/* Does not wait for other ranks. comm and dev are borrowed. FINDNA_LINK_DELAY=MS delays every message by a random time of at most
 * MS milliseconds, and FINDNA_LINK_FAULT=RANK:N makes that rank's N-th message fail or, with RANK:N:lost, never arrive: for
 * tests. */
fd_status fd_link_mpi_open(fd_link **link, fd_comm *comm, fd_device *dev) FD_MUST_CHECK;

#endif
