/* Lists and reads tensors from one or several safetensors files. */
#include "tasks/hf_tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/finite.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "tasks/hf_names.h"

enum { INDEX_MAX = 16 << 20 };

fd_status fd_hf_check_file(const char *path) {
  static const char pointer[] = "version https://"; /* git-lfs.github.com/spec/v1 */
  int is;
  FD_TRY(fd_begins_with(path, pointer, sizeof pointer - 1, &is));
  if (!is) return FD_OK;
  return fd_fail(FD_DATA, "%s: is a pointer of Git LFS, not the file; get it with 'git lfs pull'", path);
}

/* --- listing ------------------------------------------------------------------------------------------------------------- */

/* Lists the files of an index, each once. */
static fd_status list_files(const char *path, fd_hf_tensors *t) {
  const char *name;
  json_t *value, *map = json_object_get(t->index, "weight_map");
  if (!json_is_object(map)) return fd_fail(FD_DATA, "%s: no 'weight_map': the file of each tensor", path);
  json_object_foreach(map, name, value) {
    const char *file = json_string_value(value);
    int known = 0;
    if (!file || !*file || strchr(file, '/'))
      return fd_fail(FD_DATA, "%s: tensor '%.100s': expected the name of a file in this folder", path, name);
    for (int i = 0; i < t->files; i++) known |= !strcmp(t->name[i], file);
    if (known) continue;
    if (t->files == FD_HF_FILES_MAX) return fd_fail(FD_DATA, "%s: more than %d files", path, FD_HF_FILES_MAX);
    t->name[t->files++] = file;
  }
  return FD_OK;
}

/* Refuses a folder with only PyTorch's weights, naming the tool that converts them. */
static fd_status check_kind(const char *folder) {
  static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json"};
  char path[FD_PATH_MAX];
  FD_TRY(fd_path(path, folder, "model.safetensors", NULL));
  for (int i = 0; i < 2 && fd_is_absent(path); i++) {
    char other[FD_PATH_MAX];
    FD_TRY(fd_path(other, folder, others[i], NULL));
    if (fd_exists(other))
      return fd_fail(FD_MISSING, "%s: not there, but %s: make a folder of safetensors from it with launch/torch/convert_hf.py",
                     path, others[i]);
  }
  return FD_OK;
}

