/* Texts that are printed into memory, checked for lack of it: a text with a hole is worse than none. */
#ifndef FD_BASE_TEXT_H
#define FD_BASE_TEXT_H

#include <stdio.h>

#include "base/error.h"

/* Opens a stream that prints into *text, which is released with free(). */
fd_status fd_text_open(FILE **out, char **text, size_t *bytes) FD_MUST_CHECK;

/* Brings *text and *bytes up to date. */
fd_status fd_text_flush(FILE *out, char **text) FD_MUST_CHECK;

/* Closes the stream; FD_MEMORY, with *text NULL, unless every byte is there. */
fd_status fd_text_close(FILE *out, char **text) FD_MUST_CHECK;

#endif
