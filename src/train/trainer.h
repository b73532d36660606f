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
  double data_seconds; /* of this rank: until its views were there */
  int skipped;         /* the gradients were not finite, or too large to square: nothing was updated */
} fd_step;

/* What a trace looks at in the middle of a step: outputs before the backward pass, the reduced gradient before clipping. */
typedef struct fd_probe_points {
  void *context;
  void (*outputs)(void *context, const fd_outputs *outputs);
  void (*gradient)(void *context, const float *gradient);
} fd_probe_points;

typedef struct fd_trainer {
  const fd_config *config;
  fd_comm *comm;
  fd_device *dev;
  const fd_network *network;
  fd_state *state;
  int64_t steps;     /* of the whole run: what the schedules refer to */
  int micro_size;    /* sequences of a micro-batch */
  int micro_batches; /* of a pass through the networks */
  int passes;        /* of this rank, a step */
  int stepped;       /* a step was made */
  struct fd_ahead *ahead;
  fd_source source;           /* where its batches come from */
  fd_batch *held_out;         /* for evaluations */
  double *cosines;            /* device: the sum of a micro-batch of these; NULL where no teacher is aligned with */
  fd_pass *student, *teacher; /* teacher: of a moving average only */
  fd_frozen *frozen;          /* NULL, or a teacher that does not learn, for passes of `micro_batches` micro-batches; borrowed */
  fd_spaces spaces;           /* of the pass that runs */
  fd_link *link;              /* between the ranks; NULL with one */
  struct fd_gradients *gradients;
  fd_running running;            /* statistics among the parameters */
  float *centre;                 /* host copy, while it is updated */
  FILE *window_log;              /* NULL, or where the numbers of this rank's windows go, a line a step; borrowed */
  const fd_probe_points *points; /* NULL, or a trace's */
  float *logp, *prob;            /* for a trace */
} fd_trainer;

/* FD_CONFIG unless `ranks` divides train.virtual_ranks. */
fd_status fd_trainer_check_ranks(const fd_config *config, int ranks) FD_MUST_CHECK;

/* The tokens of a micro-batch of such windows; FD_CONFIG when they are too many for an int's arithmetic. */
fd_status fd_trainer_rows(const fd_config *config, int window, int *rows) FD_MUST_CHECK;

/* What the trainer's passes are for: the student's gradients are those by the outputs that terms read; evaluations and traces
 * also look at a student's logits and latents, and at a teacher's logits. `passes`: of a step on a rank; the gradient of an only
 * one lies in its memory, those of several are summed beside it. */
fd_demand fd_trainer_student(const fd_config *config, int passes);
fd_demand fd_trainer_teacher(const fd_config *config);

/* Builds a trainer for micro-batches of up to `rows` tokens. Refuses a number of ranks that does not divide train.virtual_ranks,
 * naming those that do. Borrows everything it is given; `state` may be replaced by a checkpoint's content before the first step.
 */
fd_status fd_trainer_create(fd_trainer **trainer, const fd_config *config, fd_comm *comm, fd_device *dev,
                            const fd_network *network, fd_source source, fd_state *state, int64_t steps, int rows) FD_MUST_CHECK;
void fd_trainer_destroy(fd_trainer **trainer);

/* One step. */
fd_status fd_trainer_step(fd_trainer *trainer, fd_step *report) FD_MUST_CHECK;

#endif
