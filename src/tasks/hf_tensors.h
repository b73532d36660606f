/* Lists, reads and copies the tensors of a published model's folder. */
#ifndef FD_TASKS_HF_TENSORS_H
#define FD_TASKS_HF_TENSORS_H

#include <jansson.h>

#include "model/network.h"
#include "output/safetensors.h"

enum { FD_HF_FILES_MAX = 1000 };

/* The tensors, without their data, of FOLDER/model.safetensors or of the files named in FOLDER/model.safetensors.index.json. */
typedef struct fd_hf_tensors {
  const char *folder; /* borrowed */
  json_t *index;      /* owns the file names; NULL without an index */
  int files;
  const char *name[FD_HF_FILES_MAX];
  fd_safetensors file[FD_HF_FILES_MAX];
} fd_hf_tensors;

/* FD_DATA if the file is a pointer that Git LFS has left in its place: in a clone without git-lfs, large files are pointers. */
fd_status fd_hf_check_file(const char *path) FD_MUST_CHECK;

/* Lists the tensors; the caller frees the list, after failures too. FD_DATA: a file is damaged, or two files have a tensor of the
 * same name. */
fd_status fd_hf_tensors_list(fd_hf_tensors *tensors, const char *folder) FD_MUST_CHECK;
void fd_hf_tensors_free(fd_hf_tensors *tensors);

/* The tensor of this name, or NULL; the number of tensors whose names begin with `prefix`. */
const fd_tensor *fd_hf_tensors_find(const fd_hf_tensors *tensors, const char *name);
int fd_hf_tensors_count(const fd_hf_tensors *tensors, const char *prefix);

/* Writes a file with the named tensors, unchanged. */
fd_status fd_hf_tensors_copy(const fd_hf_tensors *tensors, const json_t *names, const char *path) FD_MUST_CHECK;

/* Reads all parameters. The caller frees *weights. `types`, an empty object, receives the type of each tensor that was read;
 * `skipped`, an empty list, the names of tensors known to be unused. FD_DATA: a parameter is missing, a tensor is unknown or has
 * a wrong shape or type, or two tensors of the same parameter differ; FD_NUMERIC: a value is not finite. */
fd_status fd_hf_tensors_read(const fd_hf_tensors *tensors, const fd_config *config, const fd_params *params, float **weights,
                             json_t **types, json_t **skipped) FD_MUST_CHECK;

#endif
