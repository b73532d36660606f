/* findna doctor --net: how fast the ranks of this job can add gradients, and what a model needs. */
#ifndef FD_COMMANDS_DOCTOR_NET_H
#define FD_COMMANDS_DOCTOR_NET_H

#include "comm/comm.h"
#include "config/config.h"

/* Measures and prints (root). `window`: nucleotides, for the model's size. Collective. */
fd_status fd_doctor_net(fd_comm *comm, const fd_config *config, int window) FD_MUST_CHECK;

#endif
