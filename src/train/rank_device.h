/* The device of a rank, and the link between the devices of the ranks. */
#ifndef FD_TRAIN_RANK_DEVICE_H
#define FD_TRAIN_RANK_DEVICE_H

#include "comm/comm.h"
#include "device/link.h"

/* Opens this rank's device: its share of the machine's cores, or a GPU of its own. Two ranks with the same GPU, even under
 * different numbers, are refused unless comm.share_gpu is set. Collective. */
fd_status fd_rank_device_open(fd_device **dev, const fd_config *config, fd_comm *comm) FD_MUST_CHECK;

/* Opens the link that carries gradients between ranks; NULL with one rank. Collective. */
fd_status fd_rank_link_open(fd_link **link, const fd_config *config, fd_comm *comm, fd_device *dev) FD_MUST_CHECK;

#endif
