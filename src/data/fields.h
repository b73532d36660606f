/* Rows of CSV and TSV files: fields, in quotes or not, and columns by their names. */
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
  int columns; /* of the header */
  int count;   /* of the row that was cut last */
  fd_field *item;
  size_t capacity;
} fd_fields;

/* Cuts the header. Fields are separated by tabs if it has one, else by commas, or by semicolons where it has those only. */
fd_status fd_fields_begin(fd_fields *fields, const fd_lines *lines, char *header, size_t length) FD_MUST_CHECK;
void fd_fields_end(fd_fields *fields);

/* The column of the header with one of these names, the first that is there, in upper or lower case; -1: none of them. The list
 * ends with NULL. A name that is there twice is FD_DATA. Only before the first row. */
fd_status fd_fields_column(const fd_fields *fields, const char *const *names, int *column) FD_MUST_CHECK;

/* Cuts a row in place; it must have as many fields as the header. Quotes are taken off, "" in them is one. */
fd_status fd_fields_cut(fd_fields *fields, char *row, size_t length) FD_MUST_CHECK;

/* A field without the blanks around it. */
fd_field fd_field_trimmed(fd_field field);

/* Whether a field is a word, in upper or lower case. */
int fd_field_is(const fd_field *field, const char *word);

#endif
