/* Plans the files of a checkpoint; writes and parses its MANIFEST. */
#include "train/checkpoint_format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static const size_t slice_floats = (size_t)64 << 18; /* 64 MiB: frozen, since the cut points are part of state_id */

fd_status fd_checkpoint_plan(const fd_params *params, const size_t size[FD_ARRAYS], fd_slice **slices, int *count) {
  *count = 0;
  FD_TRY(fd_alloc(slices, FD_CHECKPOINT_FILES_MAX, sizeof **slices, "checkpoint"));
  for (int array = 0; array < FD_CENTRE; array++) {
    for (int first = 0, part = 0; size[array] && first < params->count; part++) {
      if (*count == FD_CHECKPOINT_FILES_MAX - 3) /* in addition to the centre and two texts */
        return fd_fail(FD_CONFIG, "the model is too large: its checkpoint has more than %d files", FD_CHECKPOINT_FILES_MAX);
      fd_slice *s = &(*slices)[(*count)++];
      *s = (fd_slice){.array = (fd_array)array, .first = first, .offset = params->item[first].offset};
      snprintf(s->name, sizeof s->name, "%s-%02d.safetensors", fd_array_names[array], part);
      do s->size += params->item[first++].size;
      while (first < params->count && s->size + params->item[first].size <= slice_floats);
      s->count = first - s->first;
    }
  }
  if (size[FD_CENTRE]) {
    fd_slice *s = &(*slices)[(*count)++];
    *s = (fd_slice){.name = "centre.safetensors", .array = FD_CENTRE, .size = size[FD_CENTRE]};
  }
  return FD_OK;
}

static void step_name(char name[FD_STEP_NAME], int64_t step) { snprintf(name, FD_STEP_NAME, "step_%09" PRId64, step); }

int fd_checkpoint_step(const char *name, int64_t *step) {
  char again[FD_STEP_NAME];
  if (sscanf(name, "step_%18" SCNd64, step) != 1 || *step < 0) return 0;
  step_name(again, *step);
  return !strcmp(name, again);
}

fd_status fd_checkpoint_folder(char out[FD_PATH_MAX], const char *run_folder, int64_t step) {
  char name[FD_STEP_NAME];
  step_name(name, step);
  return fd_path(out, run_folder, "ckpt", name);
}

/* Hashes the text printed so far; on failure the text is closed and freed. */
static fd_status hash_so_far(FILE *out, char **text, const size_t *bytes, unsigned char digest[FD_SHA256_BYTES]) {
  fd_status status = fd_text_flush(out, text);
  if (status == FD_OK) status = fd_sha256_of(*text, *bytes, digest);
  if (status == FD_OK) return FD_OK;
  fclose(out);
  free(*text);
  *text = NULL;
  return status;
}

static void print_file(FILE *out, const fd_slice *s) { fprintf(out, "file %s %" PRIu64 " %s\n", s->name, s->bytes, s->sha256); }

fd_status fd_checkpoint_manifest_text(fd_checkpoint_info *info, const fd_slice *files, int arrays, int texts, char **text,
                                      size_t *bytes) {
  unsigned char digest[FD_SHA256_BYTES];
  char hex[FD_SHA256_HEX];
  FILE *out;
  FD_TRY(fd_text_open(&out, text, bytes));
  for (int i = 0; i < arrays; i++) print_file(out, &files[i]);
  fprintf(out, "step %" PRId64 "\nupdates %" PRId64 "\nskipped %" PRId64 "\nbad_in_row %" PRId64 "\ndraws %" PRIu64 "\n",
          info->step, info->updates, info->skipped, info->bad_in_row, info->draws);
  if (info->best_step >= 0) fprintf(out, "best_step %" PRId64 "\nbest_score %.17g\n", info->best_step, info->best_score);
  FD_TRY(hash_so_far(out, text, bytes, digest)); /* so far only the state: no time, hostname or number of ranks */
  fd_hex(info->state_id, digest);
  fprintf(out, "state_id %s\nformat findna-checkpoint-1\n", info->state_id);
  for (int i = arrays; i < arrays + texts; i++) print_file(out, &files[i]);
  fprintf(out, "window %d\nvirtual_ranks %d\nreduction %s\nconfig_hash %s\ndataset_id %s\nversion %s\n", info->window,
          info->virtual_ranks, info->reduction, info->config_hash, info->dataset_id, info->version);
  if (*info->teacher) fprintf(out, "teacher %s\n", info->teacher);
  if (*info->kernels) fprintf(out, "kernels %s\n", info->kernels);
  FD_TRY(hash_so_far(out, text, bytes, digest));
  fd_hex(hex, digest);
  fprintf(out, "sha256 %s\n", hex);
  return fd_text_close(out, text);
}

