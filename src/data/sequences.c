/* One list over three kinds of files. */
#include "data/sequences.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/genome.h"
#include "data/table.h"
#include "data/unpack.h"

enum { ID_MAX = 256 };
static const size_t bed_max = (size_t)4 << 30;

/* An interval of a record; records themselves are intervals without a name. */
typedef struct interval {
  const char *name; /* in the BED's text; NULL: made of the place */
  int record, minus;
  int64_t begin, end; /* in the record */
} interval;

struct fd_sequences {
  fd_table table; /* of a table; else: */
  fd_genome genome;
  fd_genome_reader *reader;
  interval *item;
  char *bed;
  int whole; /* the items are the records */
  int64_t count, bases, longest, next;
  int loaded; /* record in `symbols`; -1: none */
  uint8_t *symbols, *turned;
  char id[ID_MAX];
};

static int ends_with(const char *path, const char *end) {
  size_t n = strlen(path), m = strlen(end);
  return n >= m && !strcasecmp(path + n - m, end);
}

static int is_kind(const char *path, const char *kind) {
  char gz[16], xz[16];
  snprintf(gz, sizeof gz, "%s.gz", kind);
  snprintf(xz, sizeof xz, "%s.xz", kind);
  return ends_with(path, kind) || ends_with(path, gz) || ends_with(path, xz);
}

static void count(fd_sequences *s, int64_t length) {
  s->count++;
  s->bases += length;
  if (length > s->longest) s->longest = length;
}

static fd_status open_table(fd_sequences *s, const char *path) {
  FD_TRY(fd_table_read_sequences(path, &s->table));
  for (int i = 0; i < s->table.rows; i++) count(s, s->table.start[i + 1] - s->table.start[i]);
  return FD_OK;
}

static fd_status open_records(fd_sequences *s) {
  s->whole = 1;
  FD_TRY(fd_alloc(&s->item, (size_t)s->genome.records, sizeof *s->item, "sequences"));
  for (int i = 0; i < s->genome.records; i++) {
    s->item[i] = (interval){.record = i, .end = s->genome.record[i].length};
    count(s, s->genome.record[i].length);
  }
  return FD_OK;
}

/* The record that holds [begin, end) of a contig; -1 and a reason without one. */
static fd_status find_record(const fd_genome *g, const char *where, const char *contig, int64_t begin, int64_t end, int *record) {
  const fd_record *near = NULL, *last = &g->record[*record];
  if (begin >= last->first && end <= last->first + last->length && fd_same_contig(last->contig, contig)) return FD_OK;
  for (int r = 0; r < g->records; r++) {
    const fd_record *a = &g->record[r];
    if (!fd_same_contig(a->contig, contig)) continue;
    near = a;
    *record = r;
    if (begin >= a->first && end <= a->first + a->length) return FD_OK;
  }
  if (!near)
    return fd_fail(FD_DATA, "%s: %s has no sequence '%s'; its first one is '%s'", where, g->file[0].path, contig,
                   g->record[0].contig);
  return fd_fail(FD_DATA,
                 "%s: %s has bases %" PRId64 " to %" PRId64 " of %s, but the interval is %" PRId64 " to %" PRId64
                 ": of another assembly?",
                 where, g->file[0].path, near->first, near->first + near->length, contig, begin, end);
}

static fd_status read_interval(const fd_sequences *s, const char *where, char *line, interval *out) {
  char *field[6] = {0}, *end[2], *rest = line;
  int fields = 0;
  while (fields < 6 && rest) field[fields++] = strsep(&rest, "\t");
  long long begin = field[1] ? strtoll(field[1], &end[0], 10) : -1, stop = field[2] ? strtoll(field[2], &end[1], 10) : -1;
  if (fields < 3 || end[0] == field[1] || *end[0] || end[1] == field[2] || *end[1])
    return fd_fail(FD_DATA, "%s: expected contig, start and end, separated by tabs: '%.40s'", where, line);
  if (begin < 0 || stop <= begin)
    return fd_fail(FD_DATA, "%s: interval %lld to %lld: expected 0 <= start < end", where, begin, stop);
  if (fields > 5 && strcmp(field[5], "+") && strcmp(field[5], "-") && strcmp(field[5], "."))
    return fd_fail(FD_DATA, "%s: strand '%.10s': expected +, - or .", where, field[5]);
  FD_TRY(find_record(&s->genome, where, field[0], begin, stop, &out->record));
  out->name = fields > 3 && *field[3] && strcmp(field[3], ".") ? field[3] : NULL;
  out->minus = fields > 5 && *field[5] == '-';
  out->begin = begin - s->genome.record[out->record].first;
  out->end = stop - s->genome.record[out->record].first;
  return FD_OK;
}

/* What genome browsers put into BED files beside intervals: a line "track ..." or "browser ...". */
static int is_line_of_browser(const char *line) {
  return !strncmp(line, "track ", 6) || !strcmp(line, "track") || !strncmp(line, "browser ", 8);
}

