/* Compares the vocabulary of a published model with that of a tokenizer whose ids follow from its kind. */
#ifndef FD_TASKS_HF_WORDS_H
#define FD_TASKS_HF_WORDS_H

#include "data/tokenizer.h"

/* FD_DATA if FOLDER/vocab.txt (the line is the id), FOLDER/vocab.json or the vocabulary in FOLDER/tokenizer.json has another word
 * or special token than the tokenizer for an id. Special tokens may be in other brackets or in another case; those that the
 * tokenizer does not use, and files that are absent, are not compared. */
fd_status fd_hf_words_check(const char *folder, const fd_tokenizer *tokenizer) FD_MUST_CHECK;

#endif
