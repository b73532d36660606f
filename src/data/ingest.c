/* The two passes of an ingest: scans sequence files, then writes their windows as shards. */
#include "data/ingest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/text.h"
#include "data/ingest_parts.h"
#include "data/shards.h"

/* --- pass 1: the ranks share the files, and exchange the records they found ------------------------------------------- */

static fd_status pack_scan(const fd_genome *g, char **text, size_t *bytes) {
  FILE *out;
  FD_TRY(fd_text_open(&out, text, bytes));
  fwrite(&g->records, sizeof g->records, 1, out);
  fwrite(&g->counts, sizeof g->counts, 1, out);
  fwrite(g->file, sizeof *g->file, 1, out);
  for (int i = 0; i < g->records; i++) {
    fwrite(&g->record[i], sizeof *g->record, 1, out);
    fwrite(g->record[i].name, strlen(g->record[i].name) + 1, 1, out);
    if (g->record[i].runs) fwrite(g->record[i].run, sizeof *g->record[i].run, g->record[i].runs, out);
  }
  return fd_text_close(out, text);
}

static void add_counts(fd_read_counts *to, const fd_read_counts *from) {
  to->bases += from->bases;
  to->n += from->n;
  to->lower += from->lower;
  to->empty += from->empty;
  to->other_region += from->other_region;
  for (int i = 0; i < 26; i++) to->iupac[i] += from->iupac[i];
}

static fd_status unpack_record(fd_record *r, const char **text) {
  fd_record read;
  memcpy(&read, *text, sizeof read), *text += sizeof read;
  *r = (fd_record){.length = read.length, .offset = read.offset};
  FD_TRY(fd_record_set_name(r, *text));
  *text += strlen(*text) + 1;
  if (!read.region) r->contig = r->name, r->first = r->region = 0; /* the suffix did not agree with the length */
  size_t bytes = read.runs * sizeof *r->run;
  fd_status status = fd_alloc(&r->run, read.runs, sizeof *r->run, "runs of N");
  if (status != FD_OK) free(r->name);
  FD_TRY(status);
  if (bytes) memcpy(r->run, *text, bytes);
  r->runs = r->runs_capacity = read.runs;
  *text += bytes;
  return FD_OK;
}

/* `mine`: whether this rank has scanned the file. */
static fd_status unpack_scan(fd_genome *g, const char *text, int mine) {
  int records;
  fd_read_counts counts;
  memcpy(&records, text, sizeof records), text += sizeof records;
  memcpy(&counts, text, sizeof counts), text += sizeof counts;
  add_counts(&g->counts, &counts);
  FD_TRY(fd_grow(&g->file, &g->file_capacity, (size_t)g->files + 1, sizeof *g->file, "source files"));
  memcpy(&g->file[g->files], text, sizeof *g->file), text += sizeof *g->file;
  g->file[g->files].scanned = mine;
  FD_TRY(fd_grow(&g->record, &g->record_capacity, (size_t)(g->records + records), sizeof *g->record, "records"));
  for (int i = 0; i < records; i++) {
    fd_record *r = &g->record[g->records];
    FD_TRY(unpack_record(r, &text));
    r->file = g->files;
    g->records++;
  }
  g->files++;
  return FD_OK;
}

fd_status fd_ingest_scan(const fd_list *files, fd_comm *comm, fd_genome *g) {
  char *text[FD_LIST_MAX] = {NULL};
  size_t bytes[FD_LIST_MAX] = {0};
  fd_status status = FD_OK;
  for (int f = comm->rank; f < files->count && status == FD_OK; f += comm->size) {
    fd_genome one = {0};
    status = fd_genome_scan(&one, files->item[f]);
    if (status == FD_OK) status = pack_scan(&one, &text[f], &bytes[f]);
    fd_genome_free(&one);
  }
  FD_GO(fd_comm_agree(comm, status));
  for (int f = 0; f < files->count; f++) {
    uint64_t size = bytes[f];
    FD_GO(comm->ops->broadcast(comm, &size, sizeof size, f % comm->size));
    if (!text[f]) FD_GO(fd_alloc(&text[f], (size_t)size, 1, "the table of sequences"));
    FD_GO(comm->ops->broadcast(comm, text[f], (size_t)size, f % comm->size));
    FD_GO(unpack_scan(g, text[f], f % comm->size == comm->rank));
  }
done:
  for (int f = 0; f < files->count; f++) free(text[f]);
  return status;
}

/* --- pass 2: each rank writes a range of the shards ------------------------------------------------------------------- */

/* What all shards of a rank share. */
typedef struct writer {
  const fd_ingest *in;
  const char *folder;
  uint8_t *sequence; /* of the record that is loaded */
  int loaded;        /* its index, or -1 */
  fd_genome_reader *reader;
  uint8_t *symbols;
  uint16_t *contig;
  int64_t *start;
  fd_shard_contig *contig_name; /* of the shard's windows, in their order */
  char source_sha256[FD_SHA256_HEX];
} writer;

