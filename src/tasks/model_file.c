/* Writes and reads model.safetensors and config.json. */
#include "tasks/model_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/finite.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/version.h"
#include "data/class_names.h"
#include "output/safetensors.h"

static const char format[] = "findna-model 1", alphabet[] = "ACGTN";
enum { JSON_MAX = 1 << 20 };

/* Weights without those of a projection, which nothing uses after pretraining: `tensors` [params.count]. */
static int take_tensors(const fd_params *params, const float *weights, fd_tensor *tensors, json_int_t *size) {
  int count = 0;
  *size = 0;
  for (int i = 0; i < params->count; i++) {
    const fd_param *p = &params->item[i];
    if (fd_param_is_of(p, "projection")) continue;
    tensors[count++] = fd_tensor_f32(p->name, p->shape[0], p->dims == 2 ? p->shape[1] : 0, weights + p->offset);
    *size += (json_int_t)p->size;
  }
  return count;
}

static const char *const cls_tokens[] = {"zero", "learned"};

static json_t *describe(const fd_pretrained *m, const fd_encoder *encoder, json_int_t parameters) {
  const fd_config *c = &m->config;
  return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:i, s:I, s:s, s:i, s:f, s:s, s:s, s:s, s:I, s:I, s:s}", "format",
                   format, "model_type", "findna", "encoder", "chordmixer", "alphabet", alphabet, "channels",
                   (json_int_t)c->model.channels, "hidden", (json_int_t)c->model.hidden, "track", (json_int_t)c->model.track,
                   "networks", (json_int_t)c->model.networks, "blocks", m->network->blocks, "cls", (json_int_t)c->model.cls,
                   "cls_tokens", cls_tokens[c->model.cls_tokens], "window", m->info.window, "mnm_tau", c->objective.mnm_tau,
                   "mnm", c->objective.mnm == FD_MNM_BCE ? "bce" : "ce", "weights_of", encoder->name, "state_id",
                   m->info.state_id, "step", (json_int_t)m->info.step, "parameters", parameters, "findna", fd_version());
}

static const char *const kinds[] = {"classes", "values"}, *const features[] = {"tokens", "cls", "both"};

static fd_status write_config(const char *folder, const fd_pretrained *m, const fd_encoder *encoder, json_int_t parameters) {
  char path[FD_PATH_MAX], *text = NULL;
  json_t *root = describe(m, encoder, parameters);
  const fd_task_head *head = &m->network->task;
  if (head->outputs) {
    json_t *task = json_pack("{s:i, s:i, s:s, s:s}", "outputs", head->outputs, "hidden", head->hidden, "kind", kinds[head->kind],
                             "features", features[head->features]);
    if (*m->config.task.names) fd_json_set(&task, "names", json_string(m->config.task.names));
    fd_json_set(&root, "task", task);
  }
  fd_status status = fd_json_text(&text, root, JSON_INDENT(2) | JSON_REAL_PRECISION(17), "config.json");
  if (status == FD_OK) status = fd_path(path, folder, "config.json", NULL);
  if (status == FD_OK) status = fd_write_file(path, text, strlen(text));
  free(text);
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
  status = fd_path(path, made.temporary, "model.safetensors", NULL);
  if (status == FD_OK) status = fd_safetensors_write(path, tensors, count);
  if (status == FD_OK) status = write_config(made.temporary, m, encoder, parameters);
  if (status == FD_OK) status = fd_folder_commit(&made);
  fd_folder_abandon(&made);
done:
  free(tensors);
  return status;
}

/* A word that can stand in a config: letters and no more, so that it stays the value of its own key. */
static const char *word_of(const json_t *object, const char *key) {
  const char *word = json_string_value(json_object_get(object, key));
  return word && *word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz_")] ? word : "missing";
}

static fd_status take_names(const char *path, const json_t *task, fd_config *config) {
  const char *text = json_string_value(json_object_get(task, "names"));
  fd_class_names names;
  if (!text) return FD_OK;
  if (strlen(text) >= sizeof config->task.names)
    return fd_fail(FD_DATA, "%s: the names of its classes are longer than %zu bytes", path, sizeof config->task.names - 1);
  FD_TRY(fd_class_names_split(&names, text));
  int count = names.count;
  fd_class_names_free(&names);
  if (count != config->task.outputs)
    return fd_fail(FD_DATA, "%s: %d names of classes for %lld outputs", path, count, (long long)config->task.outputs);
  snprintf(config->task.names, sizeof config->task.names, "%s", text);
  return FD_OK;
}

