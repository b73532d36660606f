/* The task of a fine-tuned model in the config.json of an export. */
#ifndef FD_TASKS_TASK_JSON_H
#define FD_TASKS_TASK_JSON_H

#include <jansson.h>

#include "config/shape.h"
#include "data/class_names.h"

enum { FD_TASK_SETTINGS = 5 };

/* Bytes of a config.json: names of classes may be there twice (id2label, label2id). */
enum { FD_MODEL_JSON_MAX = 4 * FD_CLASS_NAMES_BYTES };

/* As an object; new. */
json_t *fd_task_json(const fd_config *config, const fd_class_names *classes);

/* Names of classes as a list; new. */
json_t *fd_task_json_list(const fd_class_names *classes);

/* Back to settings "task.key=value"; returns their number. */
int fd_task_json_settings(const json_t *task, char setting[FD_TASK_SETTINGS][FD_SETTING_MAX]);

/* And the names of its classes, with their hash into a config with these settings. `path` is for messages. */
fd_status fd_task_json_names(const char *path, const json_t *task, fd_config *config, fd_class_names *classes) FD_MUST_CHECK;

/* A model in files has these names: their hash goes into its config. FD_DATA, and none are left, where there are more or fewer
 * than outputs. */
fd_status fd_task_json_take(const char *path, fd_config *config, fd_class_names *classes) FD_MUST_CHECK;

/* A word that can stand in a config: letters and digits and no more, so that it stays the value of its own key; else "missing".
 */
const char *fd_task_json_word(const json_t *object, const char *key);

#endif