static const char mark[] = "sha256 ";
static const size_t own_line = sizeof mark - 1 + FD_SHA256_HEX;

/* Checks the hash in the last line. */
static fd_status check_own_hash(const char *path, const char *text, size_t bytes) {
  const size_t line = own_line;
  unsigned char digest[FD_SHA256_BYTES];
  char hex[FD_SHA256_HEX];
  if (bytes < line || memcmp(text + bytes - line, mark, sizeof mark - 1))
    return fd_fail(FD_DATA, "%s: is cut off: its last line should be 'sha256 ...'", path);
  FD_TRY(fd_sha256_of(text, bytes - line, digest));
  fd_hex(hex, digest);
  if (memcmp(text + bytes - FD_SHA256_HEX, hex, FD_SHA256_HEX - 1) || text[bytes - 1] != '\n')
    return fd_fail(FD_DATA, "%s: its content does not have the hash in its last line", path);
  return FD_OK;
}

static fd_status take_file(const char *path, const char *line, fd_slice *slices, int *count) {
  if (*count == FD_CHECKPOINT_FILES_MAX)
    return fd_fail(FD_DATA, "%s: more than %d files; no checkpoint has as many", path, FD_CHECKPOINT_FILES_MAX);
  fd_slice *s = &slices[*count];
  memset(s, 0, sizeof *s);
  if (sscanf(line, "file %63s %" SCNu64 " %64s", s->name, &s->bytes, s->sha256) != 3 || strchr(s->name, '/') ||
      s->name[0] == '.' || !fd_is_hex(s->sha256))
    return fd_fail(FD_DATA, "%s: bad line: %.80s", path, line);
  for (int i = 0; i < *count; i++)
    if (!strcmp(slices[i].name, s->name)) return fd_fail(FD_DATA, "%s: the file %s is there twice", path, s->name);
  ++*count;
  return FD_OK;
}

static fd_status parse_line(const char *path, const char *line, fd_checkpoint_info *info, fd_slice *slices, int *count) {
  const struct {
    const char *key, *format;
    void *value;
  } keys[] = {{"step ", "%" SCNd64, &info->step},
              {"updates ", "%" SCNd64, &info->updates},
              {"skipped ", "%" SCNd64, &info->skipped},
              {"bad_in_row ", "%" SCNd64, &info->bad_in_row},
              {"best_step ", "%" SCNd64, &info->best_step},
              {"best_score ", "%lf", &info->best_score},
              {"draws ", "%" SCNu64, &info->draws},
              {"window ", "%d", &info->window},
              {"virtual_ranks ", "%d", &info->virtual_ranks},
              {"reduction ", "%15s", info->reduction},
              {"state_id ", "%64s", info->state_id},
              {"config_hash ", "%64s", info->config_hash},
              {"dataset_id ", "%64s", info->dataset_id},
              {"version ", "%63s", info->version},
              {"teacher ", "%64s", info->teacher},
              {"kernels ", "%127[^\n]", info->kernels}};
  if (!strncmp(line, "file ", 5)) return take_file(path, line, slices, count);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (!strncmp(line, keys[i].key, strlen(keys[i].key)) &&
        sscanf(line + strlen(keys[i].key), keys[i].format, keys[i].value) == 1)
      return FD_OK;
  if (!strcmp(line, "format findna-checkpoint-1")) return FD_OK;
  if (!strncmp(line, "format ", 7)) return fd_fail(FD_DATA, "%s: %s; this build reads findna-checkpoint-1", path, line);
  return fd_fail(FD_DATA, "%s: unknown line: %.80s", path, line);
}

