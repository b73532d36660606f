/* What a run keeps of the published folder that its model came from, so that it can be written back: RUN/published/ with
 * config.json, the files of the tokenizer, tensors.json (names and types of the tensors, names of those that are not used here),
 * and unused.safetensors (these). */
#ifndef FD_TASKS_PUBLISHED_H
#define FD_TASKS_PUBLISHED_H

#include "tasks/hf_folder.h"
#include "tasks/pretrained.h"

/* Keeps it in the folder of a new run. */
fd_status fd_published_keep(const char *folder, const fd_config *config, const fd_hf_read_tensors *read,
                            const char *run) FD_MUST_CHECK;

/* Copies what the run of a checkpoint keeps, if it does, into the folder of another run, whole or not at all; what is there
 * already, of a run that is resumed, stays. */
fd_status fd_published_copy(const fd_config *config, const char *checkpoint, const char *run) FD_MUST_CHECK;

/* Whether the run of this checkpoint keeps one. */
fd_status fd_published_is(const char *checkpoint, int *is) FD_MUST_CHECK;

/* Writes `folder`, which must not exist, for transformers: the published names, each in the type that it had where that holds all
 * of its values exactly, else float32; config.json with our additions under "findna"; the tokenizer's files. A head that was
 * fine-tuned here has the published names if it is such a classifier, else names of its own (task.*). Tensors without a use here
 * are written as they were; these and those that are not written are listed. */
fd_status fd_published_write(const char *folder, const fd_pretrained *model, const fd_encoder *encoder) FD_MUST_CHECK;

#endif
