/* The folder of a run: its lock, its content, and the files that describe the run. */
#ifndef FD_TRAIN_RUN_FOLDER_H
#define FD_TRAIN_RUN_FOLDER_H

#include "train/checkpoint.h"

/* The number of checkpoints in a run folder, valid or not. Collective: the root rank reads the folder. */
fd_status fd_run_folder_count(fd_comm *comm, const char *folder, int *checkpoints) FD_MUST_CHECK;

/* Creates the folder and takes its lock (root rank; *lock is a file descriptor that the caller closes at the end, -1 on other
 * ranks). With `restart`, or without checkpoints, the content is moved aside, never deleted. Collective. */
fd_status fd_run_folder_take(fd_comm *comm, const char *folder, int restart, int *lock) FD_MUST_CHECK;

/* What describes a run besides its config and machine. */
typedef struct fd_run_size {
  int64_t train, held_out, steps;     /* windows or rows */
  const char *init_from, *init_state; /* the checkpoint whose weights the run began with, and its state_id; NULL: none */
  const char *teacher;                /* the checkpoint of a frozen teacher, or NULL */
} fd_run_size;

/* Root rank: writes config.used.yaml, environment.json and, for a run that began with other checkpoints, origin.json, which
 * resumed runs keep. */
fd_status fd_run_folder_describe(const fd_run *run, const fd_device *dev, const fd_run_size *size) FD_MUST_CHECK;

/* Opens RUN/windows/start-0003-rank-1: the windows of this rank since the third start. Collective; closed by the caller. */
fd_status fd_run_folder_window_log(const fd_run *run, FILE **log) FD_MUST_CHECK;

#endif
