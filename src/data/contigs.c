/* Finds the records of a contig by its name, and the record that holds an interval. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/genome.h"

static int by_name_and_place(const void *a, const void *b, void *context) {
  const fd_genome *g = context;
  const fd_record *x = &g->record[*(const int *)a], *y = &g->record[*(const int *)b];
  int order = strcmp(x->contig, y->contig);
  return order ? order : (x->first > y->first) - (x->first < y->first);
}

fd_status fd_genome_index(fd_genome *g) {
  free(g->by_name);
  FD_TRY(fd_alloc(&g->by_name, (size_t)g->records, sizeof *g->by_name, "names of sequences"));
  for (int i = 0; i < g->records; i++) g->by_name[i] = i;
  if (g->records) qsort_r(g->by_name, (size_t)g->records, sizeof *g->by_name, by_name_and_place, g);
  for (int i = 1; i < g->records; i++) {
    const fd_record *a = &g->record[g->by_name[i - 1]], *b = &g->record[g->by_name[i]];
    if (strcmp(a->contig, b->contig) || b->first >= a->first + a->length) continue;
    if (a->region || b->region)
      return fd_fail(FD_DATA,
                     "bases of '%s' from %" PRId64 " on are there twice: in %s of %s and in %s of %s; give each base once",
                     b->contig, b->first + 1, a->name, g->file[a->file].path, b->name, g->file[b->file].path);
    return fd_fail(FD_DATA, "the sequence '%s' is there twice: in %s and in %s; give each sequence once", b->contig,
                   g->file[a->file].path, g->file[b->file].path);
  }
  return FD_OK;
}

/* A name in two parts, which need not be concatenated. */
typedef struct contig_name {
  const char *prefix, *rest;
} contig_name;

static int compare(contig_name name, const char *contig) {
  size_t n = strlen(name.prefix);
  int order = strncmp(name.prefix, contig, n);
  return order ? order : strcmp(name.rest, contig + n);
}

/* Number of records whose contig sorts before `name` or, with `equal`, not after it. */
static int count_before(const fd_genome *g, contig_name name, int equal) {
  int low = 0, high = g->records;
  while (low < high) {
    int middle = low + (high - low) / 2, order = compare(name, g->record[g->by_name[middle]].contig);
    if (order > 0 || (equal && !order)) low = middle + 1;
    else high = middle;
  }
  return low;
}

static fd_contig find_exactly(const fd_genome *g, contig_name name) {
  int first = count_before(g, name, 0);
  return (fd_contig){first, count_before(g, name, 1) - first};
}

fd_contig fd_genome_find(const fd_genome *g, const char *contig) {
  const char *bare = strncmp(contig, "chr", 3) ? contig : contig + 3, *own = bare == contig ? "" : "chr",
             *other = bare == contig ? "chr" : "",
             *mitochondrion = !strcmp(bare, "M")    ? "MT"
                              : !strcmp(bare, "MT") ? "M"
                                                    : NULL;
  const contig_name names[] = {{"", contig}, {other, bare}, {own, mitochondrion}, {other, mitochondrion}};
  fd_contig found = {0, 0};
  for (int i = 0; i < (mitochondrion ? 4 : 2) && !found.count; i++) found = find_exactly(g, names[i]);
  return found;
}

int fd_contig_begun(const fd_genome *g, fd_contig c, int64_t place) {
  int low = 0, high = c.count;
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (g->record[g->by_name[c.first + middle]].first <= place) low = middle + 1;
    else high = middle;
  }
  return low;
}

int fd_genome_locate(const fd_genome *g, const char *contig, int64_t begin, int64_t end) {
  fd_contig c = fd_genome_find(g, contig);
  int begun = fd_contig_begun(g, c, begin);
  if (!begun) return c.count ? FD_NO_PLACE : FD_NO_CONTIG;
  int record = g->by_name[c.first + begun - 1];
  return end <= g->record[record].first + g->record[record].length ? record : FD_NO_PLACE;
}

fd_status fd_genome_lacks(const fd_genome *g, const char *where, const char *contig, int64_t begin, int64_t end, int lacking) {
  if (lacking == FD_NO_CONTIG)
    return fd_fail(FD_DATA, "%s: %s has no sequence '%s'; its first one is '%s'", where, g->file[0].path, contig,
                   g->record[0].contig);
  fd_contig c = fd_genome_find(g, contig);
  const fd_record *near = &g->record[g->by_name[c.first]];
  return fd_fail(FD_DATA,
                 "%s: %s has bases %" PRId64 " to %" PRId64 " of %s%s, but the interval is %" PRId64 " to %" PRId64
                 ": of another assembly?",
                 where, g->file[0].path, near->first, near->first + near->length, contig,
                 c.count > 1 ? " and other parts of it" : "", begin, end);
}
