/* Checkpoints: a folder a step, committed by one rename, verified at load, written behind the training.
 *
 * RUN/ckpt/step_000001000 has student-00.safetensors, teacher-00... or best-00... where the run has them, adam_m-00...,
 * adam_v-00..., centre.safetensors, config.yaml, of a task whose classes have names classes.txt (class_names.h), and MANIFEST.
 * RUN/ckpt/.tmp-... is unfinished: never read, and removed at the next start.
 *
 * An array is cut into files of whole tensors, independent of the number of ranks; file i is written by rank i mod size. MANIFEST
 * holds text lines "key value", the bytes and SHA-256 of every file, and last the SHA-256 of all lines before. `state_id` is the
 * SHA-256 over the files' hashes and the counters: two runs are equal if and only if it is. A state before its first update may
 * have no adam_m and adam_v (size 0; an imported model): its checkpoint has no such files, and they are zero when it is loaded.
 */
#ifndef FD_TRAIN_CHECKPOINT_H
#define FD_TRAIN_CHECKPOINT_H

#include "base/file.h"
#include "base/hash.h"
#include "comm/comm.h"
#include "data/class_names.h"
#include "train/state.h"

/* What a MANIFEST says. */
typedef struct fd_checkpoint_info {
  char folder[FD_PATH_MAX];
  int64_t step, updates, skipped, bad_in_row, best_step;
  double best_score;
  uint64_t draws;
  int window, virtual_ranks;
  char reduction[16], state_id[FD_SHA256_HEX], config_hash[FD_SHA256_HEX], dataset_id[FD_SHA256_HEX], version[64];
  char teacher[FD_SHA256_HEX]; /* of a teacher that the run does not train; "": it has none */
  char kernels[128];           /* fd_device.kernels; empty: of an older version */
} fd_checkpoint_info;

/* What does not change during a run. All borrowed. */
typedef struct fd_run {
  const char *folder; /* of the run */
  const fd_config *config;
  const fd_network *network;
  fd_comm *comm;
  int window;
  const char *dataset_id;
  double started;                /* fd_seconds at the start of the process, for run.minutes */
  const char *teacher;           /* SHA-256 of a teacher that the run does not train: its weights or stored logits; NULL: none */
  const fd_class_names *classes; /* of its task, with the hash task.classes; NULL: none */
} fd_run;

typedef struct fd_checkpointer fd_checkpointer;

/* Prepares writing: removes unfinished folders (root) and allocates the snapshot. */
fd_status fd_checkpointer_create(fd_checkpointer **checkpointer, const fd_run *run, const fd_state *state) FD_MUST_CHECK;
void fd_checkpointer_destroy(fd_checkpointer **checkpointer);

/* Starts writing the state behind the training: returns after the snapshot is taken. FD_NUMERIC, and nothing is written, when the
 * state is not finite. Collective. */
fd_status fd_checkpointer_begin(fd_checkpointer *checkpointer, const fd_state *state) FD_MUST_CHECK;

/* Whether one is being written, and whether this rank's part of it is done. */
int fd_checkpointer_busy(const fd_checkpointer *checkpointer);
int fd_checkpointer_ready(const fd_checkpointer *checkpointer);

/* Seconds that training waits for one that is being written: checkpoint.limit, or INFINITY for its 0. */
double fd_checkpoint_patience(const fd_config *config);

/* Whether the last wait for the one that is being written was in vain. */
int fd_checkpointer_late(const fd_checkpointer *checkpointer);

/* Waits until all ranks' parts are done, at most `seconds`. *ready: whether they are. Collective. */
fd_status fd_checkpointer_wait(fd_checkpointer *checkpointer, double seconds, int *ready) FD_MUST_CHECK;

/* Waits for this rank's part and commits. Collective. *durable is set when the checkpoint is on disk. A failure to write (disk
 * full) is a warning, *durable stays 0 and older checkpoints stay; the status is only about the communication. `state_id` may be
 * NULL. */
fd_status fd_checkpointer_finish(fd_checkpointer *checkpointer, int *durable, char state_id[FD_SHA256_HEX]) FD_MUST_CHECK;

/* The status of the last failed write, FD_OK if none failed since the last durable one; how many failed in a row. */
fd_status fd_checkpointer_failure(const fd_checkpointer *checkpointer, int *in_a_row);

/* Loads the newest valid checkpoint of the run into `state`, falling back to older ones with a warning that names both.
 * Collective. *found is 0 when the run has no checkpoint at all; none valid is FD_DATA; one of another dataset, of other classes
 * or with other frozen keys is refused with the difference, one with values that are not finite is FD_NUMERIC: it is not damaged,
 * and going on from an older one would lead to the same place. One of other kernels goes on with a warning; with bf16 operands on
 * a CPU, where a family is another result, only when device.simd names the kernels. */
fd_status fd_checkpoint_resume(const fd_run *run, fd_state *state, fd_checkpoint_info *info, int *found) FD_MUST_CHECK;

/* Reads and verifies the MANIFEST of a checkpoint folder; with `files`, every file's size and hash too, and that the values of
 * its arrays are finite (else FD_NUMERIC). */
fd_status fd_checkpoint_verify(const char *folder, int files, fd_checkpoint_info *info) FD_MUST_CHECK;

/* The steps of a run folder's checkpoints, newest first; released with free(). */
fd_status fd_checkpoint_list(const char *run_folder, int64_t **steps, int *count) FD_MUST_CHECK;

/* The networks of a checkpoint for use: their parameters in host memory, in the network's layout. */
typedef struct fd_weights {
  fd_network *network;
  float *of[FD_ARRAYS];   /* student, and teacher and best where it has them */
  fd_class_names classes; /* of its task */
} fd_weights;
void fd_weights_free(fd_weights *weights);

/* The config, MANIFEST, weights and names of classes of a checkpoint folder, or of the newest one of a run folder that has them
 * whole; info->folder is the one taken. Names that an older version has in its config are in none here: config->task.names is
 * empty, and task.classes their hash. FD_NUMERIC when a weight is not finite. Collective: the root reads. */
fd_status fd_checkpoint_open_weights(fd_comm *comm, const char *path, fd_config *config, fd_checkpoint_info *info,
                                     fd_weights *weights) FD_MUST_CHECK;

#endif
