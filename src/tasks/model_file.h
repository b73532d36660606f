/* Exports a model to files that other programs can read, and reads them: FOLDER/model.safetensors with the weights of one
 * network, and FOLDER/config.json with its shape.
 *
 * Tensors, float32, weights [out, in]: embedding.{weight,bias} [channels, 5], with learned [CLS] tokens embedding.cls
 * [cls, channels], encoder.N.B.fc1.{weight,bias} [hidden, channels] and encoder.N.B.fc2.{weight,bias} [channels, hidden] of
 * network N, block B, head.{weight,bias} [5, channels]. Columns of the embedding and rows of the head are A, C, G, T, N. A
 * fine-tuned model also has task.out.{weight,bias} and, with a hidden layer, task.hidden.{weight,bias}. The projection of
 * pretraining is left out. */
#ifndef FD_TASKS_MODEL_FILE_H
#define FD_TASKS_MODEL_FILE_H

#include <jansson.h>

#include "tasks/pretrained.h"

/* Writes both files into `folder`, which must not exist. */
fd_status fd_model_write(const char *folder, const fd_pretrained *model, const fd_encoder *encoder) FD_MUST_CHECK;

/* Writes the file config.json of a folder, with all digits of its numbers. A NULL root fails as in fd_json_built. */
fd_status fd_model_config_write(const char *folder, const json_t *root) FD_MUST_CHECK;

/* Reads such a folder, whose tensors are float32, float16 or bfloat16: a config of the model without a teacher, the window
 * length, the weights in the network's layout (released with free()), and the names of a task's classes (released by the caller).
 * Another alphabet and missing, unknown or wrongly shaped tensors are FD_DATA, values that are not finite FD_NUMERIC. */
fd_status fd_model_read(const char *folder, fd_config *config, int *window, float **weights,
                        fd_class_names *classes) FD_MUST_CHECK;

/* The config of a model read from a file: `settings` "section.key=value" over defaults without a teacher; `name` is for messages.
 * FD_DATA if a setting is wrong. */
fd_status fd_model_config(fd_config *config, char *const *settings, int count, const char *name) FD_MUST_CHECK;

#endif
