/* Schedules by step: learning rate, AdamW's beta1 and the teacher's momentum. */
#ifndef FD_TRAIN_SCHEDULE_H
#define FD_TRAIN_SCHEDULE_H

#include "config/config.h"

/* (1 + cos(pi share)) / 2: from 1 at share 0 to 0 at share 1. */
double fd_half_cosine(double share);

/* Steps of the run: train.steps, or epochs * windows / batch rounded down. */
int64_t fd_schedule_steps(const fd_config *config, int64_t windows);

/* Learning rate of step t = 0 .. steps-1: linear warm-up from 0, then half a cosine to 0; constant; or one cycle. */
double fd_schedule_lr(const fd_config *config, int64_t t, int64_t steps);

/* Decay rate of AdamW's first moment (beta1) in step t; in one cycle it falls while the learning rate rises. */
double fd_schedule_beta1(const fd_config *config, int64_t t, int64_t steps);

/* The teacher's momentum at step t: 1 + (momentum - 1) (1 + cos(pi t / steps)) / 2, the lambda of arXiv 2405.08538, Eq. 9. */
double fd_schedule_momentum(const fd_config *config, int64_t t, int64_t steps);

#endif
