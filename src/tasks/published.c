/* Keeps, copies and writes back the files and unused tensors of a published model. */
#include "tasks/published.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/version.h"
#include "output/safetensors.h"
#include "tasks/hf_config.h"
#include "tasks/hf_names.h"
#include "tasks/model_file.h"
#include "tasks/task_json.h"
#include "tasks/words.h"

static const char place[] = "published", list[] = "tensors.json", rest[] = "unused.safetensors";

/* --- files --------------------------------------------------------------------------------------------------------------- */

/* Files that are copied unchanged: those of tokenizers, notes, and the code that some models are published with. */
static const char *const files[] = {"config.json",
                                    FD_WORDS_FILE,
                                    "tokenizer_config.json",
                                    "vocab.txt",
                                    "vocab.json",
                                    "merges.txt",
                                    "special_tokens_map.json",
                                    "added_tokens.json",
                                    "generation_config.json",
                                    "README.md",
                                    "LICENSE",
                                    "LICENSE.txt",
                                    "configuration_bert.py",
                                    "bert_layers.py",
                                    "bert_padding.py",
                                    "flash_attn_triton.py",
                                    "esm_config.py",
                                    "modeling_esm.py"};
enum { FILES = sizeof files / sizeof *files };

static fd_status copy(const char *from, const char *to, const char *name, size_t most) {
  char path[FD_PATH_MAX], copied[FD_PATH_MAX];
  FD_TRY(fd_path(path, from, name, NULL));
  FD_TRY(fd_path(copied, to, name, NULL));
  return fd_is_absent(path) ? FD_OK : fd_copy_file(path, copied, most);
}

/* The file of a byte-pair tokenizer is in the run folder (words.h) and is not stored twice. */
static fd_status copy_files(const fd_config *config, const char *from, const char *to, int with_config) {
  for (int i = !with_config; i < FILES; i++)
    if (config->model.tokenizer != FD_TOKENIZER_BPE || strcmp(files[i], FD_WORDS_FILE))
      FD_TRY(copy(from, to, files[i], FD_WORDS_MAX));
  return FD_OK;
}

/* Keeps the unused tensors. */
static fd_status keep_rest(const char *folder, const json_t *names, const char *path) {
  fd_hf_tensors *t;
  if (!json_array_size(names)) return FD_OK;
  FD_TRY(fd_alloc(&t, 1, sizeof *t, "tensors"));
  fd_status status = fd_hf_tensors_list(t, folder);
  if (status == FD_OK) status = fd_hf_tensors_copy(t, names, path);
  fd_hf_tensors_free(t);
  free(t);
  return status;
}

fd_status fd_published_keep(const char *folder, const fd_config *config, const fd_hf_read_tensors *read, const char *run) {
  char path[FD_PATH_MAX], name[FD_PATH_MAX], *text = NULL;
  json_t *root = json_pack("{s:s, s:O, s:O}", "format", "findna-published 1", "tensors", read->types, "unused", read->skipped);
  fd_status status = fd_json_text(&text, root, JSON_INDENT(1), list);
  if (status == FD_OK) status = fd_path(path, run, place, NULL);
  if (status == FD_OK) status = fd_make_folder(path);
  if (status == FD_OK) status = fd_path(name, path, list, NULL);
  if (status == FD_OK) status = fd_write_file(name, text, strlen(text));
  if (status == FD_OK) status = copy_files(config, folder, path, 1);
  if (status == FD_OK) status = fd_path(name, path, rest, NULL);
  if (status == FD_OK) status = keep_rest(folder, read->skipped, name);
  free(text);
  json_decref(root);
  return status;
}

fd_status fd_published_is(const char *checkpoint, int *is) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_run_path(checkpoint, place, path));
  *is = !fd_is_absent(path);
  return FD_OK;
}

/* Reads tensors.json; the caller releases *root. `path` receives the file's name. */
static fd_status read_list(const char *kept, char path[], json_t **root) {
  char *text;
  size_t bytes;
  FD_TRY(fd_path(path, kept, list, NULL));
  FD_TRY(fd_read_file(path, FD_WORDS_MAX, &text, &bytes));
  fd_status status = fd_json_parse(root, text, bytes, path);
  free(text);
  return status;
}

