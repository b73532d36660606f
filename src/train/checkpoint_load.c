/* Finds, verifies and loads checkpoints. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/log.h"
#include "base/memory.h"
#include "output/safetensors.h"
#include "train/checkpoint_format.h"

static int newer_first(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? 1 : x > y ? -1 : 0;
}

fd_status fd_checkpoint_list(const char *run_folder, int64_t **steps, int *count) {
  char path[FD_PATH_MAX];
  size_t capacity = 0;
  fd_status status = FD_OK;
  *steps = NULL;
  *count = 0;
  FD_TRY(fd_path(path, run_folder, "ckpt", NULL));
  DIR *folder = opendir(path);
  if (!folder) return errno == ENOENT ? FD_OK : fd_fail_errno("cannot open folder", path);
  for (struct dirent *entry; status == FD_OK && (errno = 0, entry = readdir(folder));) {
    int64_t step;
    if (!fd_checkpoint_step(entry->d_name, &step)) continue;
    status = fd_grow(steps, &capacity, (size_t)*count + 1, sizeof **steps, "checkpoints");
    if (status == FD_OK) (*steps)[(*count)++] = step;
  }
  if (status == FD_OK && errno) status = fd_fail_errno("cannot read folder", path);
  closedir(folder);
  if (*count) qsort(*steps, (size_t)*count, sizeof **steps, newer_first);
  return status;
}

/* Reads a file listed in the MANIFEST, and checks its size and hash. */
static fd_status read_verified(const char *folder, const fd_slice *s, char **text) {
  char path[FD_PATH_MAX], hex[FD_SHA256_HEX];
  unsigned char digest[FD_SHA256_BYTES];
  size_t bytes;
  uint64_t size;
  *text = NULL;
  FD_TRY(fd_path(path, folder, s->name, NULL));
  FD_TRY(fd_file_size(path, &size));
  if (size != s->bytes) return fd_fail(FD_DATA, "%s: has %" PRIu64 " bytes (expected %" PRIu64 ")", path, size, s->bytes);
  FD_TRY(fd_read_file(path, (size_t)s->bytes, text, &bytes));
  fd_status status = fd_sha256_of(*text, bytes, digest);
  fd_hex(hex, digest);
  if (status == FD_OK && !strcmp(hex, s->sha256)) return FD_OK;
  free(*text);
  *text = NULL;
  if (status != FD_OK) return status;
  return fd_fail(FD_DATA, "%s: its SHA-256 is %.12s... (expected %.12s...): the file is damaged", path, hex, s->sha256);
}

static fd_status check_finite(const fd_tensor *t, const char *name) {
  size_t count = t->bytes / sizeof(float), place = fd_first_bad(t->data, count);
  if (place == count) return FD_OK;
  return fd_fail(FD_NUMERIC,
                 "%s: tensor '%s', element %zu is not finite: the training had diverged when this was saved. Use an older "
                 "checkpoint; a run resumes from one when this folder is moved away",
                 name, t->name, place);
}

/* The array that a file belongs to, from its name; FD_ARRAYS if none. */
static fd_array array_of(const char *name) {
  for (int i = 0; i < FD_ARRAYS; i++) {
    size_t n = strlen(fd_array_names[i]);
    if (!strncmp(name, fd_array_names[i], n) && (name[n] == '-' || name[n] == '.')) return (fd_array)i;
  }
  return FD_ARRAYS;
}

/* Checks that all values of a file of an array are finite; takes ownership of `text`, the content of the file. */
static fd_status check_values(const char *folder, const fd_slice *s, char *text) {
  char path[FD_PATH_MAX];
  fd_safetensors file;
  fd_status status = fd_path(path, folder, s->name, NULL);
  if (status != FD_OK) free(text);
  FD_TRY(status);
  FD_TRY(fd_safetensors_parse(text, (size_t)s->bytes, path, &file));
  for (int i = 0; i < file.count && status == FD_OK; i++)
    if (!strcmp(file.tensor[i].dtype, "F32")) status = check_finite(&file.tensor[i], path);
  fd_safetensors_free(&file);
  return status;
}

fd_status fd_checkpoint_verify(const char *folder, int files, fd_checkpoint_info *info) {
  fd_slice *slices;
  int count;
  FD_TRY(fd_alloc(&slices, FD_CHECKPOINT_FILES_MAX, sizeof *slices, "checkpoint"));
  fd_status status = fd_checkpoint_manifest_parse(folder, info, slices, &count);
  for (int i = 0; files && i < count && status == FD_OK; i++) {
    char *text;
    status = read_verified(folder, &slices[i], &text);
    if (status == FD_OK && array_of(slices[i].name) != FD_ARRAYS) status = check_values(folder, &slices[i], text);
    else free(text);
  }
  free(slices);
  return status;
}