/* Lists model.safetensors, or without it the files of the index: transformers looks in the same order. */
static fd_status find_files(fd_hf_tensors *t) {
  char path[FD_PATH_MAX], single[FD_PATH_MAX], *text;
  size_t bytes;
  FD_TRY(fd_path(path, t->folder, "model.safetensors.index.json", NULL));
  FD_TRY(fd_path(single, t->folder, "model.safetensors", NULL));
  if (!fd_is_absent(path) && !fd_is_absent(single)) fd_warn("%s is read, and the index next to it is not", single);
  if (fd_is_absent(path) || !fd_is_absent(single)) {
    t->name[t->files++] = "model.safetensors";
    return check_kind(t->folder);
  }
  FD_TRY(fd_read_file(path, INDEX_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&t->index, text, bytes, path);
  free(text);
  return status == FD_OK ? list_files(path, t) : status;
}

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static fd_status check_names(const fd_hf_tensors *t) {
  const char **names, *twice = NULL;
  size_t count = 0, n = 0;
  for (int f = 0; f < t->files; f++) count += (size_t)t->file[f].count;
  FD_TRY(fd_alloc(&names, count + 1, sizeof *names, "names of tensors"));
  for (int f = 0; f < t->files; f++)
    for (int i = 0; i < t->file[f].count; i++) names[n++] = t->file[f].tensor[i].name;
  qsort(names, n, sizeof *names, by_name);
  for (size_t i = 1; i < n && !twice; i++)
    if (!strcmp(names[i - 1], names[i])) twice = names[i];
  fd_status status = twice ? fd_fail(FD_DATA, "%s: tensor '%s' is in two files", t->folder, twice) : FD_OK;
  free(names);
  return status;
}

fd_status fd_hf_tensors_list(fd_hf_tensors *t, const char *folder) {
  memset(t, 0, sizeof *t);
  t->folder = folder;
  FD_TRY(find_files(t));
  for (int f = 0; f < t->files; f++) {
    char path[FD_PATH_MAX];
    FD_TRY(fd_path(path, folder, t->name[f], NULL));
    FD_TRY(fd_hf_check_file(path));
    FD_TRY(fd_safetensors_list(path, &t->file[f]));
  }
  return check_names(t);
}

void fd_hf_tensors_free(fd_hf_tensors *t) {
  for (int f = 0; f < t->files; f++) fd_safetensors_free(&t->file[f]);
  json_decref(t->index);
  memset(t, 0, sizeof *t);
}

const fd_tensor *fd_hf_tensors_find(const fd_hf_tensors *t, const char *name) {
  const fd_tensor *found = NULL;
  for (int f = 0; f < t->files && !found; f++) found = fd_safetensors_find(&t->file[f], name);
  return found;
}

int fd_hf_tensors_count(const fd_hf_tensors *t, const char *prefix) {
  int count = 0;
  for (int f = 0; f < t->files; f++)
    for (int i = 0; i < t->file[f].count; i++) count += !strncmp(t->file[f].tensor[i].name, prefix, strlen(prefix));
  return count;
}

/* Copies a tensor to `to`, whose data the caller frees. */
static fd_status copy_one(const fd_hf_tensors *t, const char *name, fd_tensor *to) {
  char path[FD_PATH_MAX], *data;
  int f = 0;
  while (f + 1 < t->files && !fd_safetensors_find(&t->file[f], name)) f++;
  const fd_tensor *from = fd_safetensors_find(&t->file[f], name);
  if (!from) return fd_fail(FD_BUG, "%s: no tensor '%s'", t->folder, name);
  FD_TRY(fd_path(path, t->folder, t->name[f], NULL));
  FD_TRY(fd_alloc(&data, from->bytes, 1, name));
  *to = *from;
  to->data = data;
  return fd_safetensors_load(path, from, data);
}

fd_status fd_hf_tensors_copy(const fd_hf_tensors *t, const json_t *names, const char *path) {
  size_t count = json_array_size(names);
  fd_tensor *copy;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&copy, count, sizeof *copy, "tensors"));
  for (size_t i = 0; i < count; i++) FD_GO(copy_one(t, json_string_value(json_array_get(names, i)), &copy[i]));
  qsort(copy, count, sizeof *copy, fd_tensor_wide_first);
  FD_GO(fd_safetensors_write(path, copy, (int)count));
done:
  for (size_t i = 0; i < count; i++) free((void *)copy[i].data);
  free(copy);
  return status;
}

/* --- reading ------------------------------------------------------------------------------------------------------------- */

typedef struct reading {
  const fd_config *config;
  const fd_params *params;
  float *weights, *again;  /* again: values of a parameter that is stored a second time */
  const fd_tensor **taken; /* [params->count] the tensor that a parameter was read from */
  json_t **types, **skipped;
} reading;

/* Whether a tensor of published files is known to be unused here: tables of positions, other heads. */
static int is_leftover(const char *name) {
  static const char *const parts[] = {
      "position_ids", ".inv_freq",       "contact_head.", "pooler.",     "classifier.",
      "lm_head.",     "cls.predictions", "cls.seq_rel",   "qa_outputs.", "embeddings.position_embeddings."};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (strstr(name, parts[i])) return 1;
  return 0;
}

static fd_status check_shape(const char *path, const fd_tensor *t, const fd_param *p) {
  if (t->dims == p->dims && t->shape[0] == p->shape[0] && (p->dims == 1 || t->shape[1] == p->shape[1])) return FD_OK;
  return fd_fail(FD_DATA, "%s: tensor '%s': shape [%lld, %lld] (config.json says [%d, %d])", path, t->name,
                 (long long)t->shape[0], (long long)(t->dims > 1 ? t->shape[1] : 0), p->shape[0], p->dims == 2 ? p->shape[1] : 0);
}

