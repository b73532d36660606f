/* Writes and reads model.safetensors and config.json. */
#include "tasks/model_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/version.h"
#include "config/shape.h"
#include "data/alphabet.h"
#include "output/safetensors.h"
#include "tasks/task_json.h"
#include "tasks/words.h"

static const char format[] = "findna-model 1";

/* Collects the weights, without those of a projection, which is unused after pretraining: `tensors` [params.count]. */
static int take_tensors(const fd_params *params, const float *weights, fd_tensor *tensors, json_int_t *size) {
  int count = 0;
  *size = 0;
  for (int i = 0; i < params->count; i++) {
    const fd_param *p = &params->item[i];
    if (fd_param_is_of(p, "projection") || fd_param_is_of(p, "projector")) continue;
    tensors[count++] = fd_tensor_f32(p->name, p->shape[0], p->dims == 2 ? p->shape[1] : 0, weights + p->offset);
    *size += (json_int_t)p->size;
  }
  return count;
}

/* A value of the model's shape as a new JSON value. */
static json_t *value_of(const fd_shape_item *item) {
  const char *value = fd_shape_value(item);
  if (item->word) return json_string(value);
  if (!strcmp(value, "true") || !strcmp(value, "false")) return json_boolean(*value == 't');
  return item->real ? json_real(strtod(value, NULL)) : json_integer(strtoll(value, NULL, 10));
}

static fd_status describe(const fd_pretrained *m, const fd_encoder *encoder, json_int_t parameters, json_t **root) {
  fd_shape shape;
  FD_TRY(fd_shape_of(&shape, &m->config));
  *root = json_pack("{s:s, s:s, s:s}", "format", format, "model_type", "findna", "alphabet", fd_letters);
  for (int i = 0; i < shape.count; i++) fd_json_set(root, shape.item[i].name, value_of(&shape.item[i]));
  fd_json_set(root, "window", json_integer(m->info.window));
  fd_json_set(root, "weights_of", json_string(encoder->name));
  fd_json_set(root, "state_id", json_string(m->info.state_id));
  fd_json_set(root, "step", json_integer(m->info.step));
  fd_json_set(root, "parameters", json_integer(parameters));
  fd_json_set(root, "findna", json_string(fd_version()));
  return FD_OK;
}

fd_status fd_model_config_write(const char *folder, const json_t *root) {
  char path[FD_PATH_MAX], *text;
  FD_TRY(fd_path(path, folder, "config.json", NULL));
  FD_TRY(fd_json_text(&text, root, JSON_INDENT(2) | JSON_REAL_PRECISION(17), path));
  fd_status status = fd_write_file(path, text, strlen(text));
  free(text);
  return status;
}

static fd_status write_config(const char *folder, const fd_pretrained *m, const fd_encoder *encoder, json_int_t parameters) {
  json_t *root;
  FD_TRY(describe(m, encoder, parameters, &root));
  if (m->config.task.outputs) fd_json_set(&root, "task", fd_task_json(&m->config, &m->weights.classes));
  fd_status status = fd_model_config_write(folder, root);
  json_decref(root);
  return status;
}

fd_status fd_model_write(const char *folder, const fd_pretrained *m, const fd_encoder *encoder) {
  const fd_params *params = &m->network->params;
  char path[FD_PATH_MAX];
  fd_tensor *tensors;
  json_int_t parameters;
  fd_folder made;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&tensors, (size_t)params->count, sizeof *tensors, "an export"));
  int count = take_tensors(params, encoder->params, tensors, &parameters);
  FD_GO(fd_folder_begin(&made, folder));
  if (m->tokenizer) status = fd_words_save(m->tokenizer, made.temporary);
  if (status == FD_OK) status = fd_path(path, made.temporary, "model.safetensors", NULL);
  if (status == FD_OK) status = fd_safetensors_write(path, tensors, count);
  if (status == FD_OK) status = write_config(made.temporary, m, encoder, parameters);
  if (status == FD_OK) status = fd_folder_commit(&made);
  fd_folder_abandon(&made);
done:
  free(tensors);
  return status;
}

