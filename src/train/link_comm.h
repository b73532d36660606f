/* A link that does everything at once over a communicator: for those that have none of their own. */
#ifndef FD_TRAIN_LINK_COMM_H
#define FD_TRAIN_LINK_COMM_H

#include "comm/comm.h"
#include "device/link.h"

/* Both borrowed. */
fd_status fd_link_comm_open(fd_link **link, fd_comm *comm, fd_device *dev) FD_MUST_CHECK;

#endif
