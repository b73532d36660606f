/* The results of a fine-tuning: finetune.json, and the table on the terminal. */
#ifndef FD_COMMANDS_FINETUNE_RESULTS_H
#define FD_COMMANDS_FINETUNE_RESULTS_H

#include "tasks/further.h"
#include "tasks/teacher.h"

/* All pointers are borrowed. */
typedef struct fd_tuned {
  const fd_checkpoint_info *from; /* the pretrained checkpoint */
  const fd_task_input *rows;
  const fd_task_folder *data;
  const fd_config *config;
  const fd_state *state;
  int width;                 /* of the head's input features */
  int untrained;             /* 1: training started from random weights */
  const json_t *taken;       /* names of the tensors taken by --first-layers, or NULL */
  int unknown;               /* test rows whose label no training row has */
  int same, turned;          /* test sequences that are also training sequences; whose reverse complements are */
  const fd_teacher *teacher; /* or NULL */
  const fd_further *further; /* further test rows, scored; their count may be 0 */
  fd_task_scores valid, test;
  fd_prediction prediction; /* of the test rows, if any */
} fd_tuned;

/* Root only: writes finetune.json into the run folder and prints the table. */
fd_status fd_tuned_report(const fd_tuned *tuned) FD_MUST_CHECK;

#endif
