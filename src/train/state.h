/* The training state: everything that a checkpoint contains, and that is bitwise equal between equal runs. */
#ifndef FD_TRAIN_STATE_H
#define FD_TRAIN_STATE_H

#include "model/network.h"

/* The arrays of the state, all in the parameters' layout except the centre. */
typedef enum fd_array { FD_STUDENT, FD_TEACHER, FD_BEST, FD_ADAM_M, FD_ADAM_V, FD_CENTRE, FD_ARRAYS } fd_array;

extern const char *const fd_array_names[FD_ARRAYS];

typedef struct fd_state {
  fd_device *dev;
  float *array[FD_ARRAYS]; /* device; NULL if the run lacks it: the teacher, or best without a task */
  size_t size[FD_ARRAYS];  /* floats */
  int cls, width;          /* shape of the centre: fd_objective_rows, fd_objective_width */
  int64_t step;            /* steps done */
  int64_t updates;         /* steps that changed the parameters: AdamW's t */
  int64_t skipped;         /* steps without an update, as gradients were not finite */
  int64_t bad_in_row;      /* consecutive skipped steps since the last update */
  int64_t best_step;       /* step of the weights in FD_BEST (fine-tuning); -1: none yet */
  double best_score;       /* their score on the validation rows; larger is better */
  uint64_t draws;          /* windows consumed: the complete position in the data */
} fd_state;

/* Floats of each array of a run's state. */
void fd_state_sizes(size_t size[FD_ARRAYS], const fd_config *config, const fd_network *network);

/* Creates a state with initial values from the seed: teacher and best are copies of the student, moments and centre are zero. */
fd_status fd_state_create(fd_state **state, const fd_config *config, const fd_network *network, fd_device *dev) FD_MUST_CHECK;
void fd_state_destroy(fd_state **state);

#endif
