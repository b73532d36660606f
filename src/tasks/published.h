/* The files that a run keeps of the published folder its model came from, so that the model can be exported in that form:
 * RUN/published/ with config.json, the files of the tokenizer, tensors.json (names and types of the tensors, names of the unused
 * ones) and unused.safetensors (the unused ones). */
#ifndef FD_TASKS_PUBLISHED_H
#define FD_TASKS_PUBLISHED_H

#include "tasks/hf_folder.h"
#include "tasks/pretrained.h"

/* Keeps these files in the folder of a new run. */
fd_status fd_published_keep(const char *folder, const fd_config *config, const fd_hf_read_tensors *read,
                            const char *run) FD_MUST_CHECK;

/* Copies RUN/published, if the run of a checkpoint has it, to the folder of another run, completely or not at all; an existing
 * copy, in a resumed run, stays. */
fd_status fd_published_copy(const fd_config *config, const char *checkpoint, const char *run) FD_MUST_CHECK;

/* Whether the run of this checkpoint has RUN/published. */
fd_status fd_published_is(const char *checkpoint, int *is) FD_MUST_CHECK;

/* Writes `folder`, which must not exist, for transformers: tensors by their published names, in their published types where these
 * represent all values exactly, else float32; config.json with our additions under "findna"; the tokenizer's files. A head that
 * was fine-tuned here gets the published names if it has the form of a published classifier, else its own names (task.*). Unused
 * tensors are written unchanged; these and those that are not written are listed. */
fd_status fd_published_write(const char *folder, const fd_pretrained *model, const fd_encoder *encoder) FD_MUST_CHECK;

#endif
