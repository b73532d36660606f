/* Rows of CSV and TSV files: fields, quoted or not, and columns by name. */
#ifndef FD_DATA_FIELDS_H
#define FD_DATA_FIELDS_H

#include "data/lines.h"

typedef struct fd_field {
  char *text; /* NUL-terminated, within the line */
  size_t length;
} fd_field;

typedef struct fd_fields {
  const fd_lines *lines; /* borrowed, for messages */
  char separator;
  int columns; /* in the header */
  int count;   /* fields of the last row */
  fd_field *item;
  size_t capacity;
} fd_fields;

/* Splits the header. Fields are separated by tabs if it has any, else by commas, or by semicolons if it has no comma. */
fd_status fd_fields_begin(fd_fields *fields, const fd_lines *lines, char *header, size_t length) FD_MUST_CHECK;
void fd_fields_end(fd_fields *fields);

/* Finds the column for the first of these names (NULL-terminated list, case-insensitive) that the header has; -1: none of them.
 * A name that occurs twice is FD_DATA. Call it only before the first row is split. */
fd_status fd_fields_column(const fd_fields *fields, const char *const *names, int *column) FD_MUST_CHECK;

/* Splits a row in place; it must have as many fields as the header. Fields are unquoted, with "" within quotes as one quote. */
fd_status fd_fields_cut(fd_fields *fields, char *row, size_t length) FD_MUST_CHECK;

/* A field without leading and trailing blanks. */
fd_field fd_field_trimmed(fd_field field);

/* Whether a text is empty or a word that programs (R, pandas, spreadsheets, databases) write for a missing value. */
int fd_is_missing(const char *text);

/* Whether a field is a word, ignoring case. */
int fd_field_is(const fd_field *field, const char *word);

#endif