/* Copies the tensors of one file, which must be those of its slice in order, to their offsets in `values`, the whole array in
 * host memory; the single tensor of the centre is not a parameter. */
static fd_status take_tensors(const fd_safetensors *file, const char *path, const fd_slice *slice, const fd_params *params,
                              float *values) {
  int count = slice->array == FD_CENTRE ? 1 : slice->count;
  if (file->count != count) return fd_fail(FD_DATA, "%s: has %d tensors (expected %d)", path, file->count, count);
  for (int i = 0; i < count; i++) {
    const fd_tensor *t = &file->tensor[i];
    const fd_param *p = slice->array == FD_CENTRE ? NULL : &params->item[slice->first + i];
    size_t wanted = p ? p->size : slice->size;
    int shape = !p || (!strcmp(t->name, p->name) && t->dims == p->dims && t->shape[0] == p->shape[0] &&
                       (p->dims == 1 || t->shape[1] == p->shape[1]));
    if (strcmp(t->dtype, "F32") || t->bytes != wanted * sizeof(float) || !shape)
      return fd_fail(FD_DATA, "%s: tensor %s is not the model's tensor at this place, or has another shape", path, t->name);
    FD_TRY(check_finite(t, path));
    memcpy(values + (p ? p->offset : 0), t->data, t->bytes);
  }
  return FD_OK;
}

/* Whether a file name is that of a slice. Fine-tuning in older versions named the best weights "teacher". */
static int is_named(const char *name, const fd_slice *slice) {
  size_t best = strlen(fd_array_names[FD_BEST]), teacher = strlen(fd_array_names[FD_TEACHER]);
  if (!strcmp(name, slice->name)) return 1;
  return slice->array == FD_BEST && array_of(name) == FD_TEACHER && !strcmp(name + teacher, slice->name + best);
}

/* Checks that the files of a MANIFEST are those that a run of this config writes, each once and in order. Fills in their names,
 * sizes and hashes in `plan`. */
static fd_status match_plan(const char *folder, const fd_slice *files, int count, fd_slice *plan, int planned) {
  int arrays = fd_checkpoint_manifest_arrays(files, count);
  if (arrays != planned) return fd_fail(FD_DATA, "%s: MANIFEST names %d files of arrays (expected %d)", folder, arrays, planned);
  for (int i = 0; i < planned; i++) {
    if (!is_named(files[i].name, &plan[i]))
      return fd_fail(FD_DATA, "%s: MANIFEST's file %d is %s (expected %s)", folder, i + 1, files[i].name, plan[i].name);
    if (files[i].bytes / sizeof(float) < plan[i].size)
      return fd_fail(FD_DATA, "%s: %s has %" PRIu64 " bytes, too few for its %zu values", folder, files[i].name, files[i].bytes,
                     plan[i].size);
    memcpy(plan[i].name, files[i].name, sizeof plan[i].name);
    plan[i].bytes = files[i].bytes;
    memcpy(plan[i].sha256, files[i].sha256, sizeof plan[i].sha256);
  }
  return FD_OK;
}

static int has_array(const fd_slice *files, int count, fd_array array) {
  for (int i = 0; i < count; i++)
    if (array_of(files[i].name) == array) return 1;
  return 0;
}

/* Plans the files of a checkpoint of this config, and checks them before memory is allocated for their content. Before the first
 * update the moments are zero and may have no files; imports have no best weights besides the student's. */
static fd_status plan_files(const fd_checkpoint_info *info, const fd_slice *files, int count, const fd_config *config,
                            const fd_network *network, fd_slice **plan, int *planned) {
  const char *folder = info->folder;
  size_t size[FD_ARRAYS];
  fd_state_sizes(size, config, network);
  if (!has_array(files, count, FD_BEST) && !has_array(files, count, FD_TEACHER)) size[FD_BEST] = 0;
  if (!info->updates && !has_array(files, count, FD_ADAM_M) && !has_array(files, count, FD_ADAM_V))
    size[FD_ADAM_M] = size[FD_ADAM_V] = 0;
  FD_TRY(fd_checkpoint_plan(&network->params, size, plan, planned));
  return match_plan(folder, files, count, *plan, *planned);
}

