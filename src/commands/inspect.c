/* findna inspect PATH: shows and verifies a checkpoint, a run folder, a shard, a manifest, a safetensors file or embeddings. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/args.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "commands/command.h"
#include "data/stream.h"
#include "data/shards.h"
#include "output/matrix_show.h"
#include "output/safetensors.h"
#include "train/checkpoint_format.h"

enum { READER_SECONDS = 3, READER_BYTES = 20 << 20 }; /* CPU seconds for an HDF5 file, plus one per READER_BYTES */

/* Reads one value as a double; returns 0 for types without statistics. */
static int value_of(const fd_tensor *t, size_t i, double *value) {
  if (!strcmp(t->dtype, "F32")) *value = (double)((const float *)t->data)[i];
  else if (!strcmp(t->dtype, "F64")) *value = ((const double *)t->data)[i];
  else if (!strcmp(t->dtype, "I64")) *value = (double)((const int64_t *)t->data)[i];
  else if (!strcmp(t->dtype, "U64")) *value = (double)((const uint64_t *)t->data)[i];
  else if (!strcmp(t->dtype, "I32")) *value = (double)((const int32_t *)t->data)[i];
  else if (!strcmp(t->dtype, "U8")) *value = (double)((const uint8_t *)t->data)[i];
  else return 0;
  return 1;
}

static size_t elements(const fd_tensor *t) {
  size_t n = 1;
  for (int d = 0; d < t->dims; d++) n *= (size_t)t->shape[d];
  return n;
}

static fd_value_range summarize(const fd_tensor *t) {
  fd_value_range range;
  size_t n = elements(t);
  double value;
  fd_value_range_begin(&range);
  for (size_t i = 0; i < n && value_of(t, i, &value); i++) fd_value_range_take(&range, value);
  return range;
}

static void print_tensor(const fd_tensor *t) {
  char shape[128] = "";
  int at = 0;
  fd_value_range s = summarize(t);
  for (int d = 0; d < t->dims; d++)
    at += snprintf(shape + at, sizeof shape - (size_t)at, "%s%" PRId64, d ? ", " : "", t->shape[d]);
  fd_print("%-44s %-4s [%s]%*s", t->name, t->dtype, shape, at < 14 ? 14 - at : 0, "");
  if (s.finite) printf("  %12.5g %12.5g %12.5g %10" PRId64 "\n", s.min, s.mean, s.max, s.not_finite);
  else printf("  %12s %12s %12s %10zu\n", "-", "-", "-", s.not_finite);
}

static fd_status inspect_safetensors(const char *path) {
  fd_safetensors file;
  size_t values = 0, not_finite = 0;
  FD_TRY(fd_safetensors_read(path, &file));
  printf("%-44s %-4s %-16s  %12s %12s %12s %10s\n", "tensor", "type", "shape", "min", "mean", "max", "non-finite");
  for (int i = 0; i < file.count; i++) {
    print_tensor(&file.tensor[i]);
    values += elements(&file.tensor[i]);
    not_finite += summarize(&file.tensor[i]).not_finite;
  }
  printf("%d tensors, %zu values, %zu not finite\n", file.count, values, not_finite);
  fd_safetensors_free(&file);
  return FD_OK;
}

/* Whether an error is about the file under inspection and not about this process. */
static int is_damage(fd_status status) { return status == FD_DATA || status == FD_MISSING; }

/* Checks one file of a checkpoint against its MANIFEST. */
static fd_status check_file(const char *folder, const fd_slice *s) {
  char path[FD_PATH_MAX], hex[FD_SHA256_HEX];
  uint64_t bytes;
  FD_TRY(fd_path(path, folder, s->name, NULL));
  FD_TRY(fd_sha256_file(path, hex, &bytes));
  int good = bytes == s->bytes && !strcmp(hex, s->sha256);
  fd_print("  %-28s %12" PRIu64 " bytes  %.16s...  %s\n", s->name, bytes, hex, good ? "ok" : "WRONG");
  if (good) return FD_OK;
  return fd_fail(FD_DATA, "%s: %" PRIu64 " bytes with SHA-256 %.16s..., but MANIFEST says %" PRIu64 " bytes and %.16s...", path,
                 bytes, hex, s->bytes, s->sha256);
}

