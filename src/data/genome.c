/* The records of sequence files of any format. */
#include "data/genome.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "data/lines.h"

/* --- scanning -------------------------------------------------------------------------------------------------------- */

fd_status fd_genome_scan(fd_genome *g, const char *path) {
  free(g->by_name);
  g->by_name = NULL;
  FD_TRY(fd_grow(&g->file, &g->file_capacity, (size_t)g->files + 1, sizeof *g->file, "source files"));
  fd_source_file *f = &g->file[g->files];
  memset(f, 0, sizeof *f);
  FD_TRY(fd_path(f->path, path, NULL, NULL));
  FD_TRY(fd_file_size(path, &f->bytes)); /* also refuses a pipe, which cannot be read twice */
  if (!f->bytes) return fd_fail(FD_DATA, "%s: is empty; expected sequences in FASTA or 2bit", path);
  FD_TRY(fd_twobit_detect(path, &f->twobit));
  f->scanned = 1;
  int before = g->records;
  g->files++;
  FD_TRY(f->twobit ? fd_twobit_scan(g) : fd_fasta_scan(g));
  for (int r = before; r < g->records; r++)
    if (g->record[r].length) return FD_OK;
  return fd_fail(FD_DATA, "%s: none of its %d records has a sequence", path, g->records - before);
}

void fd_genome_free(fd_genome *g) {
  for (int i = 0; i < g->records; i++) free(g->record[i].run), free(g->record[i].name);
  free(g->record);
  free(g->file);
  free(g->by_name);
  memset(g, 0, sizeof *g);
}

/* Parses "chr1:101-200": returns its colon and sets first and last; NULL for any other name. */
static char *region_of(char *name, int64_t *first, int64_t *last) {
  char *colon = strrchr(name, ':'), *dash = colon ? strchr(colon, '-') : NULL;
  if (!dash || colon == name || !isdigit((unsigned char)colon[1]) || !isdigit((unsigned char)dash[1])) return NULL;
  *dash = '\0';
  int good = fd_whole_number(colon + 1, first) && fd_whole_number(dash + 1, last) && *first >= 1 && *last >= *first;
  *dash = '-';
  return good && *last < INT64_MAX ? colon : NULL;
}

fd_status fd_record_set_name(fd_record *r, const char *name) {
  size_t length = strlen(name);
  int64_t first, last;
  FD_TRY(fd_alloc(&r->name, 2 * (length + 1), 1, "the name of a record"));
  memcpy(r->name, name, length);
  r->contig = r->name;
  r->first = r->region = 0;
  const char *colon = region_of(r->name, &first, &last);
  if (!colon) return FD_OK;
  r->contig = r->name + length + 1;
  memcpy(r->contig, r->name, (size_t)(colon - r->name));
  r->first = first - 1;
  r->region = last - r->first;
  return FD_OK;
}

fd_status fd_genome_add_record(fd_genome *g, const char *where, const char *name, int64_t offset) {
  if (!*name) return fd_fail(FD_DATA, "%s: the record has no name; expected a word (in FASTA right after '>')", where);
  for (const char *c = name; *c; c++)
    if (!isgraph((unsigned char)*c))
      return fd_fail(FD_DATA, "%s: the record's name has the byte 0x%02x; expected printable ASCII (is this a binary file?)",
                     where, (unsigned char)*c);
  if (g->records == INT_MAX) return fd_fail(FD_DATA, "%s: more than %d records", where, INT_MAX);
  FD_TRY(fd_grow(&g->record, &g->record_capacity, (size_t)g->records + 1, sizeof *g->record, "records"));
  fd_record *r = &g->record[g->records];
  *r = (fd_record){.file = g->files - 1, .offset = offset};
  FD_TRY(fd_record_set_name(r, name));
  g->records++;
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

void fd_genome_end_record(fd_genome *g, const char *where) {
  fd_record *r = &g->record[g->records - 1];
  if (r->region && r->region != r->length) { /* an ordinary name, which does not give the record's position */
    r->contig = r->name;
    r->first = r->region = 0;
    g->counts.other_region++;
  }
  if (!r->length && !g->counts.empty++)
    fd_warn("%s: the record '%s' has no sequence; records like this are passed over", where, r->name);
  g->counts.bases += r->length;
}

/* Number of N before a position. */
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

/* --- reading --------------------------------------------------------------------------------------------------------- */

/* `fasta` is the open file number `file`, or NULL. */
struct fd_genome_reader {
  const fd_genome *genome;
  fd_fasta *fasta;
  int file;
  char *known; /* [files] whether `id` is set: as of the scan, or as of the first opening here */
  fd_file_id *id;
};

fd_status fd_genome_reader_open(const fd_genome *genome, fd_genome_reader **reader) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(reader, 1, sizeof **reader, "a reader"));
  fd_genome_reader *r = *reader;
  r->genome = genome;
  FD_GO(fd_alloc(&r->known, (size_t)genome->files, 1, "a reader"));
  FD_GO(fd_alloc(&r->id, (size_t)genome->files, sizeof *r->id, "a reader"));
  for (int f = 0; f < genome->files; f++) r->known[f] = (char)genome->file[f].scanned, r->id[f] = genome->file[f].id;
done:
  if (status != FD_OK) fd_genome_reader_close(reader);
  return status;
}

void fd_genome_reader_close(fd_genome_reader **reader) {
  if (!*reader) return;
  fd_fasta_close(&(*reader)->fasta);
  free((*reader)->known);
  free((*reader)->id);
  free(*reader);
  *reader = NULL;
}

fd_status fd_genome_read(fd_genome_reader *reader, int record, uint8_t *symbols) {
  const fd_record *r = &reader->genome->record[record];
  const fd_source_file *file = &reader->genome->file[r->file];
  fd_file_id *id = &reader->id[r->file];
  if (!reader->known[r->file]) FD_TRY(fd_file_id_at(file->path, id)); /* another rank has scanned it */
  reader->known[r->file] = 1;
  if (file->twobit) return fd_twobit_read(file->path, id, r, symbols);
  if (!reader->fasta || reader->file != r->file) {
    fd_fasta_close(&reader->fasta);
    FD_TRY(fd_fasta_open(file->path, &reader->fasta));
    reader->file = r->file;
  }
  return fd_fasta_read(reader->fasta, id, r, symbols);
}
