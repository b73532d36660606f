/* How fast a model is at its use: from the letters of sequences to what is computed of them, in the host's memory. */
#ifndef FD_TASKS_SPEED_H
#define FD_TASKS_SPEED_H

#include "data/table.h"
#include "objective/frozen.h"
#include "tasks/pretrained.h"

/* A model at work on batches of up to `count` sequences of a table. */
typedef struct fd_speed {
  fd_pretrained model;
  fd_encoder encoder;
  const fd_table *table; /* borrowed */
  fd_out output;         /* the head's logits, or latents where there is none */
  fd_frozen *frozen;
  fd_view *view;
  fd_tokens words;
  float *result; /* host */
  double parameters;
} fd_speed;

/* Opens a checkpoint for batches of `count` rows. FD_DATA unless it can read all rows. Collective, on one rank. */
fd_status fd_speed_open(fd_speed *speed, const char *path, const fd_use *use, const fd_table *table, int count) FD_MUST_CHECK;
void fd_speed_close(fd_speed *speed);

/* Seconds of one batch: `count` rows from row `first` on, which begin again behind the last. */
fd_status fd_speed_batch(fd_speed *speed, int first, int count, double *seconds) FD_MUST_CHECK;

#endif