/* Loads the arrays that have memory in `host` (NULL: not wanted), verifying each file. Moments without files are zeroed, as
 * loading a damaged checkpoint before may have written to them. */
static fd_status load_arrays(const char *folder, const fd_slice *plan, int count, const fd_params *params,
                             float *const host[FD_ARRAYS]) {
  for (int i = FD_ADAM_M; i <= FD_ADAM_V; i++)
    if (host[i] && !has_array(plan, count, (fd_array)i)) memset(host[i], 0, params->size * sizeof(float));
  for (int i = 0; i < count; i++) {
    const fd_slice *s = &plan[i];
    if (!host[s->array]) continue;
    fd_safetensors file = {0, NULL, NULL};
    char *text, path[FD_PATH_MAX];
    FD_TRY(fd_path(path, folder, s->name, NULL));
    FD_TRY(read_verified(folder, s, &text));
    FD_TRY(fd_safetensors_parse(text, (size_t)s->bytes, path, &file));
    fd_status status = take_tensors(&file, path, s, params, host[s->array]);
    fd_safetensors_free(&file);
    FD_TRY(status);
  }
  return FD_OK;
}

/* Checks the entries that MANIFEST and config.yaml have in common. */
static fd_status check_config(const fd_checkpoint_info *info, const fd_config *c, const char *hash) {
  int64_t draws = info->step;
  const char *reduction = c->comm.reduction == FD_REDUCTION_FAST ? "fast" : "reproducible", *wrong = NULL;
  if (strcmp(hash, info->config_hash)) wrong = "config_hash";
  else if (info->virtual_ranks != c->train.virtual_ranks) wrong = "virtual_ranks";
  else if (strcmp(info->reduction, reduction)) wrong = "reduction";
  else if (!fd_multiply_size(&draws, c->train.batch) || (uint64_t)draws != info->draws) wrong = "draws";
  return wrong ? fd_fail(FD_DATA, "%s: MANIFEST and config.yaml disagree: %s", info->folder, wrong) : FD_OK;
}

/* Reads classes.txt, whose hash must match that in config.yaml. */
static fd_status read_classes(const fd_checkpoint_info *info, const fd_slice *s, const fd_config *config, fd_class_names *names) {
  char path[FD_PATH_MAX], *text;
  if (strcmp(s->sha256, config->task.classes) || s->bytes > FD_CLASS_NAMES_BYTES)
    return fd_fail(FD_DATA, "%s: MANIFEST and config.yaml disagree: " FD_CLASSES_TEXT, info->folder);
  FD_TRY(fd_path(path, info->folder, FD_CLASSES_TEXT, NULL));
  FD_TRY(read_verified(info->folder, s, &text));
  fd_status status = fd_class_names_read(names, text, (size_t)s->bytes, path);
  free(text);
  return status;
}

/* Loads the names of the task's classes from classes.txt, or from the config key of an older version, which is converted. */
static fd_status load_classes(const fd_checkpoint_info *info, const fd_slice *files, int count, fd_config *config,
                              fd_class_names *names) {
  const fd_slice *s = fd_checkpoint_manifest_arrays(files, count) + 2 == count ? &files[count - 1] : NULL;
  char hash[FD_SHA256_HEX];
  *names = (fd_class_names){0};
  if (s) return read_classes(info, s, config, names);
  if (*config->task.classes) return fd_fail(FD_DATA, "%s: MANIFEST and config.yaml disagree: " FD_CLASSES_TEXT, info->folder);
  FD_TRY(fd_class_names_split(names, config->task.names));
  FD_TRY(fd_class_names_hash(names, hash));
  memcpy(config->task.classes, hash, sizeof hash);
  *config->task.names = '\0';
  return FD_OK;
}

static fd_status load_names(const fd_checkpoint_info *info, const fd_slice *files, int count, fd_config *config,
                            fd_class_names *names) {
  FD_TRY(load_classes(info, files, count, config, names));
  if (!names->count || names->count == config->task.outputs) return FD_OK;
  int found = names->count;
  fd_class_names_free(names);
  return fd_fail(FD_DATA, "%s: %d names of classes for %lld outputs", info->folder, found, (long long)config->task.outputs);
}

