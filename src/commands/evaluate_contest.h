/* Contestants of an evaluation: checkpoints named NAME-0, NAME-1, ... are pretraining seeds of the contestant NAME, which is
 * compared over all tasks with k-mer counts and with the other contestants. */
#ifndef FD_COMMANDS_EVALUATE_CONTEST_H
#define FD_COMMANDS_EVALUATE_CONTEST_H

#include "commands/evaluate_results.h"

/* The mean of a difference over the seeds of pretraining, and its 95 % confidence interval by Student's t. */
typedef struct fd_contest_gain {
  int seeds; /* number of pairs; 0: nothing to compare, 1: no interval */
  double mean, low, high;
} fd_contest_gain;

/* A contestant with one method (a row of the tasks' tables). Scores are the tasks' measures, as fractions. All contestants of a
 * method are averaged over the same tasks: those in which each of their seeds, and k-mer counts, have a result. */
typedef struct fd_contest_row {
  const char *method;
  char name[64];
  int seeds, tasks;
  int better;                            /* number of tasks in which the mean over the seeds is above k-mer counts */
  const char *seed[FD_EVALUATION_SEEDS]; /* as in the checkpoint's name; borrowed from the evaluation */
  double value[FD_EVALUATION_SEEDS];     /* mean over the tasks, for each seed */
  double mean, sd;
  fd_contest_gain kmers;             /* difference from k-mer counts */
  fd_cost cost[FD_EVALUATION_SEEDS]; /* of the pretraining of each seed; untrained networks have none */
} fd_contest_row;

typedef struct fd_contest {
  int count;
  size_t capacity;
  fd_contest_row *row;
} fd_contest;

/* Whether two names are of the same seed of the same contestant. */
int fd_contest_same_seed(const char *a, const char *b);

/* Whether at least two checkpoints are seeds of the same contestant. */
int fd_contest_is(const fd_evaluation *e);

/* Makes the rows from the outcomes of all tasks, from which the names of methods are borrowed; released with free(contest->row).
 */
fd_status fd_contest_make(const fd_evaluation *e, const fd_evaluation_outcome *outcome, fd_contest *contest) FD_MUST_CHECK;

/* The difference of a from b over the seeds that both have, each with the same seed of the other, if they have the same method;
 * else no seeds. */
fd_contest_gain fd_contest_between(const fd_contest_row *a, const fd_contest_row *b);

/* Prints the table as text. */
void fd_contest_print(const fd_contest *contest);

/* The object for results.json: {"rows": [...], "pairs": [...]}. */
json_t *fd_contest_json(const fd_contest *contest);

#endif