/* The model's shape as YAML: the options' own ranges then check it. */
static fd_status read_shape(const char *path, const json_t *root, fd_config *config, int *window) {
  static const char *const keys[] = {"channels", "hidden", "track", "networks", "blocks", "cls"};
  char text[1024];
  int n = snprintf(text, sizeof text,
                   "teacher:\n  kind: none\nobjective:\n  cl_weight: 0\n  mnm: %.20s\n  mnm_tau: %.17g\naug:\n  student: DITM\n"
                   "  teacher: \"\"\nmodel:\n",
                   json_object_get(root, "mnm") ? word_of(root, "mnm") : "ce",
                   json_is_number(json_object_get(root, "mnm_tau")) ? json_number_value(json_object_get(root, "mnm_tau")) : 1.0);
  if (json_object_get(root, "cls_tokens")) /* files of older versions have none: zero rows */
    n += snprintf(text + n, sizeof text - (size_t)n, "  cls_tokens: %.20s\n", word_of(root, "cls_tokens"));
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const json_t *value = json_object_get(root, keys[i]);
    if (!json_is_integer(value)) return fd_fail(FD_DATA, "%s: no whole number '%s'", path, keys[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "  %s: %" JSON_INTEGER_FORMAT "\n", keys[i], json_integer_value(value));
  }
  const json_t *task = json_object_get(root, "task");
  if (task)
    n += snprintf(text + n, sizeof text - (size_t)n,
                  "task:\n  outputs: %" JSON_INTEGER_FORMAT "\n  hidden: %" JSON_INTEGER_FORMAT
                  "\n  kind: %.20s\n  features: %.20s\n",
                  json_integer_value(json_object_get(task, "outputs")), json_integer_value(json_object_get(task, "hidden")),
                  word_of(task, "kind"), word_of(task, "features"));
  json_int_t length = json_integer_value(json_object_get(root, "window"));
  if (length < 1 || length > 1 << 30)
    return fd_fail(FD_DATA, "%s: window: expected the nucleotides of a window in pretraining, 1 to %d", path, 1 << 30);
  *window = (int)length;
  fd_status status = fd_config_parse(config, text, (size_t)n, path, NULL, 0);
  if (status != FD_OK) return status == FD_CONFIG ? FD_DATA : status;
  return take_names(path, task, config);
}

static fd_status read_config(const char *folder, fd_config *config, int *window) {
  char path[FD_PATH_MAX], *text;
  size_t bytes;
  json_t *root;
  FD_TRY(fd_path(path, folder, "config.json", NULL));
  FD_TRY(fd_read_file(path, JSON_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&root, text, bytes, path);
  free(text);
  FD_TRY(status);
  const char *found = json_string_value(json_object_get(root, "format")),
             *letters = json_string_value(json_object_get(root, "alphabet"));
  if (!found || strcmp(found, format))
    status = fd_fail(FD_DATA, "%s: format '%.40s' (expected '%s')", path, found ? found : "(none)", format);
  else if (!letters || strcmp(letters, alphabet))
    status = fd_fail(FD_DATA, "%s: alphabet '%.40s' (expected '%s': the order of the embedding's columns)", path,
                     letters ? letters : "(none)", alphabet);
  else if (json_object_get(root, "encoder") && strcmp(word_of(root, "encoder"), "chordmixer"))
    status = fd_fail(FD_DATA, "%s: encoder '%.40s' (expected 'chordmixer')", path, word_of(root, "encoder"));
  else status = read_shape(path, root, config, window);
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
  return fd_fail(FD_NUMERIC, "%s: tensor '%s', element %zu is not finite: expected the weights of a training that went well",
                 path, p->name, place);
}

static fd_status read_weights(const char *folder, const fd_params *params, float **weights) {
  char path[FD_PATH_MAX];
  fd_safetensors file;
  fd_status status = FD_OK;
  FD_TRY(fd_path(path, folder, "model.safetensors", NULL));
  FD_TRY(fd_safetensors_read(path, &file));
  for (int i = 0; i < params->count; i++) FD_GO(check_tensor(path, &params->item[i], &file));
  FD_GO(fd_alloc(weights, params->size, sizeof **weights, "weights")); /* not more than the file has, as was just checked */
  for (int i = 0; i < params->count; i++) FD_GO(take_tensor(path, &params->item[i], &file, *weights));
  if (file.count != params->count)
    for (int i = 0; i < file.count; i++)
      if (!fd_params_find(params, file.tensor[i].name))
        FD_GO(fd_fail(FD_DATA, "%s: tensor '%s' is none of this model", path, file.tensor[i].name));
done:
  fd_safetensors_free(&file);
  if (status != FD_OK) free(*weights), *weights = NULL;
  return status;
}

fd_status fd_model_read(const char *folder, fd_config *config, int *window, float **weights) {
  fd_network *network;
  *weights = NULL;
  if (fd_is_absent(folder)) return fd_fail(FD_MISSING, "%s: no such folder", folder);
  FD_TRY(read_config(folder, config, window));
  FD_TRY(fd_network_create(&network, config, *window));
  fd_status status = read_weights(folder, &network->params, weights);
  fd_network_destroy(&network);
  return status;
}