static fd_status load_record(writer *w, int record) {
  if (w->loaded == record) return FD_OK;
  w->loaded = -1;
  FD_TRY(fd_genome_read(w->reader, record, w->sequence));
  w->loaded = record;
  return FD_OK;
}

static fd_status write_one(writer *w, const fd_shard_plan *plan, fd_shard_entry *entry) {
  const fd_genome *g = &w->in->genome;
  int window = (int)w->in->options->window, contigs = 0;
  char path[FD_PATH_MAX];
  if (fd_signals_stop()) return fd_fail(FD_RETRY, "stopped by a signal; nothing is left of %s", w->in->options->output);
  for (int64_t i = 0; i < plan->count; i++) {
    const fd_place *place = &w->in->places[plan->split].item[plan->first + i];
    if (i == 0 || place->record != place[-1].record) {
      FD_TRY(load_record(w, place->record));
      const fd_record *r = &g->record[place->record];
      w->contig_name[contigs++] = (fd_shard_contig){r->name, strlen(r->contig)};
    }
    memcpy(w->symbols + i * window, w->sequence + place->start, (size_t)window);
    w->contig[i] = (uint16_t)(contigs - 1);
    w->start[i] = g->record[place->record].first + place->start;
  }
  fd_shard shard = {plan->count,
                    window,
                    contigs,
                    fd_split_names[plan->split],
                    w->in->options->assembly,
                    w->source_sha256,
                    w->contig_name,
                    w->symbols,
                    w->contig,
                    w->start,
                    NULL};
  FD_TRY(fd_path(path, w->folder, plan->file, NULL));
  snprintf(entry->file, sizeof entry->file, "%s", plan->file);
  snprintf(entry->split, sizeof entry->split, "%s", fd_split_names[plan->split]);
  return fd_shard_write(path, &shard, entry);
}

/* SHA-256 over the hashes of the sources, in their order. */
static fd_status hash_sources(const fd_genome *g, char hex[FD_SHA256_HEX]) {
  fd_sha256 *hash;
  unsigned char digest[FD_SHA256_BYTES];
  FD_TRY(fd_sha256_begin(&hash));
  for (int i = 0; i < g->files; i++) fd_sha256_add(hash, g->file[i].sha256, FD_SHA256_HEX - 1);
  FD_TRY(fd_sha256_end(&hash, digest));
  fd_hex(hex, digest);
  return FD_OK;
}

static fd_status open_writer(writer *w, const fd_ingest *in, const char *folder) {
  const fd_genome *g = &in->genome;
  size_t rows = (size_t)in->options->shard_windows, longest = 0;
  *w = (writer){.in = in, .folder = folder, .loaded = -1};
  for (int r = 0; r < g->records; r++)
    if (in->used[r] && (size_t)g->record[r].length > longest) longest = (size_t)g->record[r].length;
  FD_TRY(fd_alloc(&w->sequence, longest, 1, "the longest sequence"));
  FD_TRY(fd_alloc(&w->symbols, rows * (size_t)in->options->window, 1, "a shard"));
  FD_TRY(fd_alloc(&w->contig, rows, sizeof *w->contig, "a shard"));
  FD_TRY(fd_alloc(&w->start, rows, sizeof *w->start, "a shard"));
  FD_TRY(fd_alloc(&w->contig_name, rows, sizeof *w->contig_name, "a shard"));
  FD_TRY(fd_genome_reader_open(g, &w->reader));
  return hash_sources(g, w->source_sha256);
}

static void close_writer(writer *w) {
  fd_genome_reader_close(&w->reader);
  free(w->sequence);
  free(w->symbols);
  free(w->contig);
  free(w->start);
  free(w->contig_name);
}

fd_status fd_ingest_write(const fd_ingest *in, const char *folder, fd_comm *comm, fd_shard_entry *entries) {
  writer w;
  int64_t first = (int64_t)in->shards * comm->rank / comm->size, last = (int64_t)in->shards * (comm->rank + 1) / comm->size;
  fd_status status = open_writer(&w, in, folder);
  for (int64_t s = first; s < last && status == FD_OK; s++) {
    status = write_one(&w, &in->shard[s], &entries[s]);
    fd_progress(0, "shard %" PRId64 " of %d", s + 1, in->shards);
  }
  close_writer(&w);
  FD_TRY(fd_comm_agree(comm, status));
  /* Each entry is filled by one rank and zero on the others: adding the 64-bit words gathers them. */
  return comm->ops->sum_u64(comm, (uint64_t *)(void *)entries, (size_t)in->shards * sizeof *entries / sizeof(uint64_t));
}
