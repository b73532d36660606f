/* Published names of tensors, and the parameters that they are. */
#ifndef FD_TASKS_HF_NAMES_H
#define FD_TASKS_HF_NAMES_H

#include "model/network.h"

/* Most parameters have their published names. Others: a file may leave out the first part ("bert."); a decoder that is tied may
 * be there beside the table of embeddings that it is; the bias of BERT's decoder has two names; vectors of normalizations may be
 * called gamma and beta; and the two layers of a published classifier are those of the task's head. */

/* Whether the task's head is such a classifier: of the first token, with as many hidden units as channels, and tanh. */
int fd_hf_is_classifier(const fd_config *config);

/* The parameter that a tensor of this name is; NULL: it is none of this model. */
const fd_param *fd_hf_param(const fd_params *params, const fd_config *config, const char *name);

/* The name of a parameter there. */
void fd_hf_name(const fd_config *config, const fd_param *param, char name[FD_NAME_MAX]);

/* A name that may lack its first part, with it: as a model with heads has the tensors of its encoder. */
void fd_hf_full_name(const fd_config *config, const char *name, char *full, size_t room);

#endif