static fd_status inspect_checkpoint(const char *folder) {
  fd_checkpoint_info info;
  fd_slice *slices;
  char path[FD_PATH_MAX], *text = NULL;
  size_t bytes;
  int count, bad = 0;
  FD_TRY(fd_alloc(&slices, FD_CHECKPOINT_FILES_MAX, sizeof *slices, "checkpoint"));
  fd_status status = fd_checkpoint_manifest_parse(folder, &info, slices, &count);
  if (status == FD_OK) status = fd_path(path, folder, "MANIFEST", NULL);
  if (status == FD_OK) status = fd_read_file(path, FD_MANIFEST_MAX, &text, &bytes);
  if (status == FD_OK) {
    fd_print("checkpoint %s\n", folder);
    printf("  step     %" PRId64 "\n  state_id %s\nMANIFEST (its own hash is right):\n", info.step, info.state_id);
    for (char *line, *rest = text; (line = strsep(&rest, "\n"));)
      if (*line || rest) fd_print("%s\n", line);
    printf("files:\n");
    for (int i = 0; i < count && status == FD_OK; i++) {
      fd_status one = check_file(folder, &slices[i]);
      bad += is_damage(one);
      if (!is_damage(one)) status = one;
    }
    if (bad && status == FD_OK)
      status =
          fd_fail(FD_DATA, "%s: %d of %d files are missing or damaged; a resume takes an older checkpoint", folder, bad, count);
    else if (status == FD_OK) printf("all %d files are as written\n", count);
  }
  free(text);
  free(slices);
  return status;
}

static fd_status inspect_run(const char *folder) {
  char path[FD_PATH_MAX];
  int64_t *steps, taken = -1;
  int count, bad = 0, refused = 0;
  fd_checkpoint_info info;
  FD_TRY(fd_checkpoint_list(folder, &steps, &count));
  fd_print("run %s: %d checkpoint%s\n", folder, count, count == 1 ? "" : "s");
  for (int i = 0; i < count; i++) {
    fd_status status = fd_checkpoint_folder(path, folder, steps[i]);
    if (status == FD_OK) status = fd_checkpoint_verify(path, 1, &info);
    int good = status == FD_OK;
    if (!good && status != FD_NUMERIC && !is_damage(status)) {
      free(steps);
      return status;
    }
    refused |= status == FD_NUMERIC && taken < 0; /* a resume skips damaged checkpoints, but not a diverged one */
    if (good && taken < 0 && !refused) taken = steps[i];
    bad += !good;
    if (good)
      printf("  step %-12" PRId64 " ok       state_id %s%s\n", steps[i], info.state_id,
             taken == steps[i] ? "  <- a resume takes this one" : "");
    else fd_print("  step %-12" PRId64 " %s %s\n", steps[i], status == FD_NUMERIC ? "DIVERGED" : "DAMAGED ", path);
  }
  free(steps);
  if (!count) printf("  'findna pretrain' begins at step 0\n");
  if (refused)
    return fd_fail(FD_NUMERIC, "%s: a resume is refused until the newest checkpoints that have DIVERGED are moved away", folder);
  if (bad && taken < 0)
    return fd_fail(FD_DATA, "%s: no checkpoint is intact; a resume is refused, --restart starts over", folder);
  return bad ? fd_fail(FD_DATA, "%s: %d of %d checkpoints are damaged", folder, bad, count) : FD_OK;
}

static fd_status inspect_shards(const char *folder) {
  fd_manifest m;
  FD_TRY(fd_manifest_read(folder, &m));
  fd_print("shards %s\n", folder);
  fd_print("  dataset_id %s\n", m.dataset_id);
  printf("  %s %d nucleotides\n", m.records ? "records of up to" : "windows of", m.window);
  for (int i = 0; i < m.shards; i++)
    fd_print("  %-24s %-6s %10" PRId64 " %s %14" PRIu64 " bytes  %.16s...\n", m.shard[i].file, m.shard[i].split,
             m.shard[i].windows, m.records ? "records" : "windows", m.shard[i].bytes, m.shard[i].sha256);
  fd_status status = fd_manifest_verify(&m, fd_comm_self()); /* only the root is here: no collectives with other ranks */
  if (status == FD_OK) printf("all %d shards%s are as written\n", m.shards, m.files > 0 ? ", and the tables," : "");
  fd_manifest_free(&m);
  return status;
}

static int has(const char *folder, const char *name) {
  char path[FD_PATH_MAX];
  return fd_path(path, folder, name, NULL) == FD_OK && !fd_is_absent(path);
}

static fd_status show_hdf5(const char *path) {
  int matrix;
  FD_TRY(fd_matrix_is_one(path, &matrix));
  return matrix ? fd_matrix_show(path) : fd_shard_print(path);
}

/* Limits the reading process: it is killed when its parent ends, and after a CPU time many times that of an intact file of this
 * size. */
static void bound_reader(uint64_t bytes) {
  const rlim_t seconds = (rlim_t)(READER_SECONDS + bytes / READER_BYTES);
  const struct rlimit limit = {seconds, seconds};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setrlimit(RLIMIT_CPU, &limit);
}

