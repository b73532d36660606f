/* Rows of BED files: intervals of contigs, with further columns. */
#ifndef FD_DATA_BED_H
#define FD_DATA_BED_H

#include "data/lines.h"

enum { FD_BED_FIELDS = 6 };

typedef struct fd_bed {
  fd_lines lines;
} fd_bed;

/* One interval: 0 <= begin < end. The texts are valid until fd_bed_close. */
typedef struct fd_bed_row {
  int64_t line; /* line number in the file, from 1 */
  int fields;   /* fields in the row, 3 or more */
  const char *contig;
  int64_t begin, end;
  const char *field[FD_BED_FIELDS]; /* the first columns; NULL where the row has fewer */
} fd_bed_row;

/* Whether a file is BED by its name: .bed, .narrowPeak, .broadPeak or .gappedPeak, compressed or not. */
int fd_bed_is_name(const char *path);

fd_status fd_bed_open(fd_bed *bed, const char *path) FD_MUST_CHECK;
void fd_bed_close(fd_bed *bed);

/* The next row; *more is 0 after the last one. Fields are separated by tabs, or by blanks in a row without tabs. Comments (#) and
 * lines for genome browsers (track, browser) are skipped; any other line that is not an interval is FD_DATA, with the whole row
 * in the message. */
fd_status fd_bed_next(fd_bed *bed, fd_bed_row *row, int *more) FD_MUST_CHECK;

#endif
