/* Converts the config.json of a published model to a config. */
#ifndef FD_TASKS_HF_CONFIG_H
#define FD_TASKS_HF_CONFIG_H

#include "data/class_names.h"
#include "tasks/hf_tensors.h"

/* Reads FOLDER/config.json; the caller releases *root with json_decref. `path` [FD_PATH_MAX] receives the file's name, for
 * messages. */
fd_status fd_hf_config_read(const char *folder, char path[], json_t **root) FD_MUST_CHECK;

/* Determines the model from config.json and the names of the tensors: family, sizes, tokenizer and heads. window: nucleotides per
 * input; classes: names of a classifier's classes (released by the caller). FD_DATA, with the key, for an unsupported
 * architecture or kind of activation, normalization or positions. */
fd_status fd_hf_config_take(const char *path, const json_t *root, const fd_hf_tensors *tensors, fd_config *config, int *window,
                            fd_class_names *classes) FD_MUST_CHECK;

#endif
