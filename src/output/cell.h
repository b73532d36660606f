/* Names in the cells of tables (.tsv). */
#ifndef FD_OUTPUT_CELL_H
#define FD_OUTPUT_CELL_H

#include <stdio.h>

/* Prints the first `length` bytes of a name, with tabs and line ends replaced by blanks. With `spreadsheet`, a name that Excel or
 * LibreOffice would evaluate as a formula or read as a quoted cell is prefixed with an apostrophe: one that begins with = + - @,
 * their full-width forms, " or a control character. */
void fd_cell(FILE *out, const char *name, size_t length, int spreadsheet);

#endif