/* Finds the file of unused tensors, if there are any (*is). */
static fd_status find_rest(const char *kept, const json_t *root, char path[], int *is) {
  size_t named = json_array_size(json_object_get(root, "unused"));
  FD_TRY(fd_path(path, kept, rest, NULL));
  *is = !fd_is_absent(path);
  if (*is || !named) return FD_OK;
  return fd_fail(FD_MISSING, "%s: not there; expected the %zu tensors that %s next to it lists as unused", path, named, list);
}

static fd_status copy_kept(const fd_config *config, const char *from, const char *to) {
  char path[FD_PATH_MAX];
  json_t *root;
  int has_rest = 0; /* initialised because gcc 11 warns that it might be unset */
  FD_TRY(read_list(from, path, &root));
  fd_status status = find_rest(from, root, path, &has_rest);
  json_decref(root);
  if (status == FD_OK) status = copy(from, to, list, FD_WORDS_MAX);
  if (status == FD_OK && has_rest) status = copy(from, to, rest, SIZE_MAX / 2);
  return status == FD_OK ? copy_files(config, from, to, 1) : status;
}

fd_status fd_published_copy(const fd_config *config, const char *checkpoint, const char *run) {
  char from[FD_PATH_MAX], to[FD_PATH_MAX];
  int is;
  fd_folder made;
  FD_TRY(fd_published_is(checkpoint, &is));
  FD_TRY(fd_run_path(checkpoint, place, from));
  FD_TRY(fd_path(to, run, place, NULL));
  if (!is || fd_exists(to)) return FD_OK; /* exists: the run is being resumed */
  FD_TRY(fd_folder_begin(&made, to));
  fd_status status = copy_kept(config, from, made.temporary);
  if (status == FD_OK) status = fd_folder_commit(&made);
  fd_folder_abandon(&made);
  return status;
}

/* --- tensors ------------------------------------------------------------------------------------------------------------- */

typedef struct writing {
  const fd_pretrained *model;
  const float *weights;
  int is_new_classifier;
  unsigned char *written; /* [params] */
  int count;
  fd_tensor *tensor; /* their data: weights, halves or rest */
  size_t room;
  uint16_t **halves; /* values in 16 bits */
  size_t halves_count, halves_room;
  fd_safetensors rest;
} writing;

/* Adds a parameter in its published type if this represents its values exactly, as it does unless they were trained since. */
static fd_status add(writing *w, const char *name, const fd_param *p, const char *type) {
  const float *values = w->weights + p->offset;
  fd_tensor *t = &w->tensor[w->count];
  uint16_t *halves;
  *t = fd_tensor_f32(name, p->shape[0], p->dims == 2 ? p->shape[1] : 0, values);
  w->written[p - w->model->network->params.item] = 1;
  w->count++;
  if (strcmp(type, "F16") && strcmp(type, "BF16")) return FD_OK;
  FD_TRY(fd_grow(&w->halves, &w->halves_room, w->halves_count + 1, sizeof *w->halves, "an export"));
  FD_TRY(fd_alloc(&halves, p->size, sizeof *halves, "an export"));
  w->halves[w->halves_count++] = halves;
  if (!fd_tensor_halves(type, p->size, values, halves)) return FD_OK;
  t->data = halves;
  t->bytes = p->size * sizeof *halves;
  snprintf(t->dtype, sizeof t->dtype, "%s", type);
  return FD_OK;
}

/* Whether the head is written as a published classifier that did not come with the encoder. */
static int is_new_classifier(const writing *w, const json_t *types) {
  const char *name;
  json_t *type;
  if (!fd_hf_is_classifier(&w->model->config)) return 0;
  json_object_foreach((json_t *)types, name, type) {
    const fd_param *p = fd_hf_param(&w->model->network->params, &w->model->config, name);
    if (p && fd_param_is_of(p, "task") && strcmp(p->name, name)) return 0;
  }
  return 1;
}

/* The published name of a tensor; in a model with a new classifier, with its prefix. */
static void name_of(const writing *w, const char *had, const fd_param *p, char name[FD_TENSOR_NAME]) {
  if (w->is_new_classifier && p && fd_param_is_of(p, "task")) fd_hf_name(&w->model->config, p, name);
  else if (w->is_new_classifier) fd_hf_full_name(&w->model->config, had, name, FD_TENSOR_NAME);
  else snprintf(name, FD_TENSOR_NAME, "%s", had);
}

