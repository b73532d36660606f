/* A training session: the loop around the step, with evaluation, metrics, checkpoints and orderly stops. */
#ifndef FD_TRAIN_SESSION_H
#define FD_TRAIN_SESSION_H

#include "output/metrics.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

typedef struct fd_session fd_session;
struct fd_session {
  const fd_run *run;
  fd_trainer *trainer;
  fd_checkpointer *checkpointer;
  const fd_windows *held_out;                 /* count 0: no evaluation */
  fd_metrics *metrics;                        /* on the root rank; NULL on other ranks */
  const char *warned;                         /* the monitor's last warning, so as not to repeat it at every evaluation */
  fd_status (*evaluate)(fd_session *session); /* collective; fd_session_evaluate, or that of a task */
  void *task;                                 /* context of a task's `evaluate` */
  int enough;                                 /* early stopping: set by an evaluation on all ranks */
  int repeats; /* evaluation does not change the state: a stop skips it, and the resumed run repeats it */
  int owed;    /* the evaluation of the initial state of the session was skipped */
};

/* Whether a run of `steps` steps evaluates at this step. */
int fd_session_evaluates(const fd_config *config, int64_t step, int64_t steps);

/* Trains from the state's step to the end, to early stopping by an evaluation, or to a requested stop: by a signal to any rank
 * (checkpoint, FD_RETRY) or by a file `stop` in the run folder (checkpoint, FD_STOPPED). Collective: all ranks stop at the same
 * step with the same status. A training that diverges ends with FD_NUMERIC: after train.max_bad_steps consecutive steps without
 * an update, if the last steps of the run are such steps, or if an update or an evaluation yields values that are not finite. */
fd_status fd_session_run(fd_session *session) FD_MUST_CHECK;

/* FD_NUMERIC if the last steps before this state, at the end of its run, had no update. */
fd_status fd_session_judge(const fd_run *run, const fd_state *state) FD_MUST_CHECK;

/* Evaluates on the held-out windows, with the collapse monitor, and writes log and metrics. FD_NUMERIC if the loss is not finite;
 * FD_RETRY, with nothing written, if a signal requested a stop. Collective. */
fd_status fd_session_evaluate(fd_session *session) FD_MUST_CHECK;

#endif
