/* Evaluation of a task's rows in fine-tuning, selection of the best weights, and early stopping. */
#ifndef FD_TASKS_FINETUNE_H
#define FD_TASKS_FINETUNE_H

#include "data/table.h"
#include "tasks/encoder.h"
#include "train/session.h"

/* Scores over the rows of a table. Classes: mean cross-entropy (nats) as loss, and those of scores.h; values: mean squared error
 * as loss, 1 - error / variance (R squared) and Pearson's correlation. Scores of the other kind of task are NAN, as are AUROC,
 * AUPRC, R squared and correlation where all labels, or all predictions, are the same, and both areas of many classes. Rows with
 * a label that no training row has (fd_task_input.unknown) count as wrong, and not for loss and areas. */
typedef struct fd_task_scores {
  double loss, accuracy, balanced, f1, mcc, auroc, auprc, r2, correlation;
} fd_task_scores;
enum { FD_TASK_SCORES = sizeof(fd_task_scores) / sizeof(double) };
extern const char *const fd_task_score_names[FD_TASK_SCORES];

/* Selection of weights by their scores on the validation rows. All borrowed except `weights`. */
typedef struct fd_selection {
  const fd_config *config;
  const fd_table *rows;
  fd_encoder encoder; /* network, device and cls; params: `weights` */
  float *weights;     /* host memory, the network's layout: the weights being evaluated */
  int64_t every;      /* steps between evaluations */
  fd_device *cpu;     /* scores more than FD_CLASSES_EXACT classes; NULL: there are fewer */
} fd_selection;

/* Predictions of a table's rows, with the features that they are computed from. */
typedef struct fd_prediction {
  float *features; /* [rows, the head's width] */
  double *output;  /* [rows, outputs]: logits of the classes, or the value; NULL: many classes */
} fd_prediction;
void fd_prediction_free(fd_prediction *prediction);

/* Scores selection->weights on a table; many classes by softmax.h in fp32, one block of rows at a time, as all their logits would
 * take gigabytes. If `prediction` is not NULL, it receives the predictions (release with fd_prediction_free, after failures too).
 * FD_NUMERIC, with the row, if features or outputs are not finite. Collective; the same bits on every rank for any number of
 * ranks. */
fd_status fd_selection_score(const fd_selection *selection, fd_comm *comm, const fd_table *table, fd_task_scores *scores,
                             fd_prediction *prediction) FD_MUST_CHECK;

/* The evaluation of a session whose task is a fd_selection: scores the student, keeps the best weights in FD_BEST, and stops
 * training early after task.patience evaluations without improvement. */
fd_status fd_selection_evaluate(fd_session *session) FD_MUST_CHECK;

/* Whether a state has had task.patience evaluations without improvement. */
int fd_selection_is_over(const fd_selection *selection, const fd_state *state);

/* Weights [classes] with which every class counts equally (task.balance), normalised to a mean of 1 over the rows. */
void fd_selection_class_weights(const fd_table *table, float *weights);

#endif
