/* The manifest of an ingest, its table of sequences, and its report on stdout. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/text.h"
#include "data/ingest_parts.h"

json_t *fd_ingest_list(const fd_list *list) {
  json_t *out = json_array();
  for (int i = 0; i < list->count; i++) fd_json_append(&out, json_string(list->item[i]));
  return out;
}

static json_t *options_json(const fd_ingest_options *o) {
  json_t *root =
      json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:s, s:I, s:o, s:o, s:b, s:b}", "window", (json_int_t)o->window, "count",
                (json_int_t)o->count, "val_count", (json_int_t)o->val_count, "test_count", (json_int_t)o->test_count, "stride",
                (json_int_t)o->stride, "shard_windows", (json_int_t)o->shard_windows, "max_n", o->max_n, "sampling", o->sampling,
                "seed", (json_int_t)o->seed, "contigs", fd_ingest_list(&o->contigs), "holdout", fd_ingest_list(&o->holdout),
                "bed", o->bed != NULL, "partial", o->partial);
  if (o->exclude) fd_json_set(&root, "exclude", json_true());
  return root;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

json_t *fd_ingest_source(const char *path, const char *sha256, uint64_t bytes, const char *format) {
  return json_pack("{s:s, s:s, s:I, s:s}", "file", base_name(path), "sha256", sha256, "bytes", (json_int_t)bytes, "format",
                   format);
}

void fd_ingest_add_genome(json_t **sources, const fd_genome *g) {
  for (int i = 0; i < g->files; i++)
    fd_json_append(sources,
                   fd_ingest_source(g->file[i].path, g->file[i].sha256, g->file[i].bytes, g->file[i].twobit ? "2bit" : "fasta"));
}

static json_t *sources_json(const fd_genome *g) {
  json_t *out = json_array();
  fd_ingest_add_genome(&out, g);
  return out;
}

static json_t *report_json(const fd_ingest *in) {
  const fd_read_counts *c = &in->genome.counts;
  json_t *iupac = json_object(), *splits = json_object();
  for (int i = 0; i < 26; i++)
    if (c->iupac[i]) fd_json_set(&iupac, (char[]){(char)('A' + i), '\0'}, json_integer(c->iupac[i]));
  for (int s = 0; s < FD_SPLITS; s++) {
    const fd_places *p = &in->places[s];
    fd_json_set(&splits, fd_split_names[s],
                json_pack("{s:I, s:I, s:I}", "windows", (json_int_t)p->count, "refused_end", (json_int_t)p->crossed, "refused_n",
                          (json_int_t)p->too_many_n));
  }
  return json_pack("{s:i, s:I, s:I, s:I, s:o, s:o}", "sequences", in->genome.records, "bases", (json_int_t)c->bases, "n",
                   (json_int_t)c->n, "lower_case", (json_int_t)c->lower, "iupac_to_n", iupac, "splits", splits);
}

json_t *fd_ingest_shards(const fd_manifest *m) {
  json_t *shards = json_array();
  for (int i = 0; i < m->shards; i++) {
    const fd_shard_entry *e = &m->shard[i];
    fd_json_append(&shards, json_pack("{s:s, s:s, s:I, s:I, s:s}", "file", e->file, "split", e->split, "windows",
                                      (json_int_t)e->windows, "bytes", (json_int_t)e->bytes, "sha256", e->sha256));
  }
  return shards;
}

json_t *fd_ingest_manifest(const fd_ingest *in, const fd_manifest *m) {
  return json_pack("{s:s, s:i, s:s, s:s, s:o, s:o, s:o, s:o}", "format", fd_manifest_formats[0], "window", m->window,
                   "dataset_id", m->dataset_id, "assembly", in->options->assembly, "options", options_json(in->options),
                   "sources", sources_json(&in->genome), "report", report_json(in), "shards", fd_ingest_shards(m));
}

fd_status fd_ingest_contigs(const fd_ingest *in, char **text, size_t *bytes) {
  FILE *out;
  FD_TRY(fd_text_open(&out, text, bytes));
  fprintf(out, "contig\tfirst\tlength\tn\tused\n");
  for (int i = 0; i < in->genome.records; i++) {
    const fd_record *r = &in->genome.record[i];
    fprintf(out, "%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%d\n", r->contig, r->first, r->length,
            fd_record_count_n(r, 0, r->length), in->used[i]);
  }
  return fd_text_close(out, text);
}

/* Reports sequences that are not used, the first few by name. */
static void report_left_out(const fd_ingest *in) {
  enum { FEW = 8 };
  const fd_genome *g = &in->genome;
  int64_t bases = 0;
  int left = 0;
  for (int i = 0; i < g->records; i++) {
    if (in->used[i]) continue;
    bases += g->record[i].length;
    if (++left <= FEW) fd_print("left out   %s (%" PRId64 " bases)\n", g->record[i].contig, g->record[i].length);
  }
  if (left) printf("left out   %d sequences, %" PRId64 " bases: not among the contigs to use\n", left, bases);
}

/* Reports rows of the BED file that were used in part or not at all. */
static void report_splits(const fd_split_counts *c) {
  if (c->unused)
    printf("left out   %" PRId64 " of %" PRId64 " intervals: in sequences that are not among the contigs to use\n", c->unused,
           c->rows);
  if (c->absent)
    printf("left out   %" PRId64 " of %" PRId64 " intervals: not in the files given (--partial)\n", c->absent, c->rows);
  if (c->outside) printf("left out   %" PRId64 " bases of intervals: beyond the regions that the files hold\n", c->outside);
}

void fd_ingest_report(const fd_ingest *in, const fd_manifest *m) {
  const fd_genome *g = &in->genome;
  const fd_read_counts *c = &g->counts;
  int64_t odd = 0, windows = 0;
  for (int i = 0; i < 26; i++) odd += c->iupac[i];
  printf("read       %" PRId64 " bases in %d sequences of %d file%s; %" PRId64 " N (%" PRId64
         " of them other IUPAC letters), %" PRId64 " in lower case\n",
         c->bases, g->records, g->files, g->files > 1 ? "s" : "", c->n, odd, c->lower);
  if (c->empty) printf("read       %" PRId64 " records have no sequence\n", c->empty);
  if (c->other_region)
    printf("read       %" PRId64 " records named contig:first-last have another length: taken as names, not as places\n",
           c->other_region);
  report_left_out(in);
  report_splits(&in->splits);
  if (in->options->exclude)
    printf("excluded   %" PRId64 " bases of %" PRId64 " intervals; %" PRId64 " of these are not in the files or contigs to use\n",
           in->excluded, in->exclusions.rows, in->exclusions.absent + in->exclusions.unused);
  if (in->options->exclude && !in->excluded)
    fd_warn("%s: excludes nothing from the windows; are its contig names and its assembly those of the files?",
            in->options->exclude);
  for (int s = 0; s < FD_SPLITS; s++) {
    const fd_places *p = &in->places[s];
    if (!p->count) continue;
    windows += p->count;
    fd_print("%-10s %" PRId64 " windows of %d; refused places: %" PRId64 " over an end, %" PRId64 " with too many N\n",
             fd_split_names[s], p->count, m->window, p->crossed, p->too_many_n);
  }
  fd_print("written    %" PRId64 " windows in %d shards to %s; dataset_id %s\n", windows, m->shards, in->options->output,
           m->dataset_id);
}
