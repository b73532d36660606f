/* BED files with a split column. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/placement.h"

enum { BED_MAX = 1 << 28 };

static int split_of(const char *name) {
  for (int i = 0; i < FD_SPLITS; i++)
    if (!strcmp(name, fd_split_names[i])) return i;
  return !strcmp(name, "valid") ? FD_VAL : -1;
}

/* Adds an interval of a contig to every used record that covers a part of it. */
static fd_status add_to_records(const char *path, int number, const fd_genome *g, const int *used, const char *contig, int split,
                                int64_t begin, int64_t end, fd_intervals *v) {
  for (int r = 0; r < g->records; r++) {
    const fd_record *record = &g->record[r];
    if (!used[r] || !fd_same_contig(record->contig, contig)) continue;
    if (!record->region && end > record->length)
      return fd_fail(FD_DATA, "%s:%d: %s has %" PRId64 " bases, but the interval ends at %" PRId64 ": of another assembly?", path,
                     number, record->contig, record->length, end);
    int64_t from = begin - record->first, to = end - record->first;
    if (from < 0) from = 0;
    if (to > record->length) to = record->length;
    if (from < to) FD_TRY(fd_intervals_add(v, r, split, from, to));
  }
  return FD_OK;
}

static fd_status read_line(const char *path, int number, const char *line, const fd_genome *g, const int *used, fd_intervals *v) {
  char contig[256], split[32] = "";
  int64_t begin, end;
  if (line[strspn(line, " \t")] == '\0' || *line == '#' || !strncmp(line, "track", 5) || !strncmp(line, "browser", 7))
    return FD_OK;
  if (sscanf(line, "%255s %" SCNd64 " %" SCNd64 " %31s", contig, &begin, &end, split) != 4)
    return fd_fail(FD_DATA, "%s:%d: expected contig, start, end and split (train, val or test), separated by tabs: %.60s", path,
                   number, line);
  if (begin < 0 || end <= begin)
    return fd_fail(FD_DATA, "%s:%d: interval %" PRId64 " to %" PRId64 ": expected 0 <= start < end", path, number, begin, end);
  if (split_of(split) < 0)
    return fd_fail(FD_DATA, "%s:%d: split '%s' is not one of train, val (or valid), test", path, number, split);
  return add_to_records(path, number, g, used, contig, split_of(split), begin, end, v);
}

fd_status fd_bed_read(const char *path, const fd_genome *g, const int *used, fd_intervals *v) {
  char *text, *rest;
  size_t bytes;
  int number = 0;
  FD_TRY(fd_read_file(path, BED_MAX, &text, &bytes));
  fd_status status = strlen(text) == bytes ? FD_OK : fd_fail(FD_DATA, "%s: has a NUL byte: this is no BED file", path);
  rest = text;
  for (char *line; status == FD_OK && (line = strsep(&rest, "\n"));) {
    line[strcspn(line, "\r")] = '\0';
    status = read_line(path, ++number, line, g, used, v);
  }
  if (status == FD_OK && v->count == 0)
    status = fd_fail(FD_DATA, "%s: no interval lies in the sequences given; are the contig names right (such as %s)?", path,
                     g->records ? g->record[0].contig : "chr1");
  free(text);
  return status;
}