/* Loads config.yaml, the first text. */
static fd_status load_config(const fd_checkpoint_info *info, const fd_slice *slices, int count, fd_config *config) {
  char *text, hash[FD_SHA256_HEX];
  const fd_slice *s = &slices[fd_checkpoint_manifest_arrays(slices, count)];
  if (s->bytes > FD_CONFIG_FILE_MAX) return fd_fail(FD_DATA, "%s: config.yaml of %" PRIu64 " bytes", info->folder, s->bytes);
  FD_TRY(read_verified(info->folder, s, &text));
  fd_status status = fd_config_parse_saved(config, text, (size_t)s->bytes, "the checkpoint's config.yaml", hash);
  free(text);
  return status == FD_OK ? check_config(info, config, hash) : status;
}

/* Checks that the checkpoint is of the same experiment. Differences in frozen keys or data are not damage: the resume is
 * refused. */
static fd_status check_experiment(const fd_run *run, const fd_checkpoint_info *info, const fd_config *saved,
                                  const fd_class_names *names) {
  char what[256];
  if (run->classes && run->classes->count && names->count && fd_class_names_differ(names, run->classes, what, sizeof what))
    return fd_fail(FD_CONFIG, "%s: its classes were others: %s; use the same rows, or another run.folder", info->folder, what);
  fd_status same = fd_config_compare_frozen(saved, run->config);
  if (same != FD_OK && same != FD_CONFIG) return same;
  if (same != FD_OK)
    return fd_fail(
        FD_CONFIG,
        "%s: was made with another configuration; resume with the same, or start anew with --restart or another run.folder",
        info->folder);
  int blocks = fd_network_blocks(saved, info->window), now = fd_network_blocks(run->config, run->window);
  if (blocks != now)
    return fd_fail(FD_CONFIG,
                   "%s: the longest sequence had %d nucleotides, for which model.blocks: 0 makes %d blocks; now it has %d, for "
                   "which it makes %d: use the same rows, or another run.folder",
                   info->folder, info->window, blocks, run->window, now);
  if (run->config->task.outputs && strcmp(info->dataset_id, run->dataset_id))
    return fd_fail(
        FD_CONFIG,
        "%s: was made from other rows, from another CHECKPOINT (or --encoder of it), or with another eval.every, which "
        "determines the weights that are selected (%.12s..., now %.12s...); use the same, or another run.folder",
        info->folder, info->dataset_id, run->dataset_id);
  if (strcmp(info->dataset_id, run->dataset_id))
    return fd_fail(FD_CONFIG,
                   "%s: was made from other data (dataset %.12s..., now %.12s...); use the same, or another run.folder",
                   info->folder, info->dataset_id, run->dataset_id);
  const char *teacher = run->teacher ? run->teacher : "";
  if (strcmp(info->teacher, teacher) &&
      (!run->teacher_tensors || !*run->teacher_tensors || strcmp(info->teacher, run->teacher_tensors)))
    return fd_fail(FD_CONFIG,
                   "%s: its teacher was %.12s..., now it is %.12s... (SHA-256 of weights and their settings, or of stored "
                   "logits); use the same, or another run.folder",
                   info->folder, *info->teacher ? info->teacher : "none", *teacher ? teacher : "none");
  return FD_OK;
}

/* Root rank: loads one checkpoint into `host`. FD_CONFIG: it is valid but of another experiment. */
static fd_status load_one(const fd_run *run, const char *folder, fd_checkpoint_info *info, float *const host[FD_ARRAYS]) {
  fd_slice *slices, *plan = NULL;
  fd_config saved;
  fd_class_names names = {0};
  int count, planned;
  FD_TRY(fd_alloc(&slices, FD_CHECKPOINT_FILES_MAX, sizeof *slices, "checkpoint"));
  fd_status status = fd_checkpoint_manifest_parse(folder, info, slices, &count);
  if (status == FD_OK) status = load_config(info, slices, count, &saved);
  if (status == FD_OK) status = load_names(info, slices, count, &saved, &names);
  if (status == FD_OK) status = check_experiment(run, info, &saved, &names);
  if (status == FD_OK) status = plan_files(info, slices, count, &saved, run->network, &plan, &planned);
  if (status == FD_OK) status = load_arrays(folder, plan, planned, &run->network->params, host);
  fd_class_names_free(&names);
  free(plan);
  free(slices);
  return status;
}

