/* findna doctor --net: time of the gradient all-reduce over the ranks of this job, next to the compute time of a step. */
#ifndef FD_COMMANDS_DOCTOR_NET_H
#define FD_COMMANDS_DOCTOR_NET_H

#include "comm/comm.h"
#include "config/config.h"

/* Measures, and prints on the root rank. `window`: nucleotides of a window, which determine the model's size. Collective. */
fd_status fd_doctor_net(fd_comm *comm, const fd_config *config, int window) FD_MUST_CHECK;

#endif
