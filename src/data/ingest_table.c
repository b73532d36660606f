/* Makes shards of records from a table of sequences with their taxonomy. */
#include "data/ingest_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/printable.h"
#include "data/sources.h"

static json_t *options_json(const fd_ingest_table *o) {
  return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:s*, s:s*, s:o, s:o, s:o, s:o}", "limit", (json_int_t)o->taxa.limit,
                   "shortest", (json_int_t)o->taxa.shortest, "shard_windows", (json_int_t)o->shard_windows, "seed",
                   (json_int_t)o->seed, "val_share", o->val_share, "test_share", o->test_share, "known", o->known, "split",
                   o->taxa.part, "by", o->taxa.by, "train", fd_ingest_list(&o->of[FD_TRAIN]), "val",
                   fd_ingest_list(&o->of[FD_VAL]), "test", fd_ingest_list(&o->of[FD_TEST]), "require",
                   fd_ingest_list(&o->taxa.require));
}

static json_t *sources_json(const fd_record_set *set) {
  json_t *out = json_array();
  fd_json_append(&out, fd_ingest_source(set->options->taxa.table, set->table_sha256, set->table_bytes, "table"));
  fd_ingest_add_genome(&out, &set->taxa.genome);
  return out;
}

static json_t *report_json(const fd_record_set *set) {
  const fd_taxa_counts *c = &set->taxa.counts;
  json_t *splits = json_object(), *tables = json_object(), *columns = json_array();
  for (int s = 0; s < FD_SPLITS; s++) fd_json_set(&splits, fd_split_names[s], json_integer(set->in_split[s]));
  for (int k = 0; k < set->tables; k++) fd_json_set(&tables, set->table[k], json_integer(set->in_table[k]));
  for (int i = 0; i < set->taxa.columns; i++) fd_json_append(&columns, json_string(set->taxa.column[i]));
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "rows",
                   (json_int_t)c->rows, "iupac_to_n", (json_int_t)c->iupac, "other_to_n", (json_int_t)c->odd, "cut",
                   (json_int_t)c->cut, "stripped", (json_int_t)c->stripped, "without_nucleotides", (json_int_t)c->none,
                   "too_short", (json_int_t)c->shorter, "lacking", (json_int_t)c->lacking, "duplicates",
                   (json_int_t)c->duplicates, "duplicates_of_other_names", (json_int_t)c->differing, "without_id",
                   (json_int_t)c->nameless, "repeated_ids", (json_int_t)c->repeated, "unnamed", (json_int_t)c->unnamed,
                   "without_record", (json_int_t)c->unplaced, "in_no_split", (json_int_t)set->left_out, "splits", splits,
                   "tables", tables, "columns", columns);
}

static json_t *manifest_of(const fd_record_set *set, const fd_manifest *m) {
  return json_pack("{s:s, s:i, s:s, s:s, s:o, s:o, s:o, s:o}", "format", fd_manifest_formats[m->records], "window", m->window,
                   "dataset_id", m->dataset_id, "assembly", "", "options", options_json(set->options), "sources",
                   sources_json(set), "report", report_json(set), "shards", fd_ingest_shards(m));
}

static void print_count(const char *what, int64_t count, const char *rest) {
  if (count) printf("%-10s %" PRId64 " %s\n", what, count, rest);
}

static void report(const fd_record_set *set, const fd_manifest *m) {
  const fd_taxa_counts *c = &set->taxa.counts;
  int64_t letters = set->taxa.start[set->taxa.count];
  printf("read       %" PRId64 " rows; %" PRId64 " sequences of %" PRId64 " letters are kept, with %d columns of names\n",
         c->rows, set->taxa.count, letters, set->taxa.columns);
  print_count("read", c->iupac, "IUPAC letters other than A, C, G, T and N became N");
  print_count("read", c->odd, "letters that are no nucleotides became N: words with them are [UNK]");
  print_count("cut", c->cut, "sequences were longer than --limit");
  print_count("cut", c->stripped, "sequences had N after their last nucleotide");
  print_count("left out", c->lacking, "rows lack what --require names");
  print_count("left out", c->none, "sequences without A, C, G and T");
  print_count("left out", c->shorter, "sequences shorter than --shortest");
  print_count("left out", c->duplicates, "sequences that are equal to an earlier one");
  print_count("left out", c->differing, "of these have another name than the earlier one");
  print_count("note", c->nameless, "records have no id: the number of their row in OUT's tables stands for it");
  print_count("note", c->repeated, "records have the id of an earlier one");
  print_count("note", c->unnamed, "records of FASTA files that the table does not name");
  print_count("note", c->unplaced, "rows of the table without a record");
  print_count("note", set->left_out, "records of no split: in tables, in no shard");
  for (int s = 0; s < FD_SPLITS; s++)
    if (set->in_split[s]) printf("%-10s %" PRId64 " records\n", fd_split_names[s], set->in_split[s]);
  for (int k = 0; k < set->tables; k++)
    fd_print("table      %s/%s.tsv: %" PRId64 " rows\n", set->options->output, set->table[k], set->in_table[k]);
  fd_print("written    %" PRId64 " records in %d shards to %s; dataset_id %s\n",
           set->in_split[FD_TRAIN] + set->in_split[FD_VAL] + set->in_split[FD_TEST], m->shards, set->options->output,
           m->dataset_id);
}

/* The work of rank 0. */
static fd_status make(fd_record_set *set, const char *temporary, const fd_sources *sources) {
  const fd_ingest_table *o = set->options;
  fd_manifest m = {0};
  fd_status status = FD_OK;
  FD_GO(fd_sha256_file(o->taxa.table, set->table_sha256, &set->table_bytes));
  FD_GO(fd_taxa_read(&set->taxa, &o->taxa));
  FD_GO(fd_record_set_split(set));
  FD_GO(fd_record_set_write(set, temporary, &m));
  FD_GO(fd_sources_unchanged(sources));
  FD_GO(fd_ingest_commit(temporary, o->output, manifest_of(set, &m)));
  report(set, &m);
done:
  fd_manifest_free(&m);
  return status;
}

fd_status fd_ingest_table_run(const fd_ingest_table *o, fd_comm *comm) {
  char temporary[FD_TEMPORARY_MAX];
  fd_record_set set = {.options = o};
  fd_sources sources;
  int lock;
  fd_status status = fd_ingest_take(o->output, comm, temporary, &lock);
  if (status == FD_OK)
    status = fd_sources_begin(&sources, &o->taxa.files, (const char *const[FD_SOURCES_MORE]){o->taxa.table}, comm);
  if (status == FD_OK) status = fd_comm_agree(comm, comm->rank ? FD_OK : make(&set, temporary, &sources));
  fd_ingest_leave(temporary, lock, status);
  free(set.split);
  fd_taxa_free(&set.taxa);
  return status;
}
