/* One training step, in the paper's order. */
#ifndef FD_TRAIN_TRAINER_H
#define FD_TRAIN_TRAINER_H

#include <stdio.h>

#include "comm/comm.h"
#include "device/link.h"
#include "objective/frozen.h"
#include "objective/objective.h"
#include "train/running.h"
#include "train/state.h"

/* What a step reports: the same on every rank. */
typedef struct fd_step {
  int64_t step; /* number of this step, from 0 */
  double loss, term[FD_TERMS], lr, momentum, grad_norm, clip, masked;
  double data_seconds; /* of this rank: time until its views were available */
  int skipped;         /* nothing was updated, as gradients were not finite or too large to square */
} fd_step;

/* Callbacks of a trace within a step: outputs before the backward pass, the reduced gradient before clipping. */
typedef struct fd_trace_points {
  void *context;
  void (*outputs)(void *context, const fd_outputs *outputs);
  void (*gradient)(void *context, const float *gradient);
} fd_trace_points;

typedef struct fd_trainer {
  const fd_config *config;
  fd_comm *comm;
  fd_device *dev;
  const fd_network *network;
  fd_state *state;
  int64_t steps;     /* of the whole run, for the schedules */
  int micro_size;    /* sequences of a micro-batch */
  int micro_batches; /* per pass through the networks */
  int passes;        /* of this rank per step */
  int stepped;       /* at least one step has run */
  struct fd_ahead *ahead;
  fd_source source;           /* of the batches */
  fd_batch *held_out;         /* for evaluations */
  double *cosines;            /* device: the sum of cosines of a micro-batch; NULL without a frozen teacher */
  fd_pass *student, *teacher; /* teacher: only for a moving average */
  fd_frozen *frozen;          /* a frozen teacher, for passes of `micro_batches` micro-batches, borrowed; or NULL */
  fd_spaces spaces;           /* of the current pass */
  fd_link *link;              /* between the ranks; NULL with one rank */
  struct fd_gradients *gradients;
  fd_running running;            /* statistics among the parameters */
  float *centre;                 /* host copy for its update */
  FILE *window_log;              /* receives this rank's window numbers, one line per step; borrowed; or NULL */
  const fd_trace_points *points; /* of a trace; or NULL */
  float *logp, *prob;            /* for a trace */
} fd_trainer;

/* FD_CONFIG unless `ranks` divides train.virtual_ranks. */
fd_status fd_trainer_check_ranks(const fd_config *config, int ranks) FD_MUST_CHECK;

/* The tokens of a micro-batch of windows of this length; FD_CONFIG if there are too many for int arithmetic. */
fd_status fd_trainer_rows(const fd_config *config, int window, int *rows) FD_MUST_CHECK;

/* The outputs and gradients of the trainer's passes: gradients are given for the outputs that loss terms read; evaluations and
 * traces also read the student's logits and latents, and the teacher's logits. `passes`: per step and rank; the gradient of a
 * single pass is stored in the memory of the pass, those of several are summed in separate buffers. */
fd_demand fd_trainer_student(const fd_config *config, int passes);
fd_demand fd_trainer_teacher(const fd_config *config);

/* Builds a trainer for micro-batches of up to `rows` tokens. Refuses a number of ranks that does not divide train.virtual_ranks,
 * and names those that do. Borrows all arguments; `state` may be overwritten with the content of a checkpoint before the first
 * step. */
fd_status fd_trainer_create(fd_trainer **trainer, const fd_config *config, fd_comm *comm, fd_device *dev,
                            const fd_network *network, fd_source source, fd_state *state, int64_t steps, int rows) FD_MUST_CHECK;
void fd_trainer_destroy(fd_trainer **trainer);

/* Runs one step. */
fd_status fd_trainer_step(fd_trainer *trainer, fd_step *report) FD_MUST_CHECK;

#endif