/* A value of the model's shape as text; "" if the file has none. */
static void text_of(const json_t *root, const char *name, char text[FD_SETTING_MAX]) {
  const json_t *value = json_object_get(root, name);
  *text = '\0';
  if (json_is_string(value))
    snprintf(text, FD_SETTING_MAX, "%.70s", *json_string_value(value) ? fd_task_json_word(root, name) : "");
  else if (json_is_boolean(value)) snprintf(text, FD_SETTING_MAX, json_is_true(value) ? "true" : "false");
  else if (json_is_integer(value)) snprintf(text, FD_SETTING_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
  else if (json_is_real(value)) snprintf(text, FD_SETTING_MAX, "%.17g", json_real_value(value));
}

/* Replaces the defaults of the encoder by the file's values; files of older versions contain only integers. */
static fd_status take_shape(const char *path, const json_t *root, fd_shape *shape) {
  for (int i = 0; i < shape->count; i++) {
    fd_shape_item *item = &shape->item[i];
    char text[FD_SETTING_MAX];
    text_of(root, item->name, text);
    if (!*text && !item->word && !item->real) return fd_fail(FD_DATA, "%s: no whole number '%s'", path, item->name);
    size_t prefix = (size_t)(fd_shape_value(item) - item->setting);
    if (*text) snprintf(item->setting + prefix, sizeof item->setting - prefix, "%.70s", text);
  }
  return FD_OK;
}

fd_status fd_model_config(fd_config *config, char *const *settings, int count, const char *name) {
  static const char rest[] = "teacher:\n  kind: none\nobjective:\n  cl_weight: 0\naug:\n  student: DITM\n  teacher: \"\"\n";
  fd_status status = fd_config_parse_settings(config, rest, name, settings, count);
  return status == FD_CONFIG ? FD_DATA : status;
}

/* Reads the model's shape as settings, so that the ranges of the options check it. */
static fd_status read_shape(const char *path, const json_t *root, fd_config *config, int *window, fd_class_names *classes) {
  const json_t *task = json_object_get(root, "task");
  char *setting[FD_SHAPE_MAX + FD_TASK_SETTINGS], of_task[FD_TASK_SETTINGS][FD_SETTING_MAX];
  fd_shape shape;
  int n = 0, tasks = task ? fd_task_json_settings(task, of_task) : 0;
  const char *encoder = json_object_get(root, "encoder") ? fd_task_json_word(root, "encoder") : "chordmixer";
  fd_status status = fd_shape_defaults(&shape, encoder, path);
  if (status == FD_OK) status = take_shape(path, root, &shape);
  if (status != FD_OK) return status == FD_CONFIG ? FD_DATA : status;
  for (int i = 0; i < shape.count; i++) setting[n++] = shape.item[i].setting;
  for (int i = 0; i < tasks; i++) setting[n++] = of_task[i];
  json_int_t length = json_integer_value(json_object_get(root, "window"));
  if (length < 1 || length > 1 << 30)
    return fd_fail(FD_DATA, "%s: window: expected the length of a window in pretraining, 1 to %d nucleotides", path, 1 << 30);
  *window = (int)length;
  FD_TRY(fd_model_config(config, setting, n, path));
  return task ? fd_task_json_names(path, task, config, classes) : FD_OK;
}

static fd_status read_config(const char *folder, fd_config *config, int *window, fd_class_names *classes) {
  char path[FD_PATH_MAX], *text;
  size_t bytes;
  json_t *root;
  FD_TRY(fd_path(path, folder, "config.json", NULL));
  FD_TRY(fd_read_file(path, FD_MODEL_JSON_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&root, text, bytes, path);
  free(text);
  FD_TRY(status);
  const char *found = json_string_value(json_object_get(root, "format")),
             *letters = json_string_value(json_object_get(root, "alphabet"));
  if (!found || strcmp(found, format))
    status = fd_fail(FD_DATA, "%s: format '%.40s' (expected '%s')", path, found ? found : "(none)", format);
  else if (!letters || strcmp(letters, fd_letters))
    status = fd_fail(FD_DATA, "%s: alphabet '%.40s' (expected '%s': the order of the embedding's columns)", path,
                     letters ? letters : "(none)", fd_letters);
  else status = read_shape(path, root, config, window, classes);
  json_decref(root);
  return status;
}

static fd_status check_tensor(const char *path, const fd_param *p, const fd_safetensors *file) {
  const fd_tensor *t = fd_safetensors_find(file, p->name);
  if (!t) return fd_fail(FD_DATA, "%s: no tensor '%s'", path, p->name);
  if (t->dims != p->dims || t->shape[0] != p->shape[0] || (p->dims == 2 && t->shape[1] != p->shape[1]))
    return fd_fail(FD_DATA, "%s: tensor '%s': shape [%lld, %lld] (config.json says [%d, %d])", path, p->name,
                   (long long)t->shape[0], (long long)(t->dims > 1 ? t->shape[1] : 0), p->shape[0],
                   p->dims == 2 ? p->shape[1] : 0);
  return FD_OK;
}

static fd_status take_tensor(const char *path, const fd_param *p, const fd_safetensors *file, float *weights) {
  const fd_tensor *t = fd_safetensors_find(file, p->name);
  if (!fd_tensor_floats(t, weights + p->offset))
    return fd_fail(FD_DATA, "%s: tensor '%s' is %s (expected F32, F16 or BF16, which fp32 holds exactly)", path, p->name,
                   t->dtype);
  size_t place = fd_first_bad(weights + p->offset, p->size);
  if (place == p->size) return FD_OK;
  return fd_fail(FD_NUMERIC,
                 "%s: tensor '%s', element %zu is not finite: expected weights of a training run that did not diverge", path,
                 p->name, place);
}

static fd_status read_weights(const char *folder, const fd_params *params, float **weights) {
  char path[FD_PATH_MAX];
  fd_safetensors file;
  fd_status status = FD_OK;
  FD_TRY(fd_path(path, folder, "model.safetensors", NULL));
  FD_TRY(fd_safetensors_read(path, &file));
  for (int i = 0; i < params->count; i++) FD_GO(check_tensor(path, &params->item[i], &file));
  FD_GO(fd_alloc(weights, params->size, sizeof **weights, "weights")); /* at most the file's size, as was just checked */
  for (int i = 0; i < params->count; i++) FD_GO(take_tensor(path, &params->item[i], &file, *weights));
  if (file.count != params->count)
    for (int i = 0; i < file.count; i++)
      if (!fd_params_find(params, file.tensor[i].name))
        FD_GO(fd_fail(FD_DATA, "%s: tensor '%s' does not belong to this model", path, file.tensor[i].name));
done:
  fd_safetensors_free(&file);
  if (status != FD_OK) free(*weights), *weights = NULL;
  return status;
}

fd_status fd_model_read(const char *folder, fd_config *config, int *window, float **weights, fd_class_names *classes) {
  fd_network *network;
  *weights = NULL;
  *classes = (fd_class_names){0};
  if (fd_is_absent(folder)) return fd_fail(FD_MISSING, "%s: no such folder", folder);
  FD_TRY(read_config(folder, config, window, classes));
  fd_status status = fd_network_create(&network, config, *window);
  if (status == FD_OK) status = read_weights(folder, &network->params, weights);
  fd_network_destroy(&network);
  if (status != FD_OK) fd_class_names_free(classes);
  return status;
}
