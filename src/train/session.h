/* A pretraining session: the loop around the step, with evaluation, metrics, checkpoints and orderly stops. */
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
  fd_metrics *metrics;                        /* root's; NULL on other ranks */
  const char *warned;                         /* the monitor's last warning: said once, not at every evaluation */
  fd_status (*evaluate)(fd_session *session); /* collective; fd_session_evaluate, or a task's */
  void *task;                                 /* for a task's */
  int enough;                                 /* set by an evaluation on all ranks: training ends here */
  int repeats; /* an evaluation changes nothing: a stop gives it up, and the resumed run makes it */
  int owed;    /* the evaluation of the state that the session begins with was given up */
};

/* Whether a run of `steps` has an evaluation at a step. */
int fd_session_evaluates(const fd_config *config, int64_t step, int64_t steps);

/* Trains from the state's step to the end, or until an evaluation says that it is enough, or until a stop is asked for: by a
 * signal to any rank (checkpoint, FD_RETRY) or by a file `stop` in the run folder (checkpoint, FD_STOPPED). Collective: all ranks
 * stop at the same step with the same status. What diverges ends with FD_NUMERIC: train.max_bad_steps steps in a row without an
 * update, or the last ones of the run, an update or an evaluation whose numbers are not finite. */
fd_status fd_session_run(fd_session *session) FD_MUST_CHECK;

/* FD_NUMERIC when the last steps of a state, at the end of its run, changed nothing. */
fd_status fd_session_judge(const fd_run *run, const fd_state *state) FD_MUST_CHECK;

/* Evaluates on the held-out windows, with the collapse monitor: log and metrics. FD_NUMERIC when the loss is not finite;
 * FD_RETRY, and there is nothing of it, when a signal asked to stop. Collective. */
fd_status fd_session_evaluate(fd_session *session) FD_MUST_CHECK;

#endif
