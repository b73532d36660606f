/* The link over MPI, without waiting: messages travel while the device computes. */
#ifndef FD_MPI_LINK_H
#define FD_MPI_LINK_H

#include "comm/comm.h"
#include "device/link.h"

/* Both borrowed. FINDNA_LINK_DELAY=MS holds every message back by a random time of up to that, and FINDNA_LINK_FAULT=RANK:N makes
 * that rank's N-th message fail or, with RANK:N:lost, never arrive: for tests. */
fd_status fd_link_mpi_open(fd_link **link, fd_comm *comm, fd_device *dev) FD_MUST_CHECK;

#endif
