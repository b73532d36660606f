/* Reads sequences from three kinds of files. */
#include "data/sequences.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/bed.h"
#include "data/loci.h"

static const int64_t together_max = (int64_t)4 << 30; /* largest total of scattered intervals that are copied in advance */

/* An interval of a record, or a whole record. */
typedef struct interval {
  const char *name; /* in the BED file's text; NULL: the id is made of the position */
  fd_locus locus;
  const uint8_t *symbols; /* copied in advance, on its strand; NULL: not copied */
} interval;

struct fd_sequences {
  fd_table table; /* rows of a table; for other files: */
  fd_genome genome;
  fd_genome_reader *reader;
  interval *item;
  fd_bed bed;
  uint8_t *cut; /* [bases] of intervals that are scattered over the genome */
  int whole;    /* the items are whole records */
  int64_t count, bases, longest, next;
  int loaded; /* record in `symbols`; -1: none */
  uint8_t *symbols, *turned;
  char *id; /* the last id that was made */
  char number[FD_TABLE_ID];
};

static void count(fd_sequences *s, int64_t length) {
  s->count++;
  s->bases += length;
  if (length > s->longest) s->longest = length;
}

/* HDF5 and its readers take names as UTF-8. */
static fd_status check_name(const char *where, const char *name) {
  int good;
  FD_TRY(fd_json_is_utf8(name, &good));
  return good ? FD_OK : fd_fail(FD_DATA, "%s: the name '%.80s' is no UTF-8; save the file as UTF-8", where, name);
}

static fd_status take_table(fd_sequences *s, const char *path) {
  for (int i = 0; i < s->table.rows; i++) {
    char where[FD_PATH_MAX + 32];
    snprintf(where, sizeof where, "%s: row %d", path, i + 1);
    if (s->table.id) FD_TRY(check_name(where, s->table.id[i]));
    count(s, s->table.start[i + 1] - s->table.start[i]);
  }
  return FD_OK;
}

static fd_status open_table(fd_sequences *s, const char *path) {
  FD_TRY(fd_table_read_sequences(path, &s->table));
  return take_table(s, path);
}

static fd_status open_records(fd_sequences *s, const char *path) {
  s->whole = 1;
  FD_TRY(fd_alloc(&s->item, (size_t)s->genome.records, sizeof *s->item, "sequences"));
  for (int i = 0; i < s->genome.records; i++) {
    int64_t length = s->genome.record[i].length;
    if (!length) continue;
    s->item[s->count].locus = (fd_locus){.record = i, .end = length};
    count(s, length);
  }
  if (s->count < s->genome.records)
    fd_warn("%s: %" PRId64 " of %d records have no sequence and get no row", path, s->genome.records - s->count,
            s->genome.records);
  return FD_OK;
}

static fd_status read_row(const fd_sequences *s, const char *where, const fd_bed_row *row, interval *out) {
  const char *strand = row->fields > 5 && *row->field[5] ? row->field[5] : ".", *name = row->fields > 3 ? row->field[3] : "";
  if (strcmp(strand, "+") && strcmp(strand, "-") && strcmp(strand, "."))
    return fd_fail(FD_DATA, "%s: strand '%.40s': expected +, - or .", where, strand);
  FD_TRY(check_name(where, name));
  *out = (interval){.name = *name && strcmp(name, ".") ? name : NULL};
  return fd_locus_find(&s->genome, where, row->contig, row->begin, row->end, *strand == '-', &out->locus);
}

static fd_status read_rows(fd_sequences *s, const char *path) {
  size_t capacity = 0;
  fd_bed_row row;
  for (int more;;) {
    char where[FD_PATH_MAX + 32];
    FD_TRY(fd_bed_next(&s->bed, &row, &more));
    if (!more) return s->count ? FD_OK : fd_fail(FD_DATA, "%s: has no interval", path);
    snprintf(where, sizeof where, "%s:%" PRId64, path, row.line);
    FD_TRY(fd_grow(&s->item, &capacity, (size_t)s->count + 1, sizeof *s->item, "intervals"));
    FD_TRY(read_row(s, where, &row, &s->item[s->count]));
    count(s, row.end - row.begin);
  }
}

/* Copies all intervals in advance if reading them in their order would read sequences of the genome repeatedly. */
static fd_status cut_scattered(fd_sequences *s) {
  fd_locus *loci;
  int scattered = 0;
  int64_t at = 0;
  FD_TRY(fd_alloc(&loci, (size_t)s->count, sizeof *loci, "intervals"));
  fd_status status = FD_OK;
  for (int64_t i = 0; i < s->count; i++) loci[i] = s->item[i].locus;
  FD_GO(fd_loci_scattered(&s->genome, loci, s->count, &scattered));
  if (scattered && s->bases > together_max)
    fd_warn("the intervals are not grouped by the genome's sequences: sorting them by sequence would be much faster");
  if (!scattered || s->bases > together_max) goto done;
  FD_GO(fd_alloc(&s->cut, (size_t)s->bases, 1, "the intervals' sequences"));
  for (int64_t i = 0; i < s->count; at += loci[i].end - loci[i].begin, i++) s->item[i].symbols = loci[i].to = s->cut + at;
  FD_GO(fd_loci_cut(&s->genome, s->reader, loci, s->count));
done:
  free(loci);
  return status;
}