/* Reads the file in a child process, since the HDF5 library crashes on some damaged files and never returns on others. */
static fd_status inspect_hdf5(const char *path) {
  int code;
  uint64_t bytes;
  FD_TRY(fd_file_size(path, &bytes));
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) return fd_fail_errno("cannot start a process to read", path);
  if (child == 0) {
    bound_reader(bytes);
    fd_status status = show_hdf5(path);
    int lost = fflush(stdout) || ferror(stdout);
    _exit(status == FD_OK && lost ? fd_fail(FD_IO, "cannot write to standard output") : status);
  }
  while (waitpid(child, &code, 0) < 0)
    if (errno != EINTR) return fd_fail_errno("cannot wait for the process that reads", path);
  if (WIFEXITED(code) && (WEXITSTATUS(code) == FD_OK || WEXITSTATUS(code) >= FD_USAGE)) return (fd_status)WEXITSTATUS(code);
  return fd_fail(FD_DATA, "%s: is so badly damaged that the HDF5 library %s", path,
                 WIFSIGNALED(code) && (WTERMSIG(code) == SIGXCPU || WTERMSIG(code) == SIGKILL) ? "did not finish reading it"
                                                                                               : "crashed on it");
}

/* Whether a JSON object follows a length of 8 bytes. */
static fd_status begins_as_safetensors(const char *path, int *does) {
  unsigned char start[9] = {0};
  FILE *in;
  uint64_t bytes;
  FD_TRY(fd_open_stream(path, &in, &bytes));
  size_t n = fread(start, 1, sizeof start, in);
  (void)fclose(in);
  *does = n == sizeof start && start[8] == '{' && !start[5] && !start[6] && !start[7];
  return FD_OK;
}

/* Determines from its content what a path is, and inspects it. */
static fd_status inspect(const char *path) {
  struct stat info;
  char folder[FD_PATH_MAX];
  int hdf5, matrix, tensors;
  if (stat(path, &info)) return fd_fail_errno("cannot open", path);
  if (S_ISDIR(info.st_mode)) {
    if (has(path, "MANIFEST")) return inspect_checkpoint(path);
    if (has(path, "manifest.json")) return inspect_shards(path);
    if (has(path, "ckpt") || has(path, "metrics.jsonl")) return inspect_run(path);
    return fd_fail(FD_DATA,
                   "%s: is neither a checkpoint (MANIFEST), nor shards (manifest.json), nor a run folder (ckpt, metrics.jsonl)",
                   path);
  }
  if (!S_ISREG(info.st_mode)) return fd_fail(FD_DATA, "%s: is neither a folder nor a regular file", path);
  FD_TRY(fd_path(folder, path, NULL, NULL));
  char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
  int checkpoint = !strcmp(name, "MANIFEST"), shards = !strcmp(name, "manifest.json");
  if (slash) *slash = '\0';
  const char *parent = !slash ? "." : *folder ? folder : "/";
  if (checkpoint) return inspect_checkpoint(parent);
  if (shards) return inspect_shards(parent);
  FD_TRY(fd_begins_with(path, "\x89HDF\r\n\x1a\n", 8, &hdf5));
  if (hdf5) return inspect_hdf5(path);
  FD_TRY(fd_matrix_is_one(path, &matrix));
  if (matrix) return fd_matrix_show(path);
  FD_TRY(begins_as_safetensors(path, &tensors));
  if (tensors || fd_ending(path, ".safetensors")) return inspect_safetensors(path);
  return fd_fail(FD_DATA, "%s: expected a .safetensors file, embeddings or a shard (.h5, .npy), MANIFEST or manifest.json", path);
}

fd_status fd_command_inspect(fd_comm *comm, int argc, char **argv) {
  const char *path;
  int count, helped;
  const fd_arg table[] = {{0}};
  const fd_args args = {
      "inspect", "PATH",
      "Shows the contents of PATH and verifies every hash. PATH is a .safetensors file, a checkpoint folder, a run folder (its\n"
      "checkpoints, and which one a resume takes), a shard (.h5), a folder of shards, or a file of embeddings (.h5, .npy).\n"
      "Exit code 65 if something is damaged, 79 if a resume would be refused because of numbers that are not finite.",
      table};
  (void)comm;
  FD_TRY(fd_args_parse(&args, argc, argv, &path, 1, &count, &helped));
  if (helped) return FD_OK;
  if (!count) return fd_fail(FD_USAGE, "findna inspect: which PATH? For example: findna inspect runs/demo");
  return inspect(path);
}
