/* Student, teacher, optimizer, centre and counters are the same on all ranks: shown by hashes, and who differs if not. Only
 * gradients are summed, so a flipped bit in one rank's state would never heal by itself. */
#ifndef FD_TRAIN_SYNCHRONY_H
#define FD_TRAIN_SYNCHRONY_H

#include "comm/comm.h"
#include "train/state.h"

/* Compares the states of all ranks. FD_LOST on every rank when one differs, said by the root: which array of which rank, or with
 * two ranks that they differ. `differs[size]` is set for the ranks outside the largest group of equal ones (all of them when no
 * group is the largest). Collective. */
fd_status fd_synchrony_check(fd_comm *comm, const fd_state *state, int *differs) FD_MUST_CHECK;

#endif
