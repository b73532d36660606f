/* The task of a fine-tuned model in the config.json of an export. */
#ifndef FD_TASKS_TASK_JSON_H
#define FD_TASKS_TASK_JSON_H

#include <jansson.h>

#include "config/shape.h"

enum { FD_TASK_SETTINGS = 5 };

/* As an object; new. */
json_t *fd_task_json(const fd_config *config);

/* Back to settings "task.key=value"; returns their number. */
int fd_task_json_settings(const json_t *task, char setting[FD_TASK_SETTINGS][FD_SETTING_MAX]);

/* And the names of its classes, into a config with these settings. `path` is for messages. */
fd_status fd_task_json_names(const char *path, const json_t *task, fd_config *config) FD_MUST_CHECK;

/* A word that can stand in a config: letters and digits and no more, so that it stays the value of its own key; else "missing".
 */
const char *fd_task_json_word(const json_t *object, const char *key);

#endif