/* Root rank: loads the newest valid checkpoint. */
static fd_status load_newest(const fd_run *run, fd_checkpoint_info *info, float *const host[FD_ARRAYS], int *found) {
  int64_t *steps;
  int count;
  char bad[FD_PATH_MAX] = "", folder[FD_PATH_MAX];
  fd_status status = fd_checkpoint_list(run->folder, &steps, &count);
  *found = 0;
  for (int i = 0; i < count && status == FD_OK && !*found; i++) {
    FD_GO(fd_checkpoint_folder(folder, run->folder, steps[i]));
    fd_status loaded = load_one(run, folder, info, host);
    if (loaded == FD_OK) *found = 1;
    else if (loaded != FD_DATA && loaded != FD_MISSING) status = loaded; /* a temporary disk error is not damage */
    else if (!*bad) memcpy(bad, folder, sizeof bad);
  }
  if (*found && *bad) fd_warn("%s is damaged; taking the older checkpoint %s", bad, folder);
  if (status == FD_OK && count && !*found)
    status = fd_fail(FD_DATA,
                     "%s: none of its %d checkpoints is valid; nothing was changed. Restore one, or start anew with --restart",
                     run->folder, count);
done:
  free(steps);
  return status;
}

/* Root rank: with kernels of another family, the last bits differ from here on. */
static fd_status check_kernels(const fd_run *run, const fd_device *dev, const fd_checkpoint_info *info) {
  const fd_config *c = run->config;
  if (!*info->kernels || info->updates == 0 || !strcmp(info->kernels, dev->kernels)) return FD_OK;
  if (!dev->own_memory && c->device.precision == FD_PRECISION_BF16 && c->device.simd == FD_SIMD_AUTO)
    return fd_fail(
        FD_CONFIG,
        "%s was computed with the kernels '%s', and device.simd: auto selects '%s' here, which round differently: resume with "
        "other bits by naming the kernels (device.simd=amx, avx512, avx2, ...), or on a machine that has the former",
        info->folder, info->kernels, dev->kernels);
  fd_warn("%s was computed with the kernels '%s'; it goes on with '%s', whose last bits differ", info->folder, info->kernels,
          dev->kernels);
  return FD_OK;
}

fd_status fd_checkpoint_resume(const fd_run *run, fd_state *state, fd_checkpoint_info *info, int *found) {
  float *host[FD_ARRAYS] = {NULL};
  fd_comm *comm = run->comm;
  fd_status status = FD_OK;
  memset(info, 0, sizeof *info);
  for (int i = 0; i < FD_ARRAYS; i++)
    if (state->size[i]) FD_GO(fd_alloc(&host[i], state->size[i], sizeof(float), "loading a checkpoint"));
  if (comm->rank == 0) FD_GO(load_newest(run, info, host, found)); /* a failure here ends the job */
  if (comm->rank == 0 && *found) FD_GO(check_kernels(run, state->dev, info));
  FD_GO(comm->ops->broadcast(comm, found, sizeof *found, 0));
  if (!*found) goto done;
  FD_GO(comm->ops->broadcast(comm, info, sizeof *info, 0));
  for (int i = 0; i < FD_ARRAYS; i++) {
    if (!host[i]) continue;
    FD_GO(comm->ops->broadcast(comm, host[i], state->size[i] * sizeof(float), 0));
    FD_GO(state->dev->copy(state->dev, state->array[i], host[i], state->size[i] * sizeof(float)));
  }
  state->best_step = info->best_step;
  state->best_score = info->best_score;
  state->step = info->step;
  state->updates = info->updates;
  state->skipped = info->skipped;
  state->bad_in_row = info->bad_in_row;
  state->draws = info->draws;
done:
  for (int i = 0; i < FD_ARRAYS; i++) free(host[i]);
  return status;
}

void fd_weights_free(fd_weights *weights) {
  fd_network_destroy(&weights->network);
  for (int i = 0; i < FD_ARRAYS; i++) free(weights->of[i]);
  fd_class_names_free(&weights->classes);
  *weights = (fd_weights){0};
}

/* Allocates memory for the networks of a checkpoint with files of these arrays. */
static fd_status alloc_weights(fd_weights *w, const unsigned char has[FD_ARRAYS]) {
  for (int i = FD_STUDENT; i <= FD_BEST; i++)
    if (has[i]) FD_TRY(fd_alloc(&w->of[i], w->network->params.size, sizeof(float), "weights"));
  return FD_OK;
}

