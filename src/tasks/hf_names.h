/* Maps published names of tensors to parameters and back. */
#ifndef FD_TASKS_HF_NAMES_H
#define FD_TASKS_HF_NAMES_H

#include "model/network.h"

/* Most parameters have their published names. The exceptions: a file may omit the prefix ("bert."); a tied decoder may be stored
 * in addition to the embedding table; the bias of BERT's decoder has two names; the vectors of normalizations may be called gamma
 * and beta; and the two layers of a published classifier are those of the task's head. */

/* Whether the model is an ESM to transformers: a Nucleotide Transformer. */
int fd_hf_is_esm(const fd_config *config);

/* Whether the task's head has the form of a published classifier: it reads the first token, has as many hidden units as channels,
 * and tanh. */
int fd_hf_is_classifier(const fd_config *config);

/* The parameter with this published name; NULL: the model has no such parameter. */
const fd_param *fd_hf_param(const fd_params *params, const fd_config *config, const char *name);

/* The published name of a parameter. */
void fd_hf_name(const fd_config *config, const fd_param *param, char name[FD_NAME_MAX]);

/* A published name with its prefix, which it may lack: the name of an encoder's tensor in a model with heads. */
void fd_hf_full_name(const fd_config *config, const char *name, char *full, size_t room);

#endif
