/* Writes a task as JSON and reads it. */
#include "tasks/task_json.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

static const char *const kinds[] = {"classes", "values"}, *const features[] = {"tokens", "cls", "both", "max"},
                         *const activations[] = {"gelu", "tanh"};

json_t *fd_task_json_list(const fd_class_names *classes) {
  json_t *list = json_array();
  for (int i = 0; i < classes->count; i++) fd_json_append(&list, json_string(classes->name[i]));
  return list;
}

json_t *fd_task_json(const fd_config *c, const fd_class_names *classes) {
  json_t *task = json_pack("{s:I, s:I, s:s, s:s}", "outputs", (json_int_t)c->task.outputs, "hidden", (json_int_t)c->task.hidden,
                           "kind", kinds[c->task.kind], "features", features[c->task.features]);
  if (c->task.activation != FD_TASK_GELU) fd_json_set(&task, "activation", json_string(activations[c->task.activation]));
  if (classes->count) fd_json_set(&task, "names", fd_task_json_list(classes));
  return task;
}

const char *fd_task_json_word(const json_t *object, const char *key) {
  const char *word = json_string_value(json_object_get(object, key));
  return word && *word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_, ")] ? word : "missing";
}

int fd_task_json_settings(const json_t *task, char setting[FD_TASK_SETTINGS][FD_SETTING_MAX]) {
  static const char *const numbers[] = {"outputs", "hidden"}, *const words[] = {"kind", "features", "activation"};
  int n = 0;
  for (int i = 0; i < 2; i++)
    snprintf(setting[n++], FD_SETTING_MAX, "task.%s=%" JSON_INTEGER_FORMAT, numbers[i],
             json_integer_value(json_object_get(task, numbers[i])));
  for (int i = 0; i < 3; i++)
    if (i < 2 || json_object_get(task, words[i]))
      snprintf(setting[n++], FD_SETTING_MAX, "task.%s=%.40s", words[i], fd_task_json_word(task, words[i]));
  return n;
}

fd_status fd_task_json_take(const char *path, fd_config *config, fd_class_names *classes) {
  char hash[FD_SHA256_HEX];
  fd_status status = FD_OK;
  if (classes->count && classes->count != config->task.outputs)
    status = fd_fail(FD_DATA, "%s: %d names of classes for %lld outputs", path, classes->count, (long long)config->task.outputs);
  if (status == FD_OK) status = fd_class_names_hash(classes, hash);
  if (status == FD_OK) memcpy(config->task.classes, hash, sizeof hash);
  else fd_class_names_free(classes);
  return status;
}

/* Names are a list, or as older versions wrote them a comma-separated string. */
fd_status fd_task_json_names(const char *path, const json_t *task, fd_config *config, fd_class_names *classes) {
  const json_t *names = json_object_get(task, "names");
  fd_status status = FD_OK;
  *classes = (fd_class_names){0};
  if (json_is_string(names)) FD_TRY(fd_class_names_split(classes, json_string_value(names)));
  for (size_t i = 0; i < json_array_size(names) && status == FD_OK; i++) {
    const char *name = json_string_value(json_array_get(names, i));
    status = name ? fd_class_names_add(classes, path, name) : fd_fail(FD_DATA, "%s: names: item %zu is not a string", path, i);
  }
  if (status == FD_OK) return fd_task_json_take(path, config, classes);
  fd_class_names_free(classes);
  return status;
}
