/* Speed of inference with a model: from the letters of sequences to results in host memory. */
#ifndef FD_TASKS_SPEED_H
#define FD_TASKS_SPEED_H

#include "data/table.h"
#include "objective/frozen.h"
#include "tasks/pretrained.h"

/* A model that runs on batches of up to `count` sequences of a table. */
typedef struct fd_speed {
  fd_pretrained model;
  fd_encoder encoder;
  const fd_table *table; /* borrowed */
  fd_out output;         /* the head's logits, or without a head latents */
  fd_frozen *frozen;
  fd_view *view;
  fd_tokens words;
  float *result; /* host */
  double parameters;
} fd_speed;

/* Opens a checkpoint for batches of `count` rows. FD_DATA if the model cannot read all rows. For a single rank. */
fd_status fd_speed_open(fd_speed *speed, const char *path, const fd_use *use, const fd_table *table, int count) FD_MUST_CHECK;
void fd_speed_close(fd_speed *speed);

/* Times one batch: `count` rows from row `first` on, wrapping around after the last row. */
fd_status fd_speed_batch(fd_speed *speed, int first, int count, double *seconds) FD_MUST_CHECK;

#endif
