/* Fine-tuning: evaluation of a task's rows, and selection of the best weights while training. */
#ifndef FD_TASKS_FINETUNE_H
#define FD_TASKS_FINETUNE_H

#include "data/table.h"
#include "tasks/encoder.h"
#include "train/session.h"

/* Over the rows of a table. Classes: mean cross-entropy (nats), and the rest of scores.h; values: mean squared error, 1 - error /
 * variance (R squared) and Pearson's correlation. What does not belong to the kind of task is NAN, and so are AUROC, R
 * squared and correlation where all labels, or all predictions, are the same, and AUROC of many classes. */
typedef struct fd_task_scores {
  double loss, accuracy, balanced, f1, mcc, auroc, r2, correlation;
} fd_task_scores;
enum { FD_TASK_SCORES = sizeof(fd_task_scores) / sizeof(double) };
extern const char *const fd_task_score_names[FD_TASK_SCORES];

/* What is selected, and on which rows. All borrowed but `weights`. */
typedef struct fd_selection {
  const fd_config *config;
  const fd_table *rows;
  fd_encoder encoder; /* network, device and cls; params: `weights` */
  float *weights;     /* host memory, the network's layout: what is evaluated */
  int64_t every;      /* steps between evaluations */
  fd_device *cpu;     /* what more than FD_CLASSES_EXACT classes are scored on; NULL: there are fewer */
} fd_selection;

/* What was said of the rows of a table. */
typedef struct fd_prediction {
  float *features; /* [rows, the head's width] */
  double *output;  /* [rows, outputs]: log odds of the classes, or the value; NULL: many classes */
} fd_prediction;
void fd_prediction_free(fd_prediction *prediction);

/* Scores of the weights in selection->weights on a table (of many classes by softmax.h, in fp32, a block of rows at a time: all
 * their log odds would take gigabytes), and, where `prediction` is not NULL, what they come from (released with
 * fd_prediction_free, in any case). FD_NUMERIC, with the row, when features or outputs are not finite. Collective; the same bits
 * on every rank, for any number of them. */
fd_status fd_selection_score(const fd_selection *selection, fd_comm *comm, const fd_table *table, fd_task_scores *scores,
                             fd_prediction *prediction) FD_MUST_CHECK;

/* The evaluation of a session whose task is a fd_selection: scores the student, keeps the best in FD_BEST, and ends the
 * training after task.patience evaluations without a better one. */
fd_status fd_selection_evaluate(fd_session *session) FD_MUST_CHECK;

/* Whether a state has trained on for task.patience evaluations in vain. */
int fd_selection_is_over(const fd_selection *selection, const fd_state *state);

/* weights[classes], normalised to a mean of 1 over the rows: each class counts the same (task.balance). */
void fd_selection_class_weights(const fd_table *table, float *weights);

#endif
