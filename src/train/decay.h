/* AdamW over a network's parameters, of which some may be spared weight decay. */
#ifndef FD_TRAIN_DECAY_H
#define FD_TRAIN_DECAY_H

#include "config/config.h"
#include "device/device.h"
#include "model/params.h"

/* In the parameters' layout, device memory; `teacher` becomes its moving average with the student, or NULL. */
typedef struct fd_decayed {
  const float *gradient;
  float *student, *m, *v, *teacher;
  float lambda;
} fd_decayed;

/* One step: of all parameters at once, or with optim.decay: matrices of each stretch that decays or does not. Those of one
 * dimension do not: biases, weights of norms, rates and offsets of delta nets. An element's bits do not depend on the cuts. */
void fd_decay_update(const fd_config *config, fd_device *dev, const fd_params *params, const fd_adamw *h,
                     const fd_decayed *arrays);

#endif