static fd_status add_all(writing *w, const char *path, const json_t *types) {
  const fd_params *params = &w->model->network->params;
  const char *had;
  char name[FD_TENSOR_NAME];
  json_t *type;
  size_t all = json_object_size(types) + (size_t)params->count;
  w->is_new_classifier = is_new_classifier(w, types);
  FD_TRY(fd_grow(&w->tensor, &w->room, all, sizeof *w->tensor, "an export"));
  FD_TRY(fd_alloc(&w->written, (size_t)params->count, 1, "an export"));
  json_object_foreach((json_t *)types, had, type) {
    const fd_param *p = fd_hf_param(params, &w->model->config, had);
    if (!json_is_string(type) || strlen(had) >= FD_TENSOR_NAME)
      return fd_fail(FD_DATA, "%s: tensor '%.100s': expected its type, as 'findna import' wrote it", path, had);
    name_of(w, had, p, name);
    if (p) FD_TRY(add(w, name, p, json_string_value(type)));
    else fd_info("not written: %s, which the model does not have any more", had);
  }
  for (int i = 0; i < params->count; i++) {
    fd_hf_name(&w->model->config, &params->item[i], name);
    if (!w->written[i]) FD_TRY(add(w, name, &params->item[i], "F32"));
  }
  return FD_OK;
}

/* Adds the unused tensors, unchanged. */
static fd_status add_rest(writing *w, const char *kept, const json_t *root) {
  char path[FD_PATH_MAX];
  const json_t *unused = json_object_get(root, "unused");
  int is;
  FD_TRY(find_rest(kept, root, path, &is));
  if (!is) return FD_OK;
  FD_TRY(fd_safetensors_read(path, &w->rest));
  for (size_t i = 0; i < json_array_size(unused); i++) {
    const char *name = json_string_value(json_array_get(unused, i));
    if (!name || !fd_safetensors_find(&w->rest, name))
      return fd_fail(FD_DATA, "%s: no tensor '%.100s', which %s next to it lists as unused", path, name ? name : "", list);
  }
  FD_TRY(fd_grow(&w->tensor, &w->room, (size_t)(w->count + w->rest.count), sizeof *w->tensor, "an export"));
  for (int i = 0; i < w->rest.count; i++) {
    const fd_tensor *t = &w->rest.tensor[i];
    if (fd_hf_param(&w->model->network->params, &w->model->config, t->name)) continue; /* a head that was fine-tuned since */
    fd_info("written unchanged, not used here: %s", t->name);
    w->tensor[w->count] = *t;
    name_of(w, t->name, NULL, w->tensor[w->count++].name);
  }
  return FD_OK;
}

/* *wide: whether a tensor is float32. */
static fd_status write_tensors(const char *folder, const fd_pretrained *m, const float *weights, const char *kept, int *wide) {
  char path[FD_PATH_MAX];
  json_t *root;
  fd_status status = FD_OK;
  writing w = {.model = m, .weights = weights};
  FD_TRY(read_list(kept, path, &root));
  FD_GO(add_all(&w, path, json_object_get(root, "tensors")));
  FD_GO(add_rest(&w, kept, root));
  qsort(w.tensor, (size_t)w.count, sizeof *w.tensor, fd_tensor_wide_first);
  for (int i = 0; i < w.count; i++) *wide |= !strcmp(w.tensor[i].dtype, "F32");
  FD_GO(fd_path(path, folder, "model.safetensors", NULL));
  FD_GO(fd_safetensors_write_for(path, w.tensor, w.count, "pt"));
done:
  for (size_t i = 0; i < w.halves_count; i++) free(w.halves[i]);
  free(w.halves);
  fd_safetensors_free(&w.rest);
  free(w.tensor);
  free(w.written);
  json_decref(root);
  return status;
}

/* --- config.json --------------------------------------------------------------------------------------------------------- */

/* Whether the weights were trained here. A mere import has no dataset. */
static int is_trained_here(const fd_pretrained *m) { return m->info.dataset_id[strspn(m->info.dataset_id, "0")]; }

