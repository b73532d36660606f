/* Running statistics stored among the parameters (of batch normalization): running means over the steps instead of weights. */
#ifndef FD_TRAIN_RUNNING_H
#define FD_TRAIN_RUNNING_H

#include "train/state.h"

typedef struct fd_running {
  fd_device *dev;
  const fd_params *params; /* borrowed */
  size_t size;             /* floats of all statistics; 0: none */
  float *values;           /* host: [2, size], of this step, and the previous values */
} fd_running;

fd_status fd_running_create(fd_running *running, fd_device *dev, const fd_params *params) FD_MUST_CHECK;
void fd_running_free(fd_running *running);

/* Takes the statistics, summed over the micro-batches of the step, out of a gradient, and leaves zeros there. */
fd_status fd_running_take(fd_running *running, float *gradient, const float *student) FD_MUST_CHECK;

/* After the update, which must not change them: stores r = 0.9 r + 0.1 mean over the `micro` micro-batches. */
fd_status fd_running_put(fd_running *running, int64_t micro, float *student) FD_MUST_CHECK;

#endif
