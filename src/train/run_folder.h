/* The folder of a run: whose it is, what is in it, and the files that describe the run. */
#ifndef FD_TRAIN_RUN_FOLDER_H
#define FD_TRAIN_RUN_FOLDER_H

#include "train/checkpoint.h"

/* How many checkpoints a run folder has, valid or not. Collective: the root looks. */
fd_status fd_run_folder_count(fd_comm *comm, const char *folder, int *checkpoints) FD_MUST_CHECK;

/* Makes the folder and takes its lock (root; *lock is closed at the end, -1 elsewhere). With `restart`, or when there is no
 * checkpoint, what it holds is moved aside, never deleted. Collective. */
fd_status fd_run_folder_take(fd_comm *comm, const char *folder, int restart, int *lock) FD_MUST_CHECK;

/* What environment.json tells beside the machine. */
typedef struct fd_run_size {
  int64_t train, held_out, steps; /* windows or rows */
} fd_run_size;

/* Root: config.used.yaml and environment.json. */
fd_status fd_run_folder_describe(const fd_run *run, const fd_device *dev, const fd_run_size *size) FD_MUST_CHECK;

/* Opens RUN/windows/start-0003-rank-1: this rank's windows since the third start. Collective; closed by the caller. */
fd_status fd_run_folder_window_log(const fd_run *run, FILE **log) FD_MUST_CHECK;

#endif
