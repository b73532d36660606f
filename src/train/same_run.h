/* Comparisons between the ranks before a run starts. */
#ifndef FD_TRAIN_SAME_RUN_H
#define FD_TRAIN_SAME_RUN_H

#include "train/checkpoint.h"

/* FD_CONFIG on all ranks unless all have the same options and the same data. Collective. */
fd_status fd_same_run(const fd_run *run) FD_MUST_CHECK;

/* FD_CONFIG on all ranks unless the root rank's lock in the run folder is visible on all of them, as each rank writes its part of
 * a checkpoint there. Collective; after the root rank has taken the lock. */
fd_status fd_same_run_folder(fd_comm *comm, const char *folder) FD_MUST_CHECK;

#endif
