/* AdamW over a network's parameters, some of which may be exempt from weight decay. */
#ifndef FD_TRAIN_DECAY_H
#define FD_TRAIN_DECAY_H

#include "config/config.h"
#include "device/device.h"
#include "model/params.h"

/* Arrays in the parameters' layout, in device memory. `teacher`, unless NULL, is updated as a moving average of the student. */
typedef struct fd_decayed {
  const float *gradient;
  float *student, *m, *v, *teacher;
  float lambda;
} fd_decayed;

/* One AdamW step: over all parameters at once, or with optim.decay: matrices over each contiguous range with or without weight
 * decay. One-dimensional parameters are exempt then: biases, weights of norms, rates and offsets of delta nets. The bits of an
 * element do not depend on the ranges. */
void fd_decay_update(const fd_config *config, fd_device *dev, const fd_params *params, const fd_adamw *h,
                     const fd_decayed *arrays);

#endif
