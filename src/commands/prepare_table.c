/* findna prepare --table FILE: makes shards of records from a table of sequences with their taxonomy. */
#include "commands/prepare.h"

#include <string.h>

#include "commands/command.h"

/* No value may be twice in the lists of splits: its rows would be in the first one only. */
static fd_status check_values(const fd_ingest_table *o, int a, int b) {
  for (int i = 0; i < o->of[a].count; i++)
    for (int k = a == b ? i + 1 : 0; k < o->of[b].count; k++)
      if (!strcmp(o->of[a].item[i], o->of[b].item[k]))
        return fd_fail(FD_USAGE, "findna prepare: the value '%s' is in --%s and %s--%s", o->of[a].item[i], fd_split_names[a],
                       a == b ? "again in " : "in ", fd_split_names[b]);
  return FD_OK;
}

static fd_status check_rule(const fd_args *args, int argc, char **argv, const fd_ingest_table *o, const char *by,
                            const char *known) {
  static const char *const of_column[] = {"train", "val", "test"}, *const of_share[] = {"by", "known", "val-share", "test-share",
                                                                                        "seed"};
  for (int i = 0; i < 3; i++)
    if (!o->taxa.part && fd_args_given(args, argc, argv, of_column[i]))
      return fd_fail(FD_USAGE, "findna prepare: --%s names values of a column; say which with --split COLUMN", of_column[i]);
  for (int i = 0; i < 5; i++)
    if (o->taxa.part && fd_args_given(args, argc, argv, of_share[i]))
      return fd_fail(FD_USAGE, "findna prepare: --%s has no effect beside --split, whose column determines the splits",
                     of_share[i]);
  for (int a = 0; a < FD_SPLITS; a++)
    for (int b = a; b < FD_SPLITS; b++) FD_TRY(check_values(o, a, b));
  if (by && known) return fd_fail(FD_USAGE, "findna prepare: --by and --known exclude each other");
  if (o->val_share + o->test_share >= 1)
    return fd_fail(FD_USAGE, "findna prepare: --val-share and --test-share leave nothing to train on");
  if (o->taxa.shortest > o->taxa.limit)
    return fd_fail(FD_USAGE, "findna prepare: --shortest %lld is more than --limit %lld", (long long)o->taxa.shortest,
                   (long long)o->taxa.limit);
  return FD_OK;
}

void fd_prepare_table_form(fd_prepare_form *f) {
  *f = (fd_prepare_form){.options = {.taxa = {.limit = 660, .shortest = 12}, .val_share = 0.1, .shard_windows = 16384}};
  fd_ingest_table *o = &f->options;
  const fd_arg table[FD_PREPARE_ARGS] = {
      {"table", FD_ARG_TEXT, &o->taxa.table, 0, 0, "FILE",
       "CSV or TSV with a header (plain, gzip, xz): sequences and their taxonomy, or the classification of the FASTA files"},
      {"columns", FD_ARG_LIST, &o->taxa.columns, 0, 0, "A,B",
       "columns to keep (default: those of kingdom, phylum, ... genus, species and the BIN that the table has)"},
      {"require", FD_ARG_LIST, &o->taxa.require, 0, 0, "A,B", "leave out rows with an empty cell in one of these columns"},
      {"limit", FD_ARG_INT, &o->taxa.limit, 1, 1 << 20, "L", "largest number of nucleotides of a sequence; longer ones are cut"},
      {"shortest", FD_ARG_INT, &o->taxa.shortest, 1, 1 << 20, "L", "leave out sequences of fewer nucleotides"},
      {"split", FD_ARG_TEXT, &o->taxa.part, 0, 0, "COLUMN",
       "the column that determines the split; a table is written for each of its values"},
      {"train", FD_ARG_LIST, &o->of[FD_TRAIN], 0, 0, "A,B",
       "values of that column to train on (default: those in no other list)"},
      {"val", FD_ARG_LIST, &o->of[FD_VAL], 0, 0, "A,B", "values of that column that are held out for evaluations"},
      {"test", FD_ARG_LIST, &o->of[FD_TEST], 0, 0, "A,B", "values of that column to test on"},
      {"val-share", FD_ARG_REAL, &o->val_share, 0, 1, "SHARE", "without --split: fraction that is held out, chosen by hash"},
      {"test-share", FD_ARG_REAL, &o->test_share, 0, 1, "SHARE", "without --split: fraction to test on"},
      {"by", FD_ARG_TEXT, &f->by, 0, 0, "COLUMN",
       "split by the names in this column: a held-out species or genus is held out with all of its rows (open world)"},
      {"known", FD_ARG_TEXT, &f->known, 0, 0, "COLUMN",
       "split by sequence, but each name in this column keeps at least one training row (closed world)"},
      {"seed", FD_ARG_INT, &o->seed, 0, 9007199254740992.0, "N", "seed of the hash split"},
      {"shard-windows", FD_ARG_INT, &o->shard_windows, 1, 65536, "N", "records per shard"},
      {0},
  };
  memcpy(f->table, table, sizeof table);
  f->args = (fd_args){
      "prepare", "--table FILE [options] OUT [FASTA ...]",
      "Makes shards of records (sequences of different lengths) from a table of barcodes with their taxonomy, or from FASTA\n"
      "files and a table of their classification (its column id names the FASTA records). Trailing N are removed, and of\n"
      "identical sequences only the first is kept. OUT also gets tables with id, split, sequence and the names, for knn and\n"
      "probe.",
      f->table};
}

static fd_status parse(int argc, char **argv, fd_prepare_form *f, const char **words, int *count, int *helped) {
  fd_ingest_table *o = &f->options;
  FD_TRY(fd_args_parse(&f->args, argc, argv, words, FD_LIST_MAX, count, helped));
  if (*helped) return FD_OK;
  if (*count < 1) return fd_fail(FD_USAGE, "findna prepare --table FILE: give OUT; see findna prepare --table FILE --help");
  FD_TRY(check_rule(&f->args, argc, argv, o, f->by, f->known));
  o->known = f->known != NULL;
  o->taxa.by = f->known ? f->known : f->by;
  return FD_OK;
}

fd_status fd_prepare_table(fd_comm *comm, int argc, char **argv, fd_prepare_form *f) {
  const char *words[FD_LIST_MAX];
  char output[FD_PATH_MAX];
  int count, helped;
  FD_TRY(parse(argc, argv, f, words, &count, &helped));
  if (helped) return FD_OK;
  FD_TRY(fd_prepare_output(words[0], output));
  f->options.output = output;
  fd_list *files = &f->options.taxa.files;
  for (int i = 1; i < count; i++) files->item[files->count++] = words[i];
  return fd_ingest_table_run(&f->options, comm);
}
