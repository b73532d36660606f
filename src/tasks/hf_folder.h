/* Published models as folders of Hugging Face's transformers: config.json and model.safetensors, or several files with
 * model.safetensors.index.json. */
#ifndef FD_TASKS_HF_FOLDER_H
#define FD_TASKS_HF_FOLDER_H

#include "model/network.h"

/* Whether FOLDER/config.json is of such a model; FD_DATA where it cannot be read. */
fd_status fd_hf_is(const char *folder, int *is) FD_MUST_CHECK;

/* Reads one of the families that model.encoder knows: Nucleotide Transformer v2 (model_type esm), BERT and DNABERT-2 (bert).
 * Tensors are F32, F16 or BF16; a missing, unknown or wrongly shaped one is FD_DATA and named; those that the encoder does not
 * use (position tables of rotary models, poolers, heads of tasks) are listed and left out. window: nucleotides that the model can
 * see at once. The caller frees *weights, the network's layout in fp32. */
fd_status fd_hf_read(const char *folder, fd_config *config, int *window, float **weights) FD_MUST_CHECK;

#endif
