/* Checkpoints: one folder per saved step, committed with an atomic rename, verified on loading, written in the background of the
 * training.
 *
 * RUN/ckpt/step_000001000 contains student-00.safetensors, teacher-00... or best-00... if the run has them, adam_m-00...,
 * adam_v-00..., centre.safetensors, config.yaml, classes.txt for a task with class names (class_names.h), and MANIFEST.
 * RUN/ckpt/.tmp-... is unfinished: never read, and removed at the next start.
 *
 * An array is cut into files of whole tensors, independent of the number of ranks; file i is written by rank i mod size. MANIFEST
 * has text lines "key value", the bytes and SHA-256 of every file, and as its last line the SHA-256 of all lines before.
 * `state_id` is the SHA-256 of the files' hashes and the counters: two runs are equal if and only if their state_ids are. A state
 * before its first update may lack adam_m and adam_v (size 0; an imported model): its checkpoint has no such files, and they are
 * zero after loading. */
#ifndef FD_TRAIN_CHECKPOINT_H
#define FD_TRAIN_CHECKPOINT_H

#include "base/file.h"
#include "base/hash.h"
#include "comm/comm.h"
#include "data/class_names.h"
#include "train/state.h"

/* The content of a MANIFEST. */
typedef struct fd_checkpoint_info {
  char folder[FD_PATH_MAX];
  int64_t step, updates, skipped, bad_in_row, best_step;
  double best_score;
  uint64_t draws;
  int window, virtual_ranks;
  char reduction[16], state_id[FD_SHA256_HEX], config_hash[FD_SHA256_HEX], dataset_id[FD_SHA256_HEX], version[64];
  char teacher[FD_SHA256_HEX]; /* of a frozen teacher; "": none */
  char kernels[128];           /* fd_device.kernels; "": written by an older version */
} fd_checkpoint_info;

/* The constants of a run. All borrowed. */
typedef struct fd_run {
  const char *folder; /* of the run */
  const fd_config *config;
  const fd_network *network;
  fd_comm *comm;
  int window;
  const char *dataset_id;
  double started;                /* fd_seconds at the start of the process, for run.minutes */
  const char *teacher;           /* SHA-256 of a frozen teacher (fd_pretrained_identity), or of stored logits; NULL: none */
  const fd_class_names *classes; /* of the task, with the hash task.classes; NULL: none */
  const char *teacher_tensors;   /* what checkpoints of earlier builds have in place of `teacher`; NULL or "": none */
} fd_run;

typedef struct fd_checkpointer fd_checkpointer;

/* Prepares writing: removes unfinished folders (root rank) and allocates the snapshot. */
fd_status fd_checkpointer_create(fd_checkpointer **checkpointer, const fd_run *run, const fd_state *state) FD_MUST_CHECK;
void fd_checkpointer_destroy(fd_checkpointer **checkpointer);

/* Before the first step: whether each rank can write a file among those of the checkpoint of the last step, with the longest path
 * that a checkpoint of the run will have. Leaves nothing there. Collective. */
fd_status fd_checkpointer_try(fd_checkpointer *checkpointer, int64_t last_step) FD_MUST_CHECK;

/* Starts writing the state in the background: returns once the snapshot is taken. FD_NUMERIC, with nothing written, if the state
 * is not finite. Collective. */
fd_status fd_checkpointer_begin(fd_checkpointer *checkpointer, const fd_state *state) FD_MUST_CHECK;

/* Whether a checkpoint is being written, and whether this rank's part of it is done. */
int fd_checkpointer_busy(const fd_checkpointer *checkpointer);
int fd_checkpointer_ready(const fd_checkpointer *checkpointer);

/* Seconds that the training waits for a checkpoint being written: checkpoint.limit, or INFINITY if that is 0. */
double fd_checkpoint_patience(const fd_config *config);

/* Whether the last wait for the checkpoint being written timed out. */
int fd_checkpointer_late(const fd_checkpointer *checkpointer);

/* Waits until all ranks' parts are done, at most `seconds`. *ready: whether all are done. Collective. */
fd_status fd_checkpointer_wait(fd_checkpointer *checkpointer, double seconds, int *ready) FD_MUST_CHECK;

/* Waits for this rank's part and commits. Collective. *durable is set if the checkpoint is on disk. A failure to write (disk
 * full) is a warning: *durable is 0 and older checkpoints are kept; the returned status is only that of the communication.
 * `state_id` may be NULL. */
fd_status fd_checkpointer_finish(fd_checkpointer *checkpointer, int *durable, char state_id[FD_SHA256_HEX]) FD_MUST_CHECK;

/* The status of the last failed write, FD_OK if none failed since the last durable checkpoint; the number of consecutive
 * failures. */
fd_status fd_checkpointer_failure(const fd_checkpointer *checkpointer, int *in_a_row);

/* Loads the newest valid checkpoint of the run into `state`, falling back to older ones with a warning that names both.
 * Collective. *found is 0 if the run has no checkpoint at all; FD_DATA if none is valid. A checkpoint of another dataset, of
 * other classes or with other frozen keys is refused, and the difference is reported. One with values that are not finite is
 * FD_NUMERIC: it is not damaged, and resuming from an older one would diverge again. One written with other kernels is resumed
 * with a warning; with bf16 operands on a CPU, where kernel families differ in their results, only if device.simd names the
 * kernels. */
fd_status fd_checkpoint_resume(const fd_run *run, fd_state *state, fd_checkpoint_info *info, int *found) FD_MUST_CHECK;

/* Reads and verifies the MANIFEST of a checkpoint folder; with `files`, also the size and hash of every file, and that the values
 * of the arrays are finite (else FD_NUMERIC). */
fd_status fd_checkpoint_verify(const char *folder, int files, fd_checkpoint_info *info) FD_MUST_CHECK;

/* Lists the steps of a run folder's checkpoints, newest first; *steps is released with free(). */
fd_status fd_checkpoint_list(const char *run_folder, int64_t **steps, int *count) FD_MUST_CHECK;

/* The networks of a checkpoint for inference: their parameters in host memory, in the network's layout. */
typedef struct fd_weights {
  fd_network *network;
  float *of[FD_ARRAYS];   /* student; teacher and best if the checkpoint has them, else NULL */
  fd_class_names classes; /* of the task */
} fd_weights;
void fd_weights_free(fd_weights *weights);

/* Reads the config, MANIFEST, weights and class names of a checkpoint folder, or of the newest intact checkpoint of a run folder;
 * info->folder is the folder used. Class names that an older version stored in the config are moved: config->task.names is empty,
 * and task.classes is their hash. FD_NUMERIC if a weight is not finite. Collective: the root rank reads. */
fd_status fd_checkpoint_open_weights(fd_comm *comm, const char *path, fd_config *config, fd_checkpoint_info *info,
                                     fd_weights *weights) FD_MUST_CHECK;

#endif
