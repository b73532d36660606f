/* Checks by hashes that student, teacher, optimizer state, centre and counters are the same on all ranks, and reports which rank
 * differs. Only gradients are summed over ranks, so a flipped bit in one rank's state would never be corrected. */
#ifndef FD_TRAIN_SYNCHRONY_H
#define FD_TRAIN_SYNCHRONY_H

#include "comm/comm.h"
#include "train/state.h"

/* Compares the states of all ranks. FD_LOST on every rank if one differs; the root rank reports which arrays of which rank, or
 * with two ranks only that they differ. `differs[size]` is set for the ranks outside the largest group of equal states (for all
 * ranks if no group is the largest). Collective. */
fd_status fd_synchrony_check(fd_comm *comm, const fd_state *state, int *differs) FD_MUST_CHECK;

#endif
