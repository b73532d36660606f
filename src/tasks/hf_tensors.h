/* The tensors of a published model's folder, by name. */
#ifndef FD_TASKS_HF_TENSORS_H
#define FD_TASKS_HF_TENSORS_H

#include <jansson.h>

#include "model/network.h"
#include "output/safetensors.h"

enum { FD_HF_FILES_MAX = 1000 };

/* What FOLDER/model.safetensors, or the files that FOLDER/model.safetensors.index.json names, have; without their data. */
typedef struct fd_hf_tensors {
  const char *folder; /* borrowed */
  json_t *index;      /* owns the names; NULL without an index */
  int files;
  const char *name[FD_HF_FILES_MAX];
  fd_safetensors file[FD_HF_FILES_MAX];
} fd_hf_tensors;

/* The caller frees it, after a failure too. FD_DATA: a file is damaged, or a name is in two of them. */
fd_status fd_hf_tensors_list(fd_hf_tensors *tensors, const char *folder) FD_MUST_CHECK;
void fd_hf_tensors_free(fd_hf_tensors *tensors);

/* The tensor of that name, or NULL; the number of those whose names begin so. */
const fd_tensor *fd_hf_tensors_find(const fd_hf_tensors *tensors, const char *name);
int fd_hf_tensors_count(const fd_hf_tensors *tensors, const char *prefix);

/* Writes a file with some of them as they are. */
fd_status fd_hf_tensors_copy(const fd_hf_tensors *tensors, const json_t *names, const char *path) FD_MUST_CHECK;

/* Reads all parameters. The caller frees *weights; `types`, an empty object, gets the type of each tensor that was taken, and
 * `skipped`, an empty list, the names of those that are known not to be used. FD_DATA: a parameter is missing, a tensor is
 * unknown, of another shape or type, or two that are one parameter differ; FD_NUMERIC: a value is not finite. */
fd_status fd_hf_tensors_read(const fd_hf_tensors *tensors, const fd_config *config, const fd_params *params, float **weights,
                             json_t **types, json_t **skipped) FD_MUST_CHECK;

#endif
