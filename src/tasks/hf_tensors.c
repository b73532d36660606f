/* Reads tensors from one or several safetensors files. */
#include "tasks/hf_tensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/finite.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "output/safetensors.h"

enum { INDEX_MAX = 16 << 20, FILES_MAX = 1000 };

typedef struct reading {
  const fd_params *params;
  float *weights;
  unsigned char *taken; /* [params->count] */
  int skipped;
} reading;

/* What published files have beside the encoder: unused tables, and heads that are not read. */
static int is_leftover(const char *name) {
  static const char *const parts[] = {
      "position_ids", ".inv_freq",       "contact_head.", "pooler.",     "classifier.",
      "lm_head.",     "cls.predictions", "cls.seq_rel",   "qa_outputs.", "esm.embeddings.position_embeddings."};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (strstr(name, parts[i])) return 1;
  return 0;
}

/* The parameter of this name, or with the prefix that the file leaves out. */
static const fd_param *param_of(const fd_params *params, const char *name) {
  static const char *const prefixes[] = {"", "bert.", "esm."};
  for (int i = 0; i < 3; i++) {
    char full[FD_TENSOR_NAME + 8];
    snprintf(full, sizeof full, "%s%s", prefixes[i], name);
    const fd_param *p = fd_params_find(params, full);
    if (p) return p;
  }
  return NULL;
}

static fd_status take(const char *path, reading *r, const fd_tensor *t) {
  const fd_param *p = param_of(r->params, t->name);
  if (!p && is_leftover(t->name)) return fd_info("not used: %s", t->name), r->skipped++, FD_OK;
  if (!p) return fd_fail(FD_DATA, "%s: tensor '%s' is none of this model", path, t->name);
  if (r->taken[p - r->params->item]++) return fd_fail(FD_DATA, "%s: tensor '%s' is there twice", path, p->name);
  if (t->dims != p->dims || t->shape[0] != p->shape[0] || (p->dims == 2 && t->shape[1] != p->shape[1]))
    return fd_fail(FD_DATA, "%s: tensor '%s': shape [%lld, %lld] (config.json says [%d, %d])", path, t->name,
                   (long long)t->shape[0], (long long)(t->dims > 1 ? t->shape[1] : 0), p->shape[0],
                   p->dims == 2 ? p->shape[1] : 0);
  if (!fd_tensor_floats(t, r->weights + p->offset))
    return fd_fail(FD_DATA, "%s: tensor '%s' is %s (expected F32, F16 or BF16)", path, t->name, t->dtype);
  size_t place = fd_first_bad(r->weights + p->offset, p->size);
  if (place < p->size) return fd_fail(FD_NUMERIC, "%s: tensor '%s', element %zu is not finite", path, t->name, place);
  return FD_OK;
}

static fd_status take_file(const char *folder, const char *name, reading *r) {
  char path[FD_PATH_MAX];
  fd_safetensors file;
  fd_status status = FD_OK;
  FD_TRY(fd_path(path, folder, name, NULL));
  FD_TRY(fd_safetensors_read(path, &file));
  for (int i = 0; i < file.count && status == FD_OK; i++) status = take(path, r, &file.tensor[i]);
  fd_safetensors_free(&file);
  return status;
}

/* The files of a folder: of its index, each once, or the one that there is without. */
typedef struct files {
  json_t *index; /* owns the names; NULL without an index */
  int count;
  const char *name[FILES_MAX];
} files;

static fd_status list_files(const char *path, files *f) {
  const char *name;
  json_t *value, *map = json_object_get(f->index, "weight_map");
  if (!json_is_object(map)) return fd_fail(FD_DATA, "%s: no 'weight_map': the file of each tensor", path);
  json_object_foreach(map, name, value) {
    const char *file = json_string_value(value);
    int known = 0;
    if (!file || !*file || strchr(file, '/'))
      return fd_fail(FD_DATA, "%s: tensor '%.100s': expected the name of a file in this folder", path, name);
    for (int i = 0; i < f->count; i++) known |= !strcmp(f->name[i], file);
    if (known) continue;
    if (f->count == FILES_MAX) return fd_fail(FD_DATA, "%s: more than %d files", path, FILES_MAX);
    f->name[f->count++] = file;
  }
  return FD_OK;
}

static fd_status find_files(const char *folder, files *f) {
  char path[FD_PATH_MAX], *text;
  size_t bytes;
  *f = (files){.count = 1, .name = {"model.safetensors"}};
  FD_TRY(fd_path(path, folder, "model.safetensors.index.json", NULL));
  if (fd_is_absent(path)) return FD_OK;
  f->count = 0;
  FD_TRY(fd_read_file(path, INDEX_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&f->index, text, bytes, path);
  free(text);
  return status == FD_OK ? list_files(path, f) : status;
}

/* Before memory is taken: the files hold as many numbers as config.json asks for, of two bytes at least. */
static fd_status check_sizes(const char *folder, const files *f, const fd_params *params) {
  uint64_t all = 0;
  for (int i = 0; i < f->count; i++) {
    char path[FD_PATH_MAX];
    uint64_t bytes;
    FD_TRY(fd_path(path, folder, f->name[i], NULL));
    FD_TRY(fd_file_size(path, &bytes));
    all += bytes;
  }
  if (params->size <= all / 2) return FD_OK;
  return fd_fail(FD_DATA, "%s: config.json asks for %zu parameters; the files have %" PRIu64 " bytes", folder, params->size, all);
}

fd_status fd_hf_tensors(const char *folder, const fd_params *params, float **weights) {
  fd_status status = FD_OK;
  reading r = {.params = params};
  files f;
  FD_GO(find_files(folder, &f));
  FD_GO(check_sizes(folder, &f, params));
  FD_GO(fd_alloc(&r.weights, params->size, sizeof(float), "weights"));
  FD_GO(fd_alloc(&r.taken, (size_t)params->count, 1, "weights"));
  for (int i = 0; i < f.count; i++) FD_GO(take_file(folder, f.name[i], &r));
  for (int i = 0; i < params->count; i++)
    if (!r.taken[i]) FD_GO(fd_fail(FD_DATA, "%s: no tensor '%s'", folder, params->item[i].name));
  if (r.skipped) fd_info("%d tensors of %s are not used", r.skipped, folder);
done:
  json_decref(f.index);
  free(r.taken);
  if (status != FD_OK) free(r.weights), r.weights = NULL;
  *weights = r.weights;
  return status;
}