/* Checks that a tied weight that is stored under both of its names has the same values. */
static fd_status compare(const char *path, reading *r, const fd_tensor *t, const fd_param *p) {
  const float *first = r->weights + p->offset;
  size_t i = 0;
  FD_TRY(fd_alloc(&r->again, p->size, sizeof *r->again, "weights"));
  FD_TRY(fd_safetensors_floats(path, t, r->again));
  while (i < p->size && !memcmp(first + i, r->again + i, sizeof *first)) i++;
  free(r->again);
  r->again = NULL;
  if (i == p->size) return FD_OK;
  return fd_fail(FD_DATA, "%s: tensors '%s' and '%s' are one weight, but differ at element %zu (expected the same values%s)",
                 path, r->taken[p - r->params->item]->name, t->name, i,
                 p->dims == 2 ? ", or tie_word_embeddings: false in config.json" : "");
}

static fd_status take(const char *path, reading *r, const fd_tensor *t) {
  const fd_param *p = fd_hf_param(r->params, r->config, t->name);
  if (!p && is_leftover(t->name)) {
    fd_info("not used: %s", t->name);
    fd_json_append(r->skipped, json_string(t->name));
    return FD_OK;
  }
  if (!p) return fd_fail(FD_DATA, "%s: tensor '%s' does not belong to this model", path, t->name);
  const fd_tensor **taken = &r->taken[p - r->params->item];
  FD_TRY(check_shape(path, t, p));
  fd_json_set(r->types, t->name, json_string(t->dtype));
  if (*taken) return compare(path, r, t, p);
  *taken = t;
  FD_TRY(fd_safetensors_floats(path, t, r->weights + p->offset));
  size_t place = fd_first_bad(r->weights + p->offset, p->size);
  if (place < p->size) return fd_fail(FD_NUMERIC, "%s: tensor '%s', element %zu is not finite", path, t->name, place);
  return FD_OK;
}

/* Checks, before memory is allocated, that the files can hold the parameters that config.json describes, at two bytes or more
 * each. */
static fd_status check_sizes(const fd_hf_tensors *t, const fd_params *params) {
  uint64_t all = 0;
  for (int f = 0; f < t->files; f++)
    for (int i = 0; i < t->file[f].count; i++) all += t->file[f].tensor[i].bytes;
  if (params->size <= all / 2) return FD_OK;
  return fd_fail(FD_DATA, "%s: config.json describes %zu parameters; the files have %" PRIu64 " bytes of tensors", t->folder,
                 params->size, all);
}

fd_status fd_hf_tensors_read(const fd_hf_tensors *t, const fd_config *config, const fd_params *params, float **weights,
                             json_t **types, json_t **skipped) {
  fd_status status = FD_OK;
  reading r = {.config = config, .params = params, .types = types, .skipped = skipped};
  FD_GO(check_sizes(t, params));
  FD_GO(fd_alloc(&r.weights, params->size, sizeof(float), "weights"));
  FD_GO(fd_alloc(&r.taken, (size_t)params->count, sizeof *r.taken, "weights"));
  for (int f = 0; f < t->files; f++) {
    char path[FD_PATH_MAX];
    FD_GO(fd_path(path, t->folder, t->name[f], NULL));
    for (int i = 0; i < t->file[f].count; i++) FD_GO(take(path, &r, &t->file[f].tensor[i]));
  }
  for (int i = 0; i < params->count; i++) {
    char name[FD_NAME_MAX];
    fd_hf_name(config, &params->item[i], name);
    if (!r.taken[i]) FD_GO(fd_fail(FD_DATA, "%s: no tensor '%s'", t->folder, name));
  }
  if (json_array_size(*skipped)) fd_info("%zu tensors of %s are not used", json_array_size(*skipped), t->folder);
done:
  free(r.taken);
  free(r.again);
  if (status != FD_OK) free(r.weights), r.weights = NULL;
  *weights = r.weights;
  return status;
}
