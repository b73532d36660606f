/* The tensors of a published model's folder, by name. */
#ifndef FD_TASKS_HF_TENSORS_H
#define FD_TASKS_HF_TENSORS_H

#include "model/network.h"

/* All parameters from FOLDER/model.safetensors, or from the files that FOLDER/model.safetensors.index.json names. A file may
 * leave out the first part of the names ("bert."). The caller frees *weights. */
fd_status fd_hf_tensors(const char *folder, const fd_params *params, float **weights) FD_MUST_CHECK;

#endif