static fd_status open_genome(fd_sequences *s, const char *path, const char *genome) {
  FD_TRY(fd_genome_scan(&s->genome, genome ? genome : path));
  if (genome) FD_TRY(fd_genome_index(&s->genome));
  FD_TRY(fd_genome_reader_open(&s->genome, &s->reader));
  if (!genome) return open_records(s, path);
  FD_TRY(fd_bed_open(&s->bed, path));
  FD_TRY(read_rows(s, path));
  return cut_scattered(s);
}

fd_status fd_sequences_open(fd_sequences **sequences, const char *path, const char *genome) {
  int bed = fd_bed_is_name(path);
  if (bed && !genome)
    return fd_fail(FD_USAGE, "%s: is a list of intervals; give the genome that they lie in: --genome FILE (FASTA or 2bit)", path);
  if (!bed && genome)
    return fd_fail(FD_USAGE, "%s: is no BED file by its name (.bed, .narrowPeak, .broadPeak), so --genome has no use", path);
  FD_TRY(fd_alloc(sequences, 1, sizeof **sequences, "sequences"));
  fd_sequences *s = *sequences;
  s->loaded = -1;
  int table = fd_ending(path, ".csv") || fd_ending(path, ".tsv");
  fd_status status = table ? open_table(s, path) : open_genome(s, path, genome);
  if (status != FD_OK) fd_sequences_close(sequences);
  return status;
}

fd_status fd_sequences_of_table(fd_sequences **sequences, fd_table *table) {
  fd_status status = fd_alloc(sequences, 1, sizeof **sequences, "sequences");
  if (status != FD_OK) {
    fd_table_free(table);
    return status;
  }
  fd_sequences *s = *sequences;
  s->loaded = -1;
  s->table = *table;
  *table = (fd_table){0};
  status = take_table(s, "a table");
  if (status != FD_OK) fd_sequences_close(sequences);
  return status;
}

void fd_sequences_close(fd_sequences **sequences) {
  fd_sequences *s = *sequences;
  if (!s) return;
  fd_genome_reader_close(&s->reader);
  fd_genome_free(&s->genome);
  fd_table_free(&s->table);
  fd_bed_close(&s->bed);
  free(s->item);
  free(s->cut);
  free(s->symbols);
  free(s->turned);
  free(s->id);
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

/* Makes the id of an interval that has none. */
static fd_status make_id(fd_sequences *s, const char *contig, int64_t begin, int64_t end) {
  free(s->id);
  s->id = NULL;
  if (asprintf(&s->id, "%s:%" PRId64 "-%" PRId64, contig, begin, end) >= 0) return FD_OK;
  s->id = NULL;
  return fd_fail(FD_MEMORY, "out of memory for a name");
}

static fd_status next_of_table(fd_sequences *s, int64_t i, fd_sequence *out) {
  const fd_table *t = &s->table;
  const char *id = fd_table_id(t, (int)i, s->number);
  *out = (fd_sequence){id, t->symbols + t->start[i], t->start[i + 1] - t->start[i], id, 0, 0};
  return FD_OK;
}

/* The symbols of an interval on its strand. */
static fd_status take(fd_sequences *s, const interval *item, const uint8_t **symbols) {
  const fd_locus *l = &item->locus;
  *symbols = item->symbols;
  if (item->symbols) return FD_OK;
  FD_TRY(load(s, l->record));
  *symbols = s->symbols + l->begin;
  if (!l->minus) return FD_OK;
  free(s->turned);
  FD_TRY(fd_alloc(&s->turned, (size_t)(l->end - l->begin), 1, "a reverse complement"));
  fd_reverse_complement(*symbols, l->end - l->begin, s->turned);
  *symbols = s->turned;
  return FD_OK;
}

fd_status fd_sequences_next(fd_sequences *s, fd_sequence *out) {
  if (s->next == s->count) return fd_fail(FD_BUG, "no sequence is left");
  int64_t i = s->next++;
  if (s->table.rows) return next_of_table(s, i, out);
  const interval *item = &s->item[i];
  const fd_locus *l = &item->locus;
  const fd_record *record = &s->genome.record[l->record];
  const char *id = s->whole ? record->name : item->name;
  if (!id) FD_TRY(make_id(s, record->contig, record->first + l->begin, record->first + l->end));
  const uint8_t *symbols;
  FD_TRY(take(s, item, &symbols));
  *out = (fd_sequence){id ? id : s->id, symbols, l->end - l->begin, record->contig, record->first + l->begin, l->minus};
  return FD_OK;
}
