/* findna prepare: shards of windows from FASTA or 2bit files, or the verification of shards. */
#include "commands/prepare.h"

#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/path.h"
#include "base/printable.h"
#include "commands/command.h"
#include "data/ingest.h"
#include "data/manifest.h"

static fd_status verify(fd_comm *comm, const char *folder) {
  fd_manifest m;
  FD_TRY(fd_manifest_read(folder, &m));
  fd_status status = fd_manifest_same(&m, comm);
  if (status == FD_OK) status = fd_manifest_verify(&m, comm);
  int64_t windows = 0;
  for (int i = 0; i < m.shards; i++) windows += m.shard[i].windows;
  if (status == FD_OK && comm->rank == 0)
    fd_print("%s: %d shards with %lld %s %d%s are whole; dataset_id %s\n", folder, m.shards, (long long)windows,
             m.records ? "records of up to" : "windows of", m.window, m.files > 0 ? ", and the tables," : "", m.dataset_id);
  if (status == FD_OK && comm->rank == 0 && m.files < 0)
    fd_info("%s: its manifest is of an earlier version, which did not list the tables: they were not verified", folder);
  fd_manifest_free(&m);
  return status;
}

static fd_status check_options(const fd_ingest_options *o) {
  if (!o->stride && o->count + o->val_count + o->test_count == 0)
    return fd_fail(FD_USAGE, "findna prepare: give --count N (random windows) or --stride S");
  if (o->stride && o->count + o->val_count + o->test_count)
    return fd_fail(FD_USAGE, "findna prepare: --stride and --count, --val-count, --test-count exclude each other");
  if (o->bed && o->holdout.count) return fd_fail(FD_USAGE, "findna prepare: --bed and --holdout exclude each other");
  if (strcmp(o->sampling, "length") && strcmp(o->sampling, "uniform"))
    return fd_fail(FD_USAGE, "findna prepare: --sampling %s: expected length or uniform", o->sampling);
  if (o->partial && !o->bed && !o->exclude)
    return fd_fail(FD_USAGE, "findna prepare: --partial is for rows of --bed FILE and --exclude FILE");
  if (o->val_count && !o->bed && !o->holdout.count)
    return fd_fail(FD_USAGE, "findna prepare: --val-count needs held-out sequence: --holdout CONTIG or --bed FILE");
  return FD_OK;
}

/* Refuses options that would have no effect together with --verify or --stride. */
static fd_status check_effect(const fd_args *args, int argc, char **argv, int check, const fd_ingest_options *o) {
  static const char *const of_random[] = {"sampling", "seed"};
  for (const fd_arg *a = args->table; check && a->name; a++)
    if (strcmp(a->name, "verify") && fd_args_given(args, argc, argv, a->name))
      return fd_fail(FD_USAGE, "findna prepare: --%s has no effect beside --verify", a->name);
  for (int i = 0; i < 2; i++)
    if (o->stride && fd_args_given(args, argc, argv, of_random[i]))
      return fd_fail(FD_USAGE, "findna prepare: --%s is for random windows; it has no effect beside --stride", of_random[i]);
  return FD_OK;
}

fd_status fd_prepare_output(const char *given, char output[FD_PATH_MAX]) {
  FD_TRY(fd_path_resolve(output, given));
  const char *slash = strrchr(output, '/'), *name = slash ? slash + 1 : output;
  if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
    return fd_fail(FD_USAGE, "findna prepare: OUT '%s' is not the name of a new folder", given);
  return FD_OK;
}

/* Runs what the options and words of the command line request. */
static fd_status run(fd_comm *comm, fd_ingest_options *o, int check, const char *const *words, int count) {
  char output[FD_PATH_MAX];
  if (check && count == 1) return verify(comm, words[0]);
  if (check || count < 2)
    return fd_fail(FD_USAGE, "findna prepare: give OUT and at least one FILE (or --verify OUT); see findna prepare --help");
  FD_TRY(fd_prepare_output(words[0], output));
  o->output = output;
  if (!strcasecmp(o->assembly, "GRCh38") || !strcasecmp(o->assembly, "hg38")) o->assembly = "GRCh38";
  for (int i = 1; i < count; i++) o->files.item[o->files.count++] = words[i];
  FD_TRY(check_options(o));
  return fd_ingest_run(o, comm);
}

