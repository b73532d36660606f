/* findna merges SHARDS --output FILE: learns the merges of byte-pair encoding from training windows. */
#include <inttypes.h>

#include "base/args.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "commands/command.h"
#include "data/merges.h"
#include "output/json_file.h"

typedef struct options {
  const char *shards, *output;
  int64_t vocabulary, windows;
} options;

static fd_status read_options(int argc, char **argv, options *o, int *helped) {
  const fd_arg table[] = {
      {"vocabulary", FD_ARG_INT, &o->vocabulary, FD_MERGES_FIRST, FD_MERGES_IDS_MAX, "N",
       "size of the vocabulary: [UNK] [CLS] [SEP] [PAD] [MASK], A, C, G, T, and one token per merge"},
      {"windows", FD_ARG_INT, &o->windows, 0, 1e12, "N", "learn from the first N training windows only; 0: from all"},
      {"output", FD_ARG_TEXT, &o->output, 0, 0, "FILE", "tokenizer.json to write"},
      {0},
  };
  const fd_args args = {
      "merges", "SHARDS --output FILE [options]",
      "Learns the merges of byte-pair encoding from training windows. SHARDS is a folder made by 'findna prepare'. The most\n"
      "frequent pair of adjacent tokens becomes a new token, until the vocabulary has N; of equally frequent pairs the one\n"
      "with the smallest ids. FILE is a tokenizer.json like DNABERT-2's, for 'findna pretrain' (data.tokenizer) and the\n"
      "tokenizers library.",
      table};
  int count;
  FD_TRY(fd_args_parse(&args, argc, argv, &o->shards, 1, &count, helped));
  if (*helped) return FD_OK;
  if (!count || !o->output) return fd_fail(FD_USAGE, "findna merges: give SHARDS and --output FILE; see findna merges --help");
  return FD_OK;
}

static fd_status write_merges(const options *o, const fd_merges *merges) {
  json_t *root = fd_merges_json(merges);
  fd_status status = fd_json_write(o->output, root);
  json_decref(root);
  FD_TRY(status);
  if (FD_MERGES_FIRST + merges->count < o->vocabulary)
    fd_warn("after %d merges no pair is left to join: the vocabulary has %d tokens (model.vocabulary), not %" PRId64,
            merges->count, FD_MERGES_FIRST + merges->count, o->vocabulary);
  fd_info("wrote %s: %d merges, a vocabulary of %d tokens", o->output, merges->count, FD_MERGES_FIRST + merges->count);
  return FD_OK;
}

static fd_status learn(const options *o, fd_manifest *manifest, fd_windows *windows, fd_merges *merges) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_check_output_place(o->output));
  FD_TRY(fd_path(path, o->shards, "manifest.json", NULL));
  FD_TRY(fd_check_output(o->output, path));
  if (fd_is_absent(o->shards))
    return fd_fail(FD_MISSING, "%s: no such folder; 'findna prepare' makes one from FASTA or 2bit files", o->shards);
  FD_TRY(fd_manifest_read(o->shards, manifest));
  FD_TRY(fd_windows_load(manifest, "train", windows));
  if (!windows->count) return fd_fail(FD_DATA, "%s: has no training windows", o->shards);
  int64_t count = o->windows && o->windows < windows->count ? o->windows : windows->count;
  fd_info("learning from %" PRId64 " of %" PRId64 " training windows", count, windows->count);
  FD_TRY(fd_merges_learn(windows, count, (int)o->vocabulary, merges));
  return write_merges(o, merges);
}

fd_status fd_command_merges(fd_comm *comm, int argc, char **argv) {
  options o = {.vocabulary = 4096};
  fd_manifest manifest = {0};
  fd_windows windows = {0};
  fd_merges merges = {0};
  int helped;
  (void)comm;
  FD_TRY(read_options(argc, argv, &o, &helped));
  if (helped) return FD_OK;
  fd_status status = learn(&o, &manifest, &windows, &merges);
  fd_merges_free(&merges);
  fd_windows_free(&windows);
  fd_manifest_free(&manifest);
  return status;
}
