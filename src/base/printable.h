/* Makes untrusted text, such as file names, safe for a terminal: a name must not forge lines or move the cursor. */
#ifndef FD_BASE_PRINTABLE_H
#define FD_BASE_PRINTABLE_H

#include <stddef.h>

#include "base/error.h"

enum { FD_PRINTABLE_GROWTH = 6 /* most bytes of the result per byte of the text */ };

/* Copies text to out [size], truncated between characters if it does not fit. Letters of all scripts are kept. Control characters
 * (C0, DEL, C1), line separators, bidirectional controls and bytes that are not UTF-8 are escaped as \n, \t, \x1b or \u202e. */
void fd_printable(char *out, size_t size, const char *text);

/* printf to standard output with everything made printable but the newlines at the end of the format; for one line or a part of
 * it. */
void fd_print(const char *fmt, ...) FD_PRINTF(1, 2);

#endif
