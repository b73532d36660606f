/* Compares the vocabulary of a published model with that of a tokenizer whose ids follow from its kind. */
#ifndef FD_TASKS_HF_WORDS_H
#define FD_TASKS_HF_WORDS_H

#include "data/tokenizer.h"

/* FD_DATA if FOLDER/vocab.txt (the line is the id) or the vocabulary in FOLDER/tokenizer.json gives a word of letters another id
 * than the tokenizer. Files that are absent are not compared, nor are special tokens, which have other names. */
fd_status fd_hf_words_check(const char *folder, const fd_tokenizer *tokenizer) FD_MUST_CHECK;

#endif
