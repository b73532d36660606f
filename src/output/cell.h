/* Names in the cells of tables (.tsv). */
#ifndef FD_OUTPUT_CELL_H
#define FD_OUTPUT_CELL_H

#include <stdio.h>

/* Prints the first `length` bytes of a name, with tabs and ends of lines as blanks. With `spreadsheet`, one that Excel or
 * LibreOffice would compute, or open as a quoted cell, gets an apostrophe before it: names that begin with = + - @, their
 * full-width forms, " or a control character. */
void fd_cell(FILE *out, const char *name, size_t length, int spreadsheet);

#endif
