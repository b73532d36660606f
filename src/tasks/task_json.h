/* The task of a fine-tuned model in the config.json of an export. */
#ifndef FD_TASKS_TASK_JSON_H
#define FD_TASKS_TASK_JSON_H

#include <jansson.h>

#include "config/shape.h"
#include "data/class_names.h"

enum { FD_TASK_SETTINGS = 5 };

/* Bytes of a config.json at most: it may contain the names of classes twice (id2label, label2id). */
enum { FD_MODEL_JSON_MAX = 4 * FD_CLASS_NAMES_BYTES };

/* The task as a new object. */
json_t *fd_task_json(const fd_config *config, const fd_class_names *classes);

/* The names of classes as a new list. */
json_t *fd_task_json_list(const fd_class_names *classes);

/* Converts a task to settings "task.key=value"; returns their number. */
int fd_task_json_settings(const json_t *task, char setting[FD_TASK_SETTINGS][FD_SETTING_MAX]);

/* Reads the names of a task's classes and stores their hash in a config with these settings. `path` is for messages. */
fd_status fd_task_json_names(const char *path, const json_t *task, fd_config *config, fd_class_names *classes) FD_MUST_CHECK;

/* Stores the hash of a model's class names in its config. FD_DATA, and the names are released, if their number is not that of the
 * outputs. */
fd_status fd_task_json_take(const char *path, fd_config *config, fd_class_names *classes) FD_MUST_CHECK;

/* The value of a key if it is a plain word (lower-case letters, digits, blanks, _ and ,), so that it cannot set other keys of a
 * config; else "missing". */
const char *fd_task_json_word(const json_t *object, const char *key);

#endif
