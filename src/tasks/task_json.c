/* Writes and reads a task. */
#include "tasks/task_json.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "data/class_names.h"

static const char *const kinds[] = {"classes", "values"}, *const features[] = {"tokens", "cls", "both", "max"},
                         *const activations[] = {"gelu", "tanh"};

json_t *fd_task_json(const fd_config *c) {
  json_t *task = json_pack("{s:I, s:I, s:s, s:s}", "outputs", (json_int_t)c->task.outputs, "hidden", (json_int_t)c->task.hidden,
                           "kind", kinds[c->task.kind], "features", features[c->task.features]);
  if (c->task.activation != FD_TASK_GELU) fd_json_set(&task, "activation", json_string(activations[c->task.activation]));
  if (*c->task.names) fd_json_set(&task, "names", json_string(c->task.names));
  return task;
}

const char *fd_task_json_word(const json_t *object, const char *key) {
  const char *word = json_string_value(json_object_get(object, key));
  return word && *word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_,")] ? word : "missing";
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

fd_status fd_task_json_names(const char *path, const json_t *task, fd_config *config) {
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
