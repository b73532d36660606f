/* Reads BED files. */
#include "data/bed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data/stream.h"

enum { ROW_SHOWN = 400 };
static const size_t bed_max = (size_t)4 << 30;

int fd_bed_is_name(const char *path) {
  static const char *const endings[] = {".bed", ".narrowPeak", ".broadPeak", ".gappedPeak"};
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
    if (fd_ending(path, endings[i])) return 1;
  return 0;
}

fd_status fd_bed_open(fd_bed *bed, const char *path) { return fd_lines_open(&bed->lines, path, bed_max); }

void fd_bed_close(fd_bed *bed) { fd_lines_close(&bed->lines); }

/* Lines for genome browsers. A contig may be named "track", too: a tab follows its name. */
static int is_line_of_browser(const char *line) {
  static const char *const words[] = {"track", "browser"};
  for (int i = 0; i < 2; i++) {
    size_t n = strlen(words[i]);
    if (!strncmp(line, words[i], n) && (line[n] == ' ' || !line[n])) return 1;
  }
  return 0;
}

/* Splits a row into fields. Blanks around tab-separated fields are dropped. */
static void cut(char *line, fd_bed_row *row) {
  const char *separators = strchr(line, '\t') ? "\t" : " ";
  for (char *field; (field = strsep(&line, separators));) {
    if (*separators == ' ' && !*field) continue; /* consecutive blanks are one separator */
    while (*field == ' ') field++;
    for (size_t n = strlen(field); n && field[n - 1] == ' '; n--) field[n - 1] = '\0';
    if (row->fields < FD_BED_FIELDS) row->field[row->fields] = field;
    row->fields++;
  }
}

fd_status fd_bed_next(fd_bed *bed, fd_bed_row *row, int *more) {
  fd_lines *l = &bed->lines;
  char *line, whole[ROW_SHOWN + 1];
  *row = (fd_bed_row){0};
  do line = fd_lines_next(l, NULL);
  while (line && (*line == '#' || is_line_of_browser(line)));
  *more = line != NULL;
  if (!line) return FD_OK;
  snprintf(whole, sizeof whole, "%s", line); /* a copy for messages: the row is split in place */
  cut(line, row);
  row->line = l->number;
  row->contig = row->field[0];
  int good = row->fields >= 3 && *row->contig && fd_whole_number(row->field[1], &row->begin) &&
             fd_whole_number(row->field[2], &row->end);
  if (!good)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": expected contig, start and end (whole numbers), separated by tabs: '%s'", l->path,
                   l->number, whole);
  if (row->begin < 0 || row->end <= row->begin)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": interval %" PRId64 " to %" PRId64 ": expected 0 <= start < end: '%s'", l->path,
                   l->number, row->begin, row->end, whole);
  return FD_OK;
}
