/* Reads BED files of intervals: those of splits, which the fourth column names, and those to exclude. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "data/bed.h"
#include "data/placement.h"

static int split_of(const char *name) {
  for (int i = 0; i < FD_SPLITS; i++)
    if (!strcmp(name, fd_split_names[i])) return i;
  return !strcmp(name, "valid") ? FD_VAL : -1;
}

/* Adds the part of an interval that a record covers, and its bases to *covered. */
static fd_status add_to_record(const char *path, const fd_bed_row *row, const fd_genome *g, int r, int split, fd_intervals *v,
                               int64_t *covered) {
  const fd_record *record = &g->record[r];
  int64_t from = row->begin - record->first, to = row->end - record->first;
  if (!record->region && to > record->length)
    return fd_fail(FD_DATA,
                   "%s:%" PRId64 ": %s has %" PRId64 " bases, but the interval ends at %" PRId64 ": of another assembly?", path,
                   row->line, record->contig, record->length, row->end);
  if (from < 0) from = 0;
  if (to > record->length) to = record->length;
  if (from >= to) return FD_OK;
  *covered += to - from;
  FD_TRY(fd_intervals_add(v, r, split, from, to));
  v->item[v->count - 1].line = row->line;
  return FD_OK;
}

/* Adds an interval to every used record that covers a part of it. */
static fd_status add_row(const char *path, const fd_bed_row *row, const fd_genome *g, const int *used, int partial, int split,
                         fd_intervals *v, fd_split_counts *counts) {
  fd_contig contig = fd_genome_find(g, row->contig);
  int64_t covered = 0;
  int unused = contig.count && !used[g->by_name[contig.first]]; /* all of a contig's records are used, or none */
  int begun = fd_contig_begun(g, contig, row->begin);
  for (int i = begun ? begun - 1 : 0; i < contig.count && !unused; i++) { /* in ascending order, not overlapping */
    int r = g->by_name[contig.first + i];
    if (g->record[r].first >= row->end) break;
    FD_TRY(add_to_record(path, row, g, r, split, v, &covered));
  }
  counts->rows++;
  if (covered) counts->outside += row->end - row->begin - covered;
  else if (unused) counts->unused++;
  else if (partial) counts->absent++;
  else {
    char where[FD_PATH_MAX + 32];
    snprintf(where, sizeof where, "%s:%" PRId64, path, row->line);
    return fd_genome_lacks(g, where, row->contig, row->begin, row->end, contig.count ? FD_NO_PLACE : FD_NO_CONTIG);
  }
  return FD_OK;
}

/* The split that a row is of; `named`: its fourth column says it, else all rows are of the first one. */
static fd_status split_of_row(const char *path, const fd_bed_row *row, int named, int *split) {
  *split = 0;
  if (!named) return FD_OK;
  if (row->fields < 4)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": expected contig, start, end and split (train, val or test), separated by tabs", path,
                   row->line);
  *split = split_of(row->field[3]);
  if (*split >= 0) return FD_OK;
  return fd_fail(FD_DATA, "%s:%" PRId64 ": split '%s' is not one of train, val (or valid), test", path, row->line, row->field[3]);
}

static fd_status read_rows(const char *path, const fd_genome *g, const int *used, int partial, int named, fd_intervals *v,
                           fd_split_counts *counts) {
  fd_bed bed;
  fd_bed_row row;
  int more, split;
  *counts = (fd_split_counts){0};
  FD_TRY(fd_bed_open(&bed, path));
  fd_status status;
  while ((status = fd_bed_next(&bed, &row, &more)) == FD_OK && more) {
    FD_GO(split_of_row(path, &row, named, &split));
    FD_GO(add_row(path, &row, g, used, partial, split, v, counts));
  }
done:
  fd_bed_close(&bed);
  return status;
}

fd_status fd_splits_read(const char *path, const fd_genome *g, const int *used, int partial, fd_intervals *v,
                         fd_split_counts *counts) {
  FD_TRY(read_rows(path, g, used, partial, 1, v, counts));
  if (v->count) return FD_OK;
  return fd_fail(FD_DATA, "%s: no interval lies in the sequences given; are the contig names right (such as %s)?", path,
                 g->records ? g->record[0].contig : "chr1");
}

fd_status fd_exclusions_read(const char *path, const fd_genome *g, const int *used, int partial, fd_intervals *v,
                             fd_split_counts *counts) {
  FD_TRY(read_rows(path, g, used, partial, 0, v, counts));
  if (!counts->rows) return fd_fail(FD_DATA, "%s: has no interval to exclude; leave the option out if there is none", path);
  return fd_intervals_close(v, g);
}
