/* What a fine-tuning has come to: finetune.json, and the table on the terminal. */
#ifndef FD_COMMANDS_FINETUNE_RESULTS_H
#define FD_COMMANDS_FINETUNE_RESULTS_H

#include "tasks/further.h"
#include "tasks/teacher.h"

/* All borrowed. */
typedef struct fd_tuned {
  const fd_checkpoint_info *from; /* what it began with */
  const fd_task_input *rows;
  const fd_task_folder *data;
  const fd_config *config;
  const fd_state *state;
  int width;                 /* of the head's features */
  int untrained;             /* it began with random weights */
  const json_t *taken;       /* names of the tensors that --first-layers took, or NULL */
  int same, turned;          /* test rows that are training rows; whose reverse complements are */
  const fd_teacher *teacher; /* or NULL */
  const fd_further *further; /* scored; its count may be 0 */
  fd_task_scores valid, test;
  fd_prediction prediction; /* of the test rows, where there are any */
} fd_tuned;

/* Root: writes the one into the run folder and prints the other. */
fd_status fd_tuned_report(const fd_tuned *tuned) FD_MUST_CHECK;

#endif
