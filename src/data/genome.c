/* The records of sequence files, whatever their format. */
#include "data/genome.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/alphabet.h"

fd_status fd_genome_scan(fd_genome *g, const char *path) {
  FD_TRY(fd_grow(&g->file, &g->file_capacity, (size_t)g->files + 1, sizeof *g->file, "source files"));
  fd_source_file *f = &g->file[g->files];
  memset(f, 0, sizeof *f);
  FD_TRY(fd_path(f->path, path, NULL, NULL));
  FD_TRY(fd_file_size(path, &f->bytes)); /* also: a pipe cannot be read twice */
  if (!f->bytes) return fd_fail(FD_DATA, "%s: is empty; expected sequences in FASTA or 2bit", path);
  FD_TRY(fd_sha256_file(path, f->sha256, &f->bytes));
  f->twobit = fd_twobit_detect(path);
  g->files++;
  return f->twobit ? fd_twobit_scan(g) : fd_fasta_scan(g);
}

void fd_genome_free(fd_genome *g) {
  for (int i = 0; i < g->records; i++) free(g->record[i].run);
  free(g->record);
  free(g->file);
  memset(g, 0, sizeof *g);
}

/* Splits "chr1:101-200" into contig and region; any other name stays as it is. */
static void take_region(fd_record *r) {
  char *colon = strrchr(r->contig, ':'), *end;
  if (!colon || colon == r->contig || !isdigit((unsigned char)colon[1])) return;
  long long first = strtoll(colon + 1, &end, 10);
  if (*end != '-' || !isdigit((unsigned char)end[1])) return;
  long long last = strtoll(end + 1, &end, 10);
  if (*end || first < 1 || last < first || last == LLONG_MAX) return;
  *colon = '\0';
  r->first = first - 1;
  r->region = last - r->first;
}

fd_status fd_genome_add_record(fd_genome *g, const char *where, const char *name, int64_t offset) {
  size_t length = strlen(name);
  if (!length) return fd_fail(FD_DATA, "%s: the record has no name; expected a word right behind '>'", where);
  for (size_t i = 0; i < length; i++)
    if (!isgraph((unsigned char)name[i]))
      return fd_fail(FD_DATA, "%s: the record's name has the byte 0x%02x; expected printable ASCII (is this a binary file?)",
                     where, (unsigned char)name[i]);
  if (length >= FD_CONTIG_NAME)
    return fd_fail(FD_DATA, "%s: the record's name '%.40s...' is longer than %d characters", where, name, FD_CONTIG_NAME - 1);
  if (g->records == INT_MAX) return fd_fail(FD_DATA, "%s: more than %d records", where, INT_MAX);
  FD_TRY(fd_grow(&g->record, &g->record_capacity, (size_t)g->records + 1, sizeof *g->record, "records"));
  fd_record *r = &g->record[g->records++];
  memset(r, 0, sizeof *r);
  memcpy(r->contig, name, length);
  r->file = g->files - 1;
  r->offset = offset;
  take_region(r);
  return FD_OK;
}

fd_status fd_genome_add_n(fd_genome *g, int64_t begin, int64_t end) {
  fd_record *r = &g->record[g->records - 1];
  g->counts.n += end - begin;
  if (r->runs && r->run[r->runs - 1].end == begin) {
    r->run[r->runs - 1].end = end;
    return FD_OK;
  }
  FD_TRY(fd_grow(&r->run, &r->runs_capacity, r->runs + 1, sizeof *r->run, "runs of N"));
  const fd_run_of_n *last = r->runs ? &r->run[r->runs - 1] : NULL;
  r->run[r->runs++] = (fd_run_of_n){begin, end, last ? last->before + last->end - last->begin : 0};
  return FD_OK;
}

fd_status fd_genome_end_record(fd_genome *g, const char *where) {
  const fd_record *r = &g->record[g->records - 1];
  if (!r->length)
    return fd_fail(FD_DATA, "%s: the record '%s' has no sequence; remove it, or give its sequence", where, r->contig);
  if (r->region && r->region != r->length)
    return fd_fail(FD_DATA,
                   "%s: the name says bases %" PRId64 " to %" PRId64 " of %s, but the record has %" PRId64
                   " bases; expected contig:first-last from 1, the last base included",
                   where, r->first + 1, r->first + r->region, r->contig, r->length);
  g->counts.bases += r->length;
  return FD_OK;
}

/* N before a position. */
static int64_t n_before(const fd_record *r, int64_t position) {
  size_t low = 0, high = r->runs; /* the number of runs that begin before the position */
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (r->run[middle].begin < position) low = middle + 1;
    else high = middle;
  }
  if (!low) return 0;
  const fd_run_of_n *run = &r->run[low - 1];
  return run->before + (position < run->end ? position : run->end) - run->begin;
}

int64_t fd_record_count_n(const fd_record *record, int64_t begin, int64_t end) {
  return n_before(record, end) - n_before(record, begin);
}

static int by_name_and_place(const void *a, const void *b) {
  const fd_record *x = *(const fd_record *const *)a, *y = *(const fd_record *const *)b;
  int order = strcmp(fd_bare_contig(x->contig), fd_bare_contig(y->contig));
  return order ? order : (x->first > y->first) - (x->first < y->first);
}

fd_status fd_genome_check_names(const fd_genome *g) {
  const fd_record **sorted;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&sorted, (size_t)g->records, sizeof *sorted, "names"));
  for (int i = 0; i < g->records; i++) sorted[i] = &g->record[i];
  if (g->records) qsort(sorted, (size_t)g->records, sizeof *sorted, by_name_and_place);
  for (int i = 1; i < g->records && status == FD_OK; i++) {
    const fd_record *a = sorted[i - 1], *b = sorted[i];
    if (b->first < a->first + a->length && fd_same_contig(a->contig, b->contig))
      status = fd_fail(FD_DATA, "the sequence '%s' is there twice: in %s and in %s; give each sequence once", b->contig,
                       g->file[a->file].path, g->file[b->file].path);
  }
  free(sorted);
  return status;
}

/* `fasta` is the open file number `file`, or NULL. */
struct fd_genome_reader {
  const fd_genome *genome;
  fd_fasta *fasta;
  int file;
};

fd_status fd_genome_reader_open(const fd_genome *genome, fd_genome_reader **reader) {
  FD_TRY(fd_alloc(reader, 1, sizeof **reader, "a reader"));
  (*reader)->genome = genome;
  return FD_OK;
}

void fd_genome_reader_close(fd_genome_reader **reader) {
  if (!*reader) return;
  fd_fasta_close(&(*reader)->fasta);
  free(*reader);
  *reader = NULL;
}

fd_status fd_genome_read(fd_genome_reader *reader, int record, uint8_t *symbols) {
  const fd_record *r = &reader->genome->record[record];
  const fd_source_file *file = &reader->genome->file[r->file];
  if (file->twobit) return fd_twobit_read(file->path, r, symbols);
  if (!reader->fasta || reader->file != r->file) {
    fd_fasta_close(&reader->fasta);
    FD_TRY(fd_fasta_open(file->path, &reader->fasta));
    reader->file = r->file;
  }
  return fd_fasta_read(reader->fasta, r, symbols);
}
