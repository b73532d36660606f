/* Sequences in CSV or TSV, with the columns `sequence`, `label` and `id`; plain, gzip or xz. */
#ifndef FD_DATA_TABLE_H
#define FD_DATA_TABLE_H

#include <stdint.h>

#include "base/error.h"

typedef struct fd_table {
  int rows, classes;
  int64_t *start;   /* [rows + 1] into symbols */
  uint8_t *symbols; /* 0..4 */
  int *label;       /* [rows], 0 .. classes-1; NULL when labels were not asked for */
  char **id;        /* [rows] of the column `id` or `name`; NULL without one */
  char *text;       /* behind the ids */
} fd_table;

/* Reads a table. The header must have `sequence` (or `seq`) and `label` (any order, further columns are ignored; comma or tab,
 * quotes allowed); labels are whole numbers from 0; letters are upper- or lower-case IUPAC, all but A, C, G, T become N. Errors
 * name file:row and what would be right. */
fd_status fd_table_read(const char *path, fd_table *table) FD_MUST_CHECK;

/* The same for sequences alone: the header needs no `label`, and one that is there is not read. */
fd_status fd_table_read_sequences(const char *path, fd_table *table) FD_MUST_CHECK;
void fd_table_free(fd_table *table);

#endif
