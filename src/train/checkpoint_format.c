/* The files of a checkpoint and its MANIFEST. */
#include "train/checkpoint_format.h"

#include <inttypes.h>
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
      if (*count == FD_CHECKPOINT_FILES_MAX - 1)
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

fd_status fd_checkpoint_folder(char out[FD_PATH_MAX], const char *run_folder, int64_t step) {
  char name[64];
  snprintf(name, sizeof name, "ckpt/step_%09" PRId64, step);
  return fd_path(out, run_folder, name, NULL);
}

/* Of what has been printed; after a failure the text is closed. */
static fd_status hash_so_far(FILE *out, char **text, const size_t *bytes, unsigned char digest[FD_SHA256_BYTES]) {
  fd_status status = fd_text_flush(out, text);
  if (status == FD_OK) status = fd_sha256_of(*text, *bytes, digest);
  if (status == FD_OK) return FD_OK;
  fclose(out);
  free(*text);
  *text = NULL;
  return status;
}

fd_status fd_manifest_text(fd_checkpoint_info *info, const fd_slice *slices, int count, uint64_t config_bytes,
                           const char *config_sha256, char **text, size_t *bytes) {
  unsigned char digest[FD_SHA256_BYTES];
  char hex[FD_SHA256_HEX];
  FILE *out;
  FD_TRY(fd_text_open(&out, text, bytes));
  for (int i = 0; i < count; i++) fprintf(out, "file %s %" PRIu64 " %s\n", slices[i].name, slices[i].bytes, slices[i].sha256);
  fprintf(out, "step %" PRId64 "\nupdates %" PRId64 "\nskipped %" PRId64 "\nbad_in_row %" PRId64 "\ndraws %" PRIu64 "\n",
          info->step, info->updates, info->skipped, info->bad_in_row, info->draws);
  if (info->best_step >= 0) fprintf(out, "best_step %" PRId64 "\nbest_score %.17g\n", info->best_step, info->best_score);
  FD_TRY(hash_so_far(out, text, bytes, digest)); /* so far only state: no time, host or number of ranks */
  fd_hex(info->state_id, digest);
  fprintf(out,
          "state_id %s\nformat findna-checkpoint-1\nfile config.yaml %" PRIu64
          " %s\nwindow %d\nvirtual_ranks %d\nreduction %s\nconfig_hash %s\ndataset_id %s\nversion %s\n",
          info->state_id, config_bytes, config_sha256, info->window, info->virtual_ranks, info->reduction, info->config_hash,
          info->dataset_id, info->version);
  FD_TRY(hash_so_far(out, text, bytes, digest));
  fd_hex(hex, digest);
  fprintf(out, "sha256 %s\n", hex);
  return fd_text_close(out, text);
}

/* Cuts off and checks the last line. */
static fd_status check_own_hash(const char *path, char *text, size_t bytes) {
  const char mark[] = "sha256 ";
  unsigned char digest[FD_SHA256_BYTES];
  char hex[FD_SHA256_HEX];
  size_t line = sizeof mark - 1 + FD_SHA256_HEX;
  if (bytes < line || memcmp(text + bytes - line, mark, sizeof mark - 1))
    return fd_fail(FD_DATA, "%s: is cut off: its last line should be 'sha256 ...'", path);
  FD_TRY(fd_sha256_of(text, bytes - line, digest));
  fd_hex(hex, digest);
  if (memcmp(text + bytes - FD_SHA256_HEX, hex, FD_SHA256_HEX - 1) || text[bytes - 1] != '\n')
    return fd_fail(FD_DATA, "%s: its content does not have the hash in its last line", path);
  text[bytes - line] = '\0';
  return FD_OK;
}

static fd_status parse_line(const char *path, const char *line, fd_checkpoint_info *info, fd_slice *slices, int *count) {
  if (!strncmp(line, "file ", 5)) {
    fd_slice *s = &slices[*count];
    memset(s, 0, sizeof *s);
    if (*count == FD_CHECKPOINT_FILES_MAX || sscanf(line, "file %63s %" SCNu64 " %64s", s->name, &s->bytes, s->sha256) != 3 ||
        strchr(s->name, '/') || s->name[0] == '.')
      return fd_fail(FD_DATA, "%s: bad line: %.80s", path, line);
    ++*count;
    return FD_OK;
  }
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
              {"version ", "%63s", info->version}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (!strncmp(line, keys[i].key, strlen(keys[i].key)) &&
        sscanf(line + strlen(keys[i].key), keys[i].format, keys[i].value) == 1)
      return FD_OK;
  if (!strcmp(line, "format findna-checkpoint-1")) return FD_OK;
  if (!strncmp(line, "format ", 7)) return fd_fail(FD_DATA, "%s: %s; this build reads findna-checkpoint-1", path, line);
  return fd_fail(FD_DATA, "%s: unknown line: %.80s", path, line);
}

fd_status fd_manifest_parse(const char *folder, fd_checkpoint_info *info, fd_slice *slices, int *count) {
  char path[FD_PATH_MAX], *text = NULL, *rest;
  size_t bytes;
  *info = (fd_checkpoint_info){.best_step = -1};
  *count = 0;
  FD_TRY(fd_path(info->folder, folder, NULL, NULL));
  FD_TRY(fd_path(path, folder, "MANIFEST", NULL));
  fd_status status = fd_read_file(path, FD_MANIFEST_MAX, &text, &bytes);
  if (status == FD_OK) status = check_own_hash(path, text, bytes);
  for (char *line = status == FD_OK ? strtok_r(text, "\n", &rest) : NULL; line && status == FD_OK;
       line = strtok_r(NULL, "\n", &rest))
    status = parse_line(path, line, info, slices, count);
  free(text);
  return status;
}
