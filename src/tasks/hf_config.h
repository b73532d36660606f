/* config.json of a published model, and what it makes of the options. */
#ifndef FD_TASKS_HF_CONFIG_H
#define FD_TASKS_HF_CONFIG_H

#include "data/class_names.h"
#include "tasks/hf_tensors.h"

/* Reads FOLDER/config.json; the caller releases *root with json_decref. `path` [FD_PATH_MAX] is its name, for messages. */
fd_status fd_hf_config_read(const char *folder, char path[], json_t **root) FD_MUST_CHECK;

/* The model that it and the names of the tensors say: which family, its sizes, tokenizer and heads. window: nucleotides that it
 * sees at once; classes: the names of a classifier's (released by the caller). FD_DATA, with the key, for what is not read:
 * another architecture, another kind of activation, normalization or positions. */
fd_status fd_hf_config_take(const char *path, const json_t *root, const fd_hf_tensors *tensors, fd_config *config, int *window,
                            fd_class_names *classes) FD_MUST_CHECK;

#endif
