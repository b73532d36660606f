/* Reads published models from folders of Hugging Face's transformers: config.json and model.safetensors, or several files with
 * model.safetensors.index.json. */
#ifndef FD_TASKS_HF_FOLDER_H
#define FD_TASKS_HF_FOLDER_H

#include <jansson.h>

#include "data/class_names.h"
#include "model/network.h"

/* Whether FOLDER/config.json is that of such a model, not one that findna wrote; FD_DATA if it cannot be read. */
fd_status fd_hf_is(const char *folder, int *is) FD_MUST_CHECK;

/* The tensors of a folder: the types of those that were read, by name, and the names of unused ones. */
typedef struct fd_hf_read_tensors {
  json_t *types, *skipped;
} fd_hf_read_tensors;
void fd_hf_read_tensors_free(fd_hf_read_tensors *read);

/* Reads a model of one of the families of model.encoder: Nucleotide Transformer v1 and v2, BERT, DNABERT-2, with its masked-word
 * head and, as the task's head, its classifier of sequences, if the files have them. Tensors are F32, F16 or BF16; a missing,
 * unknown or wrongly shaped tensor is FD_DATA and named in the message; tensors without a use here (position tables of rotary
 * models, poolers without a classifier, other heads) are listed and left out. window: nucleotides per input. The caller frees
 * *weights (the network's layout, fp32), the classifier's class names, and *read. */
fd_status fd_hf_read(const char *folder, fd_config *config, int *window, float **weights, fd_class_names *classes,
                     fd_hf_read_tensors *read) FD_MUST_CHECK;

#endif
