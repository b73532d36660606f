/* Writes the shards and the tables of a set of records. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/ingest_table.h"
#include "data/shards.h"

/* A shard while it is filled: `count` records so far. */
typedef struct filling {
  fd_shard_contig *name;
  uint8_t *symbols;
  uint16_t *contig;
  int64_t *start;
  int32_t *own;
  int64_t count, letters;
} filling;

static fd_status open_filling(filling *f, const fd_record_set *set) {
  size_t rows = (size_t)set->options->shard_windows;
  FD_TRY(fd_alloc(&f->name, rows, sizeof *f->name, "a shard"));
  FD_TRY(fd_alloc(&f->symbols, rows * (size_t)set->options->taxa.limit, 1, "a shard"));
  FD_TRY(fd_alloc(&f->contig, rows, sizeof *f->contig, "a shard"));
  FD_TRY(fd_alloc(&f->start, rows, sizeof *f->start, "a shard"));
  return fd_alloc(&f->own, rows, sizeof *f->own, "a shard");
}

static void close_filling(filling *f) {
  free(f->name);
  free(f->symbols);
  free(f->contig);
  free(f->start);
  free(f->own);
}

/* Appends a record; its name takes the place of a window's contig. */
static void put_record(filling *f, const fd_record_set *set, int64_t record) {
  const fd_taxa *t = &set->taxa;
  int64_t length = t->start[record + 1] - t->start[record], n = f->count++;
  memcpy(f->symbols + f->letters, t->symbols + t->start[record], (size_t)length);
  f->letters += length;
  f->name[n] = (fd_shard_contig){t->id[record], strlen(t->id[record])};
  f->contig[n] = (uint16_t)n;
  f->start[n] = 0;
  f->own[n] = (int32_t)length;
}

static fd_status write_shard(filling *f, const fd_record_set *set, int split, const char *folder, fd_manifest *m, int *part) {
  fd_shard_entry *e = &m->shard[m->shards];
  char path[FD_PATH_MAX];
  const fd_shard shard = {.count = f->count,
                          .length = (int)set->options->taxa.limit,
                          .contigs = (int)f->count,
                          .split = fd_split_names[split],
                          .assembly = "",
                          .source_sha256 = set->table_sha256,
                          .contig_name = f->name,
                          .symbols = f->symbols,
                          .contig = f->contig,
                          .start = f->start,
                          .own = f->own};
  snprintf(e->file, sizeof e->file, "%s-%05d.h5", fd_split_names[split], (*part)++);
  snprintf(e->split, sizeof e->split, "%s", fd_split_names[split]);
  FD_TRY(fd_path(path, folder, e->file, NULL));
  FD_TRY(fd_shard_write(path, &shard, e));
  m->shards++;
  f->count = f->letters = 0;
  fd_progress(0, "shard %d", m->shards);
  return fd_guard_go_on();
}

static fd_status write_split(filling *f, const fd_record_set *set, int split, const char *folder, fd_manifest *m) {
  int part = 0;
  for (int64_t i = 0; i < set->taxa.count; i++) {
    if (set->split[i] != split) continue;
    put_record(f, set, i);
    if (f->count == set->options->shard_windows) FD_TRY(write_shard(f, set, split, folder, m, &part));
  }
  return f->count ? write_shard(f, set, split, folder, m, &part) : FD_OK;
}

static fd_status write_shards(const fd_record_set *set, const char *folder, fd_manifest *m) {
  int64_t size = set->options->shard_windows, shards = 0;
  filling f = {0};
  for (int s = 0; s < FD_SPLITS; s++) shards += (set->in_split[s] + size - 1) / size;
  if (shards > FD_SHARDS_MAX)
    return fd_fail(FD_USAGE, "--shard-windows %" PRId64 " makes more than %d shards; take more records for each", size,
                   FD_SHARDS_MAX);
  FD_TRY(fd_alloc(&m->shard, (size_t)shards, sizeof *m->shard, "manifest"));
  fd_status status = open_filling(&f, set);
  for (int s = 0; s < FD_SPLITS && status == FD_OK; s++) status = write_split(&f, set, s, folder, m);
  close_filling(&f);
  return status;
}

/* Writes a cell of a TSV; characters that would end it, and quotes, become blanks. */
static void put_cell(FILE *out, const char *text) {
  for (; *text; text++) fputc((unsigned char)*text < 0x20 || *text == 0x7f || *text == '"' ? ' ' : *text, out);
}

static void put_row(FILE *out, const fd_record_set *set, int64_t i) {
  const fd_taxa *t = &set->taxa;
  put_cell(out, t->id[i]);
  fprintf(out, "\t%s\t", set->split[i] == FD_LEFT_OUT ? "" : fd_split_names[set->split[i]]);
  for (int64_t at = t->start[i]; at < t->start[i + 1]; at++) fputc(fd_letters[t->symbols[at]], out);
  for (int c = 0; c < t->columns; c++) fputc('\t', out), put_cell(out, t->value[i * t->columns + c]);
  fputc('\n', out);
}

static fd_status write_table(const fd_record_set *set, int table, const char *folder) {
  char path[FD_PATH_MAX], name[128];
  fd_output output = {0};
  snprintf(name, sizeof name, "%s.tsv", set->table[table]);
  FD_TRY(fd_path(path, folder, name, NULL));
  FD_TRY(fd_output_begin(&output, path));
  fprintf(output.stream, "id\tsplit\tsequence");
  for (int c = 0; c < set->taxa.columns; c++) fputc('\t', output.stream), put_cell(output.stream, set->taxa.column[c]);
  fputc('\n', output.stream);
  for (int64_t i = 0; i < set->taxa.count; i++)
    if (fd_record_set_table(set, i) == table) put_row(output.stream, set, i);
  return fd_output_commit(&output);
}

fd_status fd_record_set_write(const fd_record_set *set, const char *folder, fd_manifest *m) {
  *m = (fd_manifest){.window = (int)set->options->taxa.limit, .records = FD_PACKED_RECORDS};
  FD_TRY(write_shards(set, folder, m));
  for (int k = 0; k < set->tables; k++) FD_TRY(write_table(set, k, folder));
  return fd_dataset_id(m, m->dataset_id);
}
