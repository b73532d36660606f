/* Texts with names in them that others have chosen, made fit for a terminal: a name must not forge lines or move the cursor. */
#ifndef FD_BASE_PRINTABLE_H
#define FD_BASE_PRINTABLE_H

#include <stddef.h>

#include "base/error.h"

enum { FD_PRINTABLE_GROWTH = 6 /* bytes of the result for a byte of the text, at most */ };

/* Copies text to out [size] and cuts what does not fit, between characters. Letters of all scripts stay as they are. Written out
 * as \n, \t, \x1b or \u202e are control characters (C0, DEL, C1), those that change lines or the direction of writing, and bytes
 * that are not UTF-8. */
void fd_printable(char *out, size_t size, const char *text);

/* As printf to standard output, where all but the newlines at the format's end is made printable; for one line, or a part. */
void fd_print(const char *fmt, ...) FD_PRINTF(1, 2);

#endif
