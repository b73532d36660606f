/* Published models as folders of Hugging Face's transformers: config.json and model.safetensors, or several files with
 * model.safetensors.index.json. */
#ifndef FD_TASKS_HF_FOLDER_H
#define FD_TASKS_HF_FOLDER_H

#include <jansson.h>

#include "data/class_names.h"
#include "model/network.h"

/* Whether FOLDER/config.json is of such a model; FD_DATA where it cannot be read. */
fd_status fd_hf_is(const char *folder, int *is) FD_MUST_CHECK;

/* What was read of the tensors: the type of each by its name; the names of those that are not used. */
typedef struct fd_hf_read_tensors {
  json_t *types, *skipped;
} fd_hf_read_tensors;
void fd_hf_read_tensors_free(fd_hf_read_tensors *read);

/* Reads one of the families that model.encoder knows: Nucleotide Transformer v2 (model_type esm), BERT and DNABERT-2 (bert), with
 * its head of masked words and, as the task's head, its classifier of sequences, where the files have them. Tensors are F32, F16
 * or BF16; a missing, unknown or wrongly shaped one is FD_DATA and named; those without a use here (position tables of rotary
 * models, poolers without a classifier, other heads) are listed and left out. window: nucleotides that the model can see at once.
 * The caller frees *weights, the network's layout in fp32, the names of the classifier's classes, and *read. */
fd_status fd_hf_read(const char *folder, fd_config *config, int *window, float **weights, fd_class_names *classes,
                     fd_hf_read_tensors *read) FD_MUST_CHECK;

#endif