static fd_status open_bed(fd_sequences *s, const char *path) {
  size_t bytes, capacity = 0;
  int64_t number = 0;
  FD_TRY(fd_unpack_file(path, bed_max, &s->bed, &bytes));
  if (strlen(s->bed) != bytes) return fd_fail(FD_DATA, "%s: has a NUL byte: this is no BED file", path);
  char *rest = s->bed;
  for (char *line; (line = strsep(&rest, "\n"));) {
    char where[FD_PATH_MAX];
    line[strcspn(line, "\r")] = '\0';
    snprintf(where, sizeof where, "%.4000s:%" PRId64, path, ++number);
    if (!line[strspn(line, " \t")] || *line == '#' || is_line_of_browser(line)) continue;
    FD_TRY(fd_grow(&s->item, &capacity, (size_t)s->count + 1, sizeof *s->item, "intervals"));
    interval *item = &s->item[s->count];
    *item = (interval){.record = s->count ? item[-1].record : 0}; /* most lie where the one before does */
    FD_TRY(read_interval(s, where, line, item));
    count(s, item->end - item->begin);
  }
  return s->count ? FD_OK : fd_fail(FD_DATA, "%s: has no interval", path);
}

fd_status fd_sequences_open(fd_sequences **sequences, const char *path, const char *genome) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(sequences, 1, sizeof **sequences, "sequences"));
  fd_sequences *s = *sequences;
  int bed = is_kind(path, ".bed");
  s->loaded = -1;
  if (bed && !genome)
    FD_GO(fd_fail(FD_USAGE, "%s: is a list of intervals; give the genome that they lie in: --genome FILE (FASTA or 2bit)", path));
  if (!bed && genome) FD_GO(fd_fail(FD_USAGE, "%s: is no .bed file, so --genome has no use", path));
  if (is_kind(path, ".csv") || is_kind(path, ".tsv")) {
    FD_GO(open_table(s, path));
    goto done;
  }
  FD_GO(fd_genome_scan(&s->genome, bed ? genome : path));
  if (bed) FD_GO(fd_genome_check_names(&s->genome));
  FD_GO(bed ? open_bed(s, path) : open_records(s));
  FD_GO(fd_genome_reader_open(&s->genome, &s->reader));
done:
  if (status != FD_OK) fd_sequences_close(sequences);
  return status;
}

void fd_sequences_close(fd_sequences **sequences) {
  fd_sequences *s = *sequences;
  if (!s) return;
  fd_genome_reader_close(&s->reader);
  fd_genome_free(&s->genome);
  fd_table_free(&s->table);
  free(s->item);
  free(s->bed);
  free(s->symbols);
  free(s->turned);
  free(s);
  *sequences = NULL;
}

int64_t fd_sequences_count(const fd_sequences *s) { return s->count; }

int64_t fd_sequences_bases(const fd_sequences *s) { return s->bases; }

int64_t fd_sequences_longest(const fd_sequences *s) { return s->longest; }

static fd_status load(fd_sequences *s, int record) {
  if (s->loaded == record) return FD_OK;
  s->loaded = -1;
  free(s->symbols);
  FD_TRY(fd_alloc(&s->symbols, (size_t)s->genome.record[record].length, 1, "a sequence"));
  FD_TRY(fd_genome_read(s->reader, record, s->symbols));
  s->loaded = record;
  return FD_OK;
}

static void name(fd_sequences *s, const interval *item) {
  const fd_record *r = &s->genome.record[item->record];
  if (item->name) snprintf(s->id, sizeof s->id, "%s", item->name);
  else if (s->whole && !r->region) snprintf(s->id, sizeof s->id, "%s", r->contig);
  else if (s->whole) snprintf(s->id, sizeof s->id, "%s:%" PRId64 "-%" PRId64, r->contig, r->first + 1, r->first + r->length);
  else snprintf(s->id, sizeof s->id, "%s:%" PRId64 "-%" PRId64, r->contig, r->first + item->begin, r->first + item->end);
}

fd_status fd_sequences_next(fd_sequences *s, fd_sequence *out) {
  if (s->next == s->count) return fd_fail(FD_BUG, "no sequence is left");
  int64_t i = s->next++;
  if (s->table.rows) {
    if (!s->table.id) snprintf(s->id, sizeof s->id, "%" PRId64, i + 1);
    const char *id = s->table.id ? s->table.id[i] : s->id;
    *out = (fd_sequence){id, s->table.symbols + s->table.start[i], s->table.start[i + 1] - s->table.start[i], id, 0, 0};
    return FD_OK;
  }
  const interval *item = &s->item[i];
  FD_TRY(load(s, item->record));
  name(s, item);
  const fd_record *record = &s->genome.record[item->record];
  *out = (fd_sequence){s->id,          s->symbols + item->begin,    item->end - item->begin,
                       record->contig, record->first + item->begin, item->minus};
  if (!item->minus) return FD_OK;
  free(s->turned);
  FD_TRY(fd_alloc(&s->turned, (size_t)out->length, 1, "a reverse complement"));
  fd_reverse_complement(out->symbols, out->length, s->turned);
  out->symbols = s->turned;
  return FD_OK;
}