/* Reads the weights and texts of one checkpoint folder; the other files are not read. */
static fd_status read_weights(const char *folder, fd_config *config, fd_checkpoint_info *info, fd_weights *weights) {
  fd_slice *slices = NULL, *plan = NULL;
  unsigned char has[FD_ARRAYS] = {0};
  int count, planned;
  fd_status status = FD_OK;
  FD_GO(fd_alloc(&slices, FD_CHECKPOINT_FILES_MAX, sizeof *slices, "checkpoint"));
  FD_GO(fd_checkpoint_manifest_parse(folder, info, slices, &count));
  FD_GO(load_config(info, slices, count, config));
  FD_GO(load_names(info, slices, count, config, &weights->classes));
  FD_GO(fd_network_create(&weights->network, config, info->window));
  FD_GO(plan_files(info, slices, count, config, weights->network, &plan, &planned));
  for (int i = 0; i < planned; i++) has[plan[i].array] = 1;
  FD_GO(alloc_weights(weights, has));
  FD_GO(load_arrays(folder, plan, planned, &weights->network->params, weights->of));
done:
  free(plan);
  free(slices);
  if (status != FD_OK) fd_weights_free(weights);
  return status;
}

static fd_status no_checkpoint(const char *path) {
  char file[FD_PATH_MAX];
  FD_TRY(fd_path(file, path, "config.json", NULL));
  if (fd_is_absent(file)) return fd_fail(FD_MISSING, "%s: holds no valid checkpoint (expected ckpt/step_.../MANIFEST)", path);
  return fd_fail(FD_MISSING, "%s: is an exported or published model, not a run folder: 'findna import %s RUN' makes one of it",
                 path, path);
}

/* Root rank: reads the weights of the checkpoint folder `path`, or of the newest intact checkpoint of the run folder `path`. */
static fd_status find_weights(const char *path, fd_config *config, fd_checkpoint_info *info, fd_weights *weights) {
  int64_t *steps;
  int count;
  char folder[FD_PATH_MAX];
  FD_TRY(fd_path(folder, path, "MANIFEST", NULL));
  if (!fd_is_absent(folder)) return read_weights(path, config, info, weights);
  if (fd_is_absent(path)) return fd_fail(FD_MISSING, "%s: no such checkpoint or run folder", path);
  fd_status status = fd_checkpoint_list(path, &steps, &count), read = FD_MISSING;
  for (int i = 0; i < count && status == FD_OK && read != FD_OK; i++) {
    status = fd_checkpoint_folder(folder, path, steps[i]);
    if (status == FD_OK) read = read_weights(folder, config, info, weights);
    if (read != FD_OK && read != FD_DATA && read != FD_MISSING) status = read; /* a temporary disk error is not damage */
    else if (read != FD_OK)
      fd_warn("%s is damaged; %s", folder, i + 1 < count ? "looking for an older one" : "there is no older one");
  }
  free(steps);
  if (status == FD_OK && read != FD_OK) status = no_checkpoint(path);
  return status;
}

/* Broadcasts the class names from the root rank. */
static fd_status share_classes(fd_comm *comm, fd_class_names *names) {
  char *text = NULL;
  size_t bytes = 0;
  int count = names->count;
  FD_TRY(comm->ops->broadcast(comm, &count, sizeof count, 0));
  if (!count || comm->size == 1) return FD_OK;
  if (comm->rank == 0) FD_TRY(fd_class_names_text(names, &text, &bytes));
  fd_status status = fd_comm_share_text(comm, &text, &bytes);
  if (status == FD_OK && comm->rank) status = fd_class_names_read(names, text, bytes, "names of classes");
  free(text);
  return status;
}

fd_status fd_checkpoint_open_weights(fd_comm *comm, const char *path, fd_config *config, fd_checkpoint_info *info,
                                     fd_weights *weights) {
  unsigned char has[FD_ARRAYS];
  fd_status status = FD_OK;
  *weights = (fd_weights){0};
  if (comm->rank == 0) FD_TRY(find_weights(path, config, info, weights)); /* a failure here ends the job */
  for (int i = 0; i < FD_ARRAYS; i++) has[i] = weights->of[i] != NULL;
  FD_GO(comm->ops->broadcast(comm, config, sizeof *config, 0));
  FD_GO(comm->ops->broadcast(comm, info, sizeof *info, 0));
  FD_GO(comm->ops->broadcast(comm, has, sizeof has, 0));
  FD_GO(share_classes(comm, &weights->classes));
  if (comm->rank) FD_GO(fd_network_create(&weights->network, config, info->window));
  if (comm->rank) FD_GO(alloc_weights(weights, has));
  for (int i = 0; i < FD_ARRAYS; i++)
    if (has[i]) FD_GO(comm->ops->broadcast(comm, weights->of[i], weights->network->params.size * sizeof(float), 0));
done:
  if (status != FD_OK) fd_weights_free(weights);
  return status;
}