/* Describes a classifier in the keys of transformers. */
static void describe_classifier(const fd_config *c, const fd_class_names *given, json_t **root) {
  json_t *names = json_object(), *numbers = json_object();
  for (int i = 0; i < c->task.outputs; i++) {
    char key[24], plain[40];
    snprintf(key, sizeof key, "%d", i);
    snprintf(plain, sizeof plain, "LABEL_%d", i);
    const char *name = i < given->count ? given->name[i] : plain;
    fd_json_set(&names, key, json_string(name));
    fd_json_set(&numbers, name, json_integer(i));
  }
  fd_json_set(root, "id2label", names);
  fd_json_set(root, "label2id", numbers);
  fd_json_set(root, "problem_type", json_string(c->task.kind == FD_TASK_VALUES ? "regression" : "single_label_classification"));
  fd_json_set(root, "architectures",
              json_pack("[s]", fd_hf_is_esm(c) ? "EsmForSequenceClassification" : "BertForSequenceClassification"));
}

/* Removes the description of a classifier that a model in further pretraining has lost: transformers would make one at random. */
static void forget_classifier(const fd_config *c, json_t **root) {
  static const char *const of_head[] = {"id2label", "label2id", "num_labels", "problem_type"};
  const char *said = json_string_value(json_array_get(json_object_get(*root, "architectures"), 0));
  const char *family = fd_hf_is_esm(c) ? "Esm" : "Bert",
             *kind = fd_config_lm_head(c) == FD_LM_HEAD_NONE ? "Model" : "ForMaskedLM";
  char name[32];
  if (c->task.outputs || !said || !strstr(said, "ForSequenceClassification")) return;
  for (size_t i = 0; i < sizeof of_head / sizeof *of_head; i++) json_object_del(*root, of_head[i]);
  snprintf(name, sizeof name, "%s%s", family, kind);
  fd_json_set(root, "architectures", json_pack("[s]", name));
}

/* The origin of the weights, and settings that transformers has no keys for. */
static json_t *describe(const fd_pretrained *m, const fd_encoder *encoder) {
  json_t *ours = json_pack("{s:s, s:s, s:I, s:i, s:s}", "weights_of", encoder->name, "state_id", m->info.state_id, "step",
                           (json_int_t)m->info.step, "window", m->info.window, "version", fd_version());
  if (m->config.task.outputs && !fd_hf_is_classifier(&m->config))
    fd_json_set(&ours, "task", fd_task_json(&m->config, &m->weights.classes));
  return ours;
}

/* `wide`: the tensors are float32 now, and transformers must not read them as what they were. */
static fd_status write_config(const char *folder, const fd_pretrained *m, const fd_encoder *encoder, const char *kept, int wide) {
  static const char *const types[] = {"torch_dtype", "dtype"};
  char path[FD_PATH_MAX];
  json_t *root;
  FD_TRY(fd_hf_config_read(kept, path, &root));
  for (int i = 0; i < 2 && wide; i++)
    if (json_object_get(root, types[i])) fd_json_set(&root, types[i], json_string("float32"));
  if (is_trained_here(m) && fd_hf_is_classifier(&m->config)) describe_classifier(&m->config, &m->weights.classes, &root);
  if (is_trained_here(m)) forget_classifier(&m->config, &root);
  fd_json_set(&root, "findna", describe(m, encoder));
  fd_status status = fd_model_config_write(folder, root);
  json_decref(root);
  return status;
}

fd_status fd_published_write(const char *folder, const fd_pretrained *m, const fd_encoder *encoder) {
  char kept[FD_PATH_MAX];
  fd_folder made;
  int wide = 0;
  FD_TRY(fd_run_path(m->info.folder, place, kept));
  FD_TRY(fd_folder_begin(&made, folder));
  fd_status status = m->tokenizer ? fd_words_save(m->tokenizer, made.temporary) : FD_OK;
  if (status == FD_OK) status = copy_files(&m->config, kept, made.temporary, 0);
  if (status == FD_OK) status = write_tensors(made.temporary, m, encoder->params, kept, &wide);
  if (status == FD_OK) status = write_config(made.temporary, m, encoder, kept, wide);
  if (status == FD_OK) status = fd_folder_commit(&made);
  fd_folder_abandon(&made);
  return status;
}
