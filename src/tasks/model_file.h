/* A model in files that other programs read: FOLDER/model.safetensors with the weights of one network, and FOLDER/config.json
 * with its shape.
 *
 * Tensors, float32, weights [out, in]: embedding.{weight,bias} [channels, 5], with learned [CLS] tokens embedding.cls
 * [cls, channels], encoder.N.B.fc1.{weight,bias} [hidden, channels] and encoder.N.B.fc2.{weight,bias} [channels, hidden] of
 * network N, block B, head.{weight,bias} [5, channels]. Columns of the embedding and rows of the head are A, C, G, T, N. A
 * fine-tuned model has task.out.{weight,bias} and, with a hidden layer, task.hidden.{weight,bias} besides. A projection of
 * pretraining is left out. */
#ifndef FD_TASKS_MODEL_FILE_H
#define FD_TASKS_MODEL_FILE_H

#include "tasks/pretrained.h"

/* Writes both files into `folder`, which must not exist. */
fd_status fd_model_write(const char *folder, const fd_pretrained *model, const fd_encoder *encoder) FD_MUST_CHECK;

/* Reads such a folder: a config with that model and without a teacher, the window length, the weights in the network's layout
 * (released with free()), and the names of a task's classes (released by the caller): tensors are float32, float16 or bfloat16.
 * Another alphabet, missing, unknown or differently shaped tensors are FD_DATA, values that are not finite FD_NUMERIC. */
fd_status fd_model_read(const char *folder, fd_config *config, int *window, float **weights,
                        fd_class_names *classes) FD_MUST_CHECK;

/* The config of a model that comes from a file: `settings` "section.key=value" on defaults without a teacher; `name` is for
 * messages. FD_DATA when they are wrong. */
fd_status fd_model_config(fd_config *config, char *const *settings, int count, const char *name) FD_MUST_CHECK;

#endif
