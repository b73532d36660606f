/* The config of a fine-tuning: collected from checkpoint, rows, file and overrides, and checked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "commands/finetune.h"

/* Whether a setting of the shape describes the vocabulary, which a new model over ids takes from the checkpoint. */
static int is_of_words(const fd_shape_item *item) {
  static const char *const names[FD_TUNE_WORD_KEYS] = {"tokenizer", "words", "kmer", "vocabulary"};
  for (int i = 0; i < FD_TUNE_WORD_KEYS; i++)
    if (!strcmp(item->name, names[i])) return 1;
  return 0;
}

/* Collects the settings that override the config: the model's from the checkpoint (of a new model only the vocabulary's, if
 * `words`), the outputs from the rows, and last the user's overrides. */
static fd_status collect_overrides(const fd_finetune_options *o, fd_tuning *t, int words, int *count) {
  int n = 0, keys = o->teacher || o->teacher_logits ? FD_TUNE_TASK_KEYS : FD_TUNE_TASK_KEYS - 1;
  FD_TRY(fd_shape_of(&t->shape, &t->model.config));
  for (int i = 0; i < t->shape.count; i++)
    if (!o->new_model || (words && t->model.tokenizer && is_of_words(&t->shape.item[i])))
      t->override[n++] = t->shape.item[i].setting;
  snprintf(t->layers_key, FD_SETTING_MAX, "model.layers=%" PRId64, o->first_layers);
  if (o->first_layers) t->override[n++] = t->layers_key;
  snprintf(t->task_keys[0], FD_SETTING_MAX, "task.outputs=%d", o->rows.values ? 1 : t->data.train.classes);
  snprintf(t->task_keys[1], FD_SETTING_MAX, "task.kind=%s", o->rows.values ? "values" : "classes");
  snprintf(t->task_keys[2], FD_SETTING_MAX, "task.classes=%s", t->classes);
  snprintf(t->task_keys[3], FD_SETTING_MAX, "teacher.kind=%s", o->teacher ? "frozen" : "logits");
  for (int i = 0; i < keys; i++) t->override[n++] = t->task_keys[i];
  for (int i = 0; i < o->override_count; i++) t->override[n++] = o->overrides[i];
  *count = n;
  return FD_OK;
}

/* The config must have the checkpoint's model; only blocks may differ, for a longer input, and the number of [CLS] tokens. */
static fd_status check_shape(const fd_finetune_options *o, const fd_tuning *t, const char *path) {
  fd_shape shape;
  if (o->new_model) return FD_OK;
  FD_TRY(fd_shape_of(&shape, &t->config));
  for (int i = 0; i < t->shape.count; i++) {
    const fd_shape_item *item = &t->shape.item[i];
    if (!strcmp(item->name, "layers") && o->first_layers && t->config.model.layers == o->first_layers) continue;
    if (!strcmp(item->name, "blocks") || !strcmp(item->name, "cls") || fd_shape_agrees(&shape, &t->shape, item->name)) continue;
    return fd_fail(
        FD_CONFIG,
        "%s: the checkpoint's model has %s, and its weights fit no other; of the model's settings only blocks, cls and "
        "recompute may differ",
        path, item->setting);
  }
  return FD_OK;
}

/* Refuses a run folder that contains the CHECKPOINT or the teacher: fine-tuning would take their place. */
static fd_status check_folder(const fd_finetune_options *o, const fd_tuning *t, const char *path) {
  const char *folder = t->config.run.folder;
  if (fd_path_is_inside(t->model.info.folder, folder))
    return fd_fail(FD_CONFIG, "%s: run.folder %s is that of the CHECKPOINT; give another", path, folder);
  if (o->teacher && fd_path_is_inside(t->teacher.model.info.folder, folder))
    return fd_fail(FD_CONFIG, "%s: run.folder %s is that of the --teacher; give another", path, folder);
  return FD_OK;
}

static fd_status check_config(const fd_finetune_options *o, const fd_tuning *t, const char *path) {
  const fd_config *c = &t->config;
  if (c->task.outputs != (t->data.train.value ? 1 : t->data.train.classes) || strcmp(c->task.classes, t->classes) ||
      *c->task.names || (c->task.kind == FD_TASK_VALUES) != (t->data.train.value != NULL))
    return fd_fail(FD_CONFIG,
                   "%s: task.outputs, task.classes and task.kind follow from the training rows: leave them out (--values makes a "
                   "regression)",
                   path);
  if (fd_config_distils(c) != (*t->teacher.id || t->teacher.stored.path) || c->teacher.kind < FD_TEACHER_NONE ||
      c->objective.mnm_weight > 0 || c->objective.cl_weight > 0)
    return fd_fail(FD_CONFIG,
                   "%s: fine-tuning requires teacher.kind: none (or as --teacher sets it), objective.mnm_weight: 0 and "
                   "objective.cl_weight: 0, as in configs/finetune.yaml",
                   path);
  FD_TRY(check_shape(o, t, path));
  return check_folder(o, t, path);
}

static fd_status check_layers(const fd_finetune_options *o, const fd_tuning *t) {
  const fd_config *c = &t->model.config;
  if (!o->first_layers) return FD_OK;
  if (!fd_config_attends(c))
    return fd_fail(FD_CONFIG, "--first-layers: %s is no model of layers with attention; leave the option out",
                   t->model.info.folder);
  if (o->first_layers > c->model.layers)
    return fd_fail(FD_CONFIG, "--first-layers %" PRId64 ": %s has %" PRId64 " layers; expected at most as many", o->first_layers,
                   t->model.info.folder, c->model.layers);
  return FD_OK;
}

/* Parses the config. A new model takes the checkpoint's vocabulary if its encoder reads ids, which is known only after parsing:
 * the config is then parsed again with those settings. */
static fd_status parse_config(const fd_finetune_options *o, fd_tuning *t, const char *text, size_t bytes, const char *path) {
  int count;
  FD_TRY(collect_overrides(o, t, 0, &count));
  FD_TRY(fd_config_parse(&t->config, text, bytes, path, t->override, count));
  if (!o->new_model || !fd_config_reads_ids(&t->config)) return FD_OK;
  FD_TRY(collect_overrides(o, t, 1, &count));
  return fd_config_parse(&t->config, text, bytes, path, t->override, count);
}

fd_status fd_finetune_config(fd_comm *comm, const fd_finetune_options *o, fd_tuning *t) {
  char path[FD_PATH_MAX] = "", *text = NULL;
  size_t bytes = 0;
  if (comm->rank == 0) {
    FD_TRY(check_layers(o, t));
    FD_TRY(fd_config_read(o->config_name, path, &text, &bytes));
    fd_status status = parse_config(o, t, text, bytes, path);
    if (status == FD_OK) status = check_config(o, t, path);
    if (status == FD_OK) status = fd_trainer_check_ranks(&t->config, comm->size);
    if (status == FD_OK) fd_config_warn_unused(&t->config);
    if (status != FD_OK) {
      free(text);
      return status; /* only the root reports the error; main ends the job */
    }
  }
  FD_TRY(fd_comm_share_text(comm, &text, &bytes));
  FD_TRY(comm->ops->broadcast(comm, path, sizeof path, 0));
  fd_status status = parse_config(o, t, text, bytes, path);
  free(text);
  return status;
}
