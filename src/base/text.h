/* Texts that are printed into memory, checked for lack of memory: an incomplete text is worse than none. */
#ifndef FD_BASE_TEXT_H
#define FD_BASE_TEXT_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

/* Opens a stream that prints into *text, which is released with free(). */
fd_status fd_text_open(FILE **out, char **text, size_t *bytes) FD_MUST_CHECK;

/* Brings *text and *bytes up to date. */
fd_status fd_text_flush(FILE *out, char **text) FD_MUST_CHECK;

/* For printing functions that return no status and run out of memory: marks the text as incomplete with a NUL, which valid texts
 * never contain, so that fd_text_check on the closed text returns FD_MEMORY. */
void fd_text_spoil(FILE *out);
/* Zeroed memory for such functions, released with free(); NULL, with the text marked, when there is none. */
void *fd_text_memory(FILE *out, size_t count, size_t size);
fd_status fd_text_check(const char *text, size_t bytes) FD_MUST_CHECK;

/* Closes the stream; FD_MEMORY, with *text NULL, unless every byte is there. */
fd_status fd_text_close(FILE *out, char **text) FD_MUST_CHECK;

#endif
