/* Contestants of an evaluation. Checkpoints named NAME-0, NAME-1, ... are the seeds of one; each is compared over all tasks with
 * the k-mers and with the others. */
#ifndef FD_COMMANDS_EVALUATE_CONTEST_H
#define FD_COMMANDS_EVALUATE_CONTEST_H

#include "commands/evaluate_results.h"

/* The mean of a difference over the seeds of pretraining, and its 95 % interval by Student's t. */
typedef struct fd_contest_gain {
  int seeds; /* pairs; 0: nothing to compare, 1: no interval */
  double mean, low, high;
} fd_contest_gain;

/* A contestant by one method (a row of the tasks' tables). Scores are the tasks' measures, as shares; the mean over tasks is that
 * of the same tasks for all contestants of a method: those in which every seed of each of them, and the k-mers, have a number. */
typedef struct fd_contest_row {
  const char *method;
  char name[64];
  int seeds, tasks;
  int better;                        /* tasks in which the mean over the seeds is above the k-mers' */
  double value[FD_EVALUATION_SEEDS]; /* of each seed: the mean over the tasks */
  double mean, sd;
  fd_contest_gain kmers; /* above the k-mers */
} fd_contest_row;

typedef struct fd_contest {
  int count;
  size_t capacity;
  fd_contest_row *row;
} fd_contest;

/* Whether some checkpoints are seeds of one contestant. */
int fd_contest_is(const fd_evaluation *e);

/* From the outcomes of all tasks; released with free(contest->row). Borrows the names of methods from them. */
fd_status fd_contest_make(const fd_evaluation *e, const fd_evaluation_outcome *outcome, fd_contest *contest) FD_MUST_CHECK;

/* How much more a has than b, seed by seed, where both are of one method. */
fd_contest_gain fd_contest_between(const fd_contest_row *a, const fd_contest_row *b);

/* The table as text. */
void fd_contest_print(const fd_contest *contest);

/* For results.json: {"rows": [...], "pairs": [...]}. */
json_t *fd_contest_json(const fd_contest *contest);

#endif