static fd_status check_counters(const char *path, const fd_checkpoint_info *i) {
  if (i->step < 0 || i->updates < 0 || i->skipped < 0 || i->bad_in_row < 0 || i->updates > i->step || i->skipped > i->step ||
      i->bad_in_row > i->skipped + 1) /* + 1: a fine-tuning that diverges at an evaluation counts that as a bad step */
    return fd_fail(FD_DATA, "%s: step, updates, skipped and bad_in_row contradict each other", path);
  if (i->best_step < -1 || i->best_step > i->step || !isfinite(i->best_score))
    return fd_fail(FD_DATA, "%s: best_step or best_score is impossible after %" PRId64 " steps", path, i->step);
  if (i->window < 1 || i->virtual_ranks < 1 || !fd_is_hex(i->config_hash))
    return fd_fail(FD_DATA, "%s: window, virtual_ranks or config_hash is invalid", path);
  if (*i->teacher && !fd_is_hex(i->teacher)) return fd_fail(FD_DATA, "%s: teacher is not a SHA-256", path);
  return FD_OK;
}

int fd_checkpoint_manifest_arrays(const fd_slice *files, int count) {
  int arrays = 0;
  while (arrays < count && strcmp(files[arrays].name, FD_CONFIG_TEXT)) arrays++;
  return arrays;
}

/* Checks a MANIFEST `text` [bytes] by writing the parsed content again: the bytes must be equal, so every line is present once,
 * in order and in canonical form, and state_id is that of the lines before it. */
static fd_status check_whole(const char *path, const char *text, size_t bytes, const fd_checkpoint_info *info,
                             const fd_slice *files, int count) {
  fd_checkpoint_info again = *info;
  char *expected;
  size_t expected_bytes;
  int arrays = fd_checkpoint_manifest_arrays(files, count), texts = count - arrays;
  if (texts < 1 || texts > 2 || (texts == 2 && strcmp(files[count - 1].name, FD_CLASSES_TEXT)))
    return fd_fail(FD_DATA, "%s: its last file is not " FD_CONFIG_TEXT ", or " FD_CLASSES_TEXT " after it", path);
  FD_TRY(fd_checkpoint_manifest_text(&again, files, arrays, texts, &expected, &expected_bytes));
  int same = expected_bytes == bytes && !memcmp(expected, text, bytes);
  free(expected);
  if (same) return FD_OK;
  if (strcmp(again.state_id, info->state_id))
    return fd_fail(FD_DATA, "%s: state_id is not that of its files and counters: the MANIFEST was changed by hand", path);
  return fd_fail(FD_DATA, "%s: a line is missing or duplicated, or is not as findna writes it", path);
}

/* Checks that a folder named like a checkpoint is that of the step in its name; a copy under any other name is accepted. */
static fd_status check_place(const char *path, const char *folder, int64_t step) {
  const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
  int64_t said;
  if (!fd_checkpoint_step(name, &said) || said == step) return FD_OK;
  return fd_fail(FD_DATA, "%s: is of step %" PRId64 ", but its folder is named %s", path, step, name);
}

fd_status fd_checkpoint_manifest_parse(const char *folder, fd_checkpoint_info *info, fd_slice *slices, int *count) {
  char path[FD_PATH_MAX], *text = NULL, *lines = NULL, *rest;
  size_t bytes;
  fd_status status = FD_OK;
  *info = (fd_checkpoint_info){.best_step = -1};
  *count = 0;
  FD_TRY(fd_path(info->folder, folder, NULL, NULL));
  FD_TRY(fd_path(path, folder, "MANIFEST", NULL));
  FD_GO(fd_read_file(path, FD_MANIFEST_MAX, &text, &bytes));
  FD_GO(check_own_hash(path, text, bytes));
  FD_GO(fd_alloc(&lines, bytes + 1, 1, "a MANIFEST"));
  memcpy(lines, text, bytes - own_line); /* without the line of its own hash */
  rest = lines;
  for (char *line; status == FD_OK && (line = strsep(&rest, "\n")) && rest;) status = parse_line(path, line, info, slices, count);
  if (status == FD_OK) status = check_counters(path, info);
  if (status == FD_OK) status = check_whole(path, text, bytes, info, slices, *count);
  if (status == FD_OK) status = check_place(path, info->folder, info->step);
done:
  free(lines);
  free(text);
  return status;
}