static const char about[] =
    "Cuts windows from FASTA (plain, gzip, bgzip, xz) or 2bit files into HDF5 shards and a manifest in the new folder OUT.\n"
    "A record named contig:first-last (1-based, inclusive) is read as that region of the contig. Under mpirun the ranks\n"
    "share the work; the result is bit-identical for any number of ranks.";

fd_status fd_command_prepare(fd_comm *comm, int argc, char **argv) {
  fd_ingest_options o = {.window = 1000, .max_n = 1, .shard_windows = 16384, .sampling = "length", .assembly = ""};
  int check = 0, count, helped;
  const char *words[FD_LIST_MAX], *records = NULL;
  fd_prepare_form of_table;
  fd_prepare_table_form(&of_table);
  const fd_arg table[] = {
      {"window", FD_ARG_INT, &o.window, 1, 1 << 24, "L", "window length in nucleotides"},
      {"count", FD_ARG_INT, &o.count, 0, 1e12, "N", "random training windows"},
      {"val-count", FD_ARG_INT, &o.val_count, 0, 1e12, "N", "random held-out windows"},
      {"test-count", FD_ARG_INT, &o.test_count, 0, 1e12, "N", "random test windows (with --bed)"},
      {"stride", FD_ARG_INT, &o.stride, 0, 1e9, "S", "instead of random windows: a window every S nucleotides"},
      {"sampling", FD_ARG_TEXT, &o.sampling, 0, 0, "HOW",
       "random windows: contigs drawn by their 'length', or all with equal probability ('uniform', as the authors do)"},
      {"max-n", FD_ARG_REAL, &o.max_n, 0, 1, "SHARE", "largest fraction of N in a window; 1: no filter"},
      {"contigs", FD_ARG_LIST, &o.contigs, 0, 0, "A,B",
       "use only these contigs (default: chromosomes 1-22, X, Y of a human assembly, recognised by its lengths, else all); "
       "chr1 = 1"},
      {"holdout", FD_ARG_LIST, &o.holdout, 0, 0, "A,B", "these contigs are the held-out split 'val'"},
      {"bed", FD_ARG_TEXT, &o.bed, 0, 0, "FILE",
       "splits by intervals: contig, start, end, split (train, val, test); each window is contained in one interval"},
      {"exclude", FD_ARG_TEXT, &o.exclude, 0, 0, "FILE",
       "make no window that overlaps these intervals (BED), such as those of a benchmark for later evaluation"},
      {"partial", FD_ARG_FLAG, &o.partial, 0, 0, NULL,
       "skip rows of --bed and --exclude whose contig is in none of the files, and report how many"},
      {"assembly", FD_ARG_TEXT, &o.assembly, 0, 0, "NAME",
       "recorded in the shards; with GRCh38 (or hg38) the names and lengths of the chromosomes are checked"},
      {"seed", FD_ARG_INT, &o.seed, 0, 9007199254740992.0, "N", "seed of the random positions"},
      {"shard-windows", FD_ARG_INT, &o.shard_windows, 1, 65536, "N", "windows per shard"},
      {"table", FD_ARG_TEXT, &records, 0, 0, "FILE",
       "make records (sequences with their taxonomy) instead of windows; this form has its own options"},
      {"verify", FD_ARG_FLAG, &check, 0, 0, NULL,
       "check size and SHA-256 of every shard and table of a folder: findna prepare --verify OUT"},
      {.value = &of_table.args},
  };
  const fd_args args = {"prepare", "[options] OUT FILE...", about, table};
  if (fd_args_given(&args, argc, argv, "table")) return fd_prepare_table(comm, argc, argv, &of_table);
  FD_TRY(fd_args_parse(&args, argc, argv, words, FD_LIST_MAX, &count, &helped));
  if (!helped) FD_TRY(check_effect(&args, argc, argv, check, &o));
  return helped ? FD_OK : run(comm, &o, check, words, count);
}
