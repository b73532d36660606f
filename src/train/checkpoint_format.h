/* The files of a checkpoint and the text of its MANIFEST; shared by the writer and the loader. */
#ifndef FD_TRAIN_CHECKPOINT_FORMAT_H
#define FD_TRAIN_CHECKPOINT_FORMAT_H

#include "train/checkpoint.h"

enum { FD_CHECKPOINT_FILES_MAX = 512, FD_MANIFEST_MAX = 1 << 20, FD_STEP_NAME = 32 };

/* One file: whole tensors first .. first + count - 1 of an array. */
typedef struct fd_slice {
  char name[64];
  fd_array array;
  int first, count;    /* parameters; the centre has no parameters */
  size_t offset, size; /* floats */
  uint64_t bytes;      /* of the file; known after writing or from the MANIFEST */
  char sha256[FD_SHA256_HEX];
} fd_slice;

/* The slices of a state, in order; the same on every rank and for every number of ranks. Released with free(). */
fd_status fd_checkpoint_plan(const fd_params *params, const size_t size[FD_ARRAYS], fd_slice **slices, int *count) FD_MUST_CHECK;

/* The texts that follow the files of the arrays: always config.yaml, then classes.txt if the classes of a task have names. */
#define FD_CONFIG_TEXT "config.yaml"
#define FD_CLASSES_TEXT "classes.txt"

/* Makes the text of the MANIFEST, including its last line, for `arrays` files of arrays followed by `texts` texts. Sets
 * info->state_id, which does not depend on the texts. *text is released with free(). */
fd_status fd_checkpoint_manifest_text(fd_checkpoint_info *info, const fd_slice *files, int arrays, int texts, char **text,
                                      size_t *bytes) FD_MUST_CHECK;

/* Reads and checks a MANIFEST: its hashes, that it is complete and as fd_checkpoint_manifest_text writes it, and that its numbers
 * are consistent with each other and with the name of its folder. The files listed are returned in files[*count] (name, bytes,
 * sha256), the texts last; there is room for FD_CHECKPOINT_FILES_MAX. */
fd_status fd_checkpoint_manifest_parse(const char *folder, fd_checkpoint_info *info, fd_slice *files, int *count) FD_MUST_CHECK;

/* The number of files of arrays: those before config.yaml. */
int fd_checkpoint_manifest_arrays(const fd_slice *files, int count);

/* Parses the step of a folder name; returns 0 if it is not the name of a checkpoint. */
int fd_checkpoint_step(const char *name, int64_t *step);

/* RUN/ckpt/step_000001000 */
fd_status fd_checkpoint_folder(char out[FD_PATH_MAX], const char *run_folder, int64_t step) FD_MUST_CHECK;

#endif
