/* The options and the resources of a fine-tuning; private to src/commands/finetune*.c. */
#ifndef FD_COMMANDS_FINETUNE_H
#define FD_COMMANDS_FINETUNE_H

#include "base/args.h"
#include "config/shape.h"
#include "data/rows.h"
#include "tasks/finetune.h"
#include "tasks/further.h"
#include "tasks/pretrained.h"
#include "tasks/teacher.h"
#include "train/trainer.h"

/* Settings that a run adds to the config: of the task, of the vocabulary, and all. */
enum {
  FD_TUNE_TASK_KEYS = 4,
  FD_TUNE_WORD_KEYS = 4,
  FD_TUNE_OVERRIDES = FD_LIST_MAX + FD_SHAPE_MAX + FD_TUNE_TASK_KEYS + FD_TUNE_WORD_KEYS + 2
};

/* The options of the command. */
typedef struct fd_finetune_options {
  const char *checkpoint, *config_name;
  fd_task_input rows;
  fd_list also;
  const char *teacher, *teacher_logits;
  int untrained, new_model, restart, encoder;
  int64_t first_layers;
  char **overrides;
  int override_count;
} fd_finetune_options;

/* All resources of a run, released in one place. */
typedef struct fd_tuning {
  fd_pretrained model;
  fd_teacher teacher;
  fd_config config;
  fd_shape shape; /* of the checkpoint's model */
  char task_keys[FD_TUNE_TASK_KEYS][FD_SETTING_MAX], layers_key[FD_SETTING_MAX];
  fd_tokenizer *new_words;       /* tokenizer of a new model over ids */
  const fd_tokenizer *tokenizer; /* tokenizer of the trained model if it reads ids; else NULL */
  json_t *taken;                 /* names of the tensors taken by --first-layers; else NULL */
  int longest;                   /* nucleotides of the longest row */
  int words;                     /* tokens of the longest row, for a model over ids */
  char classes[FD_SHA256_HEX];   /* hash of the class names in data; "": labels are numbers */
  char *override[FD_TUNE_OVERRIDES];
  fd_task_folder data;
  fd_further further;
  int same, turned; /* test sequences that are also training sequences; whose reverse complements are */
  char dataset_id[FD_SHA256_HEX];
  fd_device *dev, *cpu; /* cpu: scores more than FD_CLASSES_EXACT classes of a model on a GPU; else NULL */
  fd_network *network;
  fd_state *state;
  fd_rows rows;
  float *class_weight, *weights;
  fd_trainer *trainer;
  fd_checkpointer *checkpointer;
  fd_metrics *metrics;
  fd_selection selection;
  fd_run run;
  int64_t steps;
  double started;
  FILE *window_log;
  int lock;
} fd_tuning;

/* Sets t->config: the model's settings from t->model (of a new model those of its vocabulary), the task's from t->data, the rest
 * from the config file and the overrides. The root reads the file once, and every rank parses the same text. FD_CONFIG unless it
 * is a fine-tuning of that model on these rows. Collective. */
fd_status fd_finetune_config(fd_comm *comm, const fd_finetune_options *o, fd_tuning *t) FD_MUST_CHECK;

#endif
