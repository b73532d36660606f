/* The words of a model over ids: its tokenizer, and the file that it is made from. */
#ifndef FD_TASKS_WORDS_H
#define FD_TASKS_WORDS_H

#include "config/config.h"
#include "data/tokenizer.h"

/* Byte pairs, in a published folder, a run folder, an export. */
#define FD_WORDS_FILE "tokenizer.json"
enum { FD_WORDS_MAX = 16 << 20 /* bytes */ };

/* The tokenizer of a model over ids. That of byte pairs is in the run folder of `checkpoint`, and must be the one that the model
 * was imported with (model.words), or it is FD_DATA. */
fd_status fd_words_open(fd_tokenizer **tokenizer, const fd_config *config, const char *checkpoint, int groups) FD_MUST_CHECK;

/* That of a model in pretraining: of byte pairs the file data.tokenizer, whose hash becomes model.words; where the config has one
 * already it must be the same, or it is FD_DATA. */
fd_status fd_words_begin(fd_tokenizer **tokenizer, fd_config *config) FD_MUST_CHECK;

/* RUN/`name` of RUN/ckpt/step_N. */
fd_status fd_run_path(const char *checkpoint, const char *name, char path[]) FD_MUST_CHECK;

/* RUN/tokenizer.json of it. */
fd_status fd_words_path(const char *checkpoint, char path[]) FD_MUST_CHECK;

/* Copies the file into a folder, where the model has one. */
fd_status fd_words_copy(const fd_config *config, const char *file, const char *folder) FD_MUST_CHECK;

#endif
