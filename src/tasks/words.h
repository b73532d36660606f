/* The tokenizer of a model over ids, and its file. */
#ifndef FD_TASKS_WORDS_H
#define FD_TASKS_WORDS_H

#include "config/config.h"
#include "data/tokenizer.h"

/* The file of a byte-pair tokenizer, in a published folder, a run folder or an export. */
#define FD_WORDS_FILE "tokenizer.json"
enum { FD_WORDS_MAX = 16 << 20 /* bytes */ };

/* Opens the tokenizer of a model over ids. A byte-pair tokenizer is read from the run folder of `checkpoint`; FD_DATA if it is
 * not the model's (model.words). `groups` is the setting of nt6 (data/tokenizer.h), and no other tokenizer's. */
fd_status fd_words_open(fd_tokenizer **tokenizer, const fd_config *config, const char *checkpoint, int groups) FD_MUST_CHECK;

/* Opens the tokenizer of a model to pretrain. A byte-pair tokenizer is read from data.tokenizer, and its hash becomes
 * model.words; FD_DATA if the config already has a different hash. */
fd_status fd_words_begin(fd_tokenizer **tokenizer, fd_config *config) FD_MUST_CHECK;

/* The path RUN/`name` of a checkpoint RUN/ckpt/step_N. */
fd_status fd_run_path(const char *checkpoint, const char *name, char path[]) FD_MUST_CHECK;

/* Writes the text of the tokenizer's file, as it was read, to a folder, if it has one. */
fd_status fd_words_save(const fd_tokenizer *tokenizer, const char *folder) FD_MUST_CHECK;

/* The same for the tokenizer in `file`, if the model has one; FD_DATA if it is not the model's. */
fd_status fd_words_copy(const fd_config *config, const char *file, const char *folder) FD_MUST_CHECK;

#endif
