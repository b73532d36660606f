/* What the pieces of work of an evaluation have left: the scores of every task, their table and their file. */
#ifndef FD_COMMANDS_EVALUATE_RESULTS_H
#define FD_COMMANDS_EVALUATE_RESULTS_H

#include <jansson.h>

#include "commands/evaluate.h"
#include "tasks/further.h"

/* Of a task: teacher and student, each joined with k-mers, too, and untrained by a probe, and two fine-tunings for each
 * checkpoint; and k-mers. */
enum { FD_EVALUATION_ROWS = 7 * FD_EVALUATION_MODELS + 1 };

/* Scores of a fine-tuning on a set of rows: accuracy, balanced accuracy, MCC, AUROC; NAN where there is none. */
enum { FD_EVALUATION_SCORES = 4, FD_EVALUATION_SETS = 1 + FD_FURTHER_MAX /* the test rows, and further files */ };
typedef struct fd_evaluation_set {
  char *rows; /* "test rows", or a further file */
  int count;  /* how many they are */
  int seeds, pairs;
  double constant[FD_EVALUATION_SCORES]; /* of always answering their most frequent class */
  double value[FD_EVALUATION_SCORES][FD_EVALUATION_SEEDS];
  double above[FD_EVALUATION_SCORES], spread[FD_EVALUATION_SCORES]; /* as of a row, where pairs is not 0 */
} fd_evaluation_set;

/* A row of the table: the task's measure over the seeds. */
typedef struct fd_evaluation_row {
  const char *model; /* name of the checkpoint; empty: there is one alone, or it needs none */
  char name[32];
  char paper[64]; /* the paper's number; empty: none */
  int seeds;
  double mean, sd, value[FD_EVALUATION_SEEDS];
  int pairs;            /* seeds that the task it is compared with has, too; 0: it is compared with none */
  double above, spread; /* mean and standard deviation of what it has more than that one, seed by seed */
  int sets;
  fd_evaluation_set *set; /* of fine-tunings; else NULL */
} fd_evaluation_row;

/* What is there of a task. */
typedef struct fd_evaluation_outcome {
  int count;
  fd_evaluation_row row[FD_EVALUATION_ROWS];
  int classes, train, test, same, turned, left_out, unknown; /* of the task's rows; train 0: nothing is there */
  json_t *files;   /* where the numbers are from: {"file", "model"} below the output folder */
  json_t *remarks; /* what a reader of the scores must know, a sentence each */
} fd_evaluation_outcome;

/* Prints a task's rows; and where checkpoints have names, a line for each and method, with a column a task. outcome: one for each
 * task of the suite. */
void fd_evaluation_print(const fd_evaluation *e, const fd_evaluation_outcome *outcome);

/* Adds a seed's finetune.json (NULL: none) to the sets of a row. */
fd_status fd_evaluation_take_scores(fd_evaluation_row *row, const json_t *root) FD_MUST_CHECK;

/* Releases the sets of a row. */
void fd_evaluation_free_scores(fd_evaluation_row *row);

/* What the sets of a row have more than the same of another one, where all seeds of both are there. */
void fd_evaluation_compare_scores(fd_evaluation_row *row, const fd_evaluation_row *other, int64_t seeds);

/* A line for each set; `versus`: the task that the row was compared with. */
void fd_evaluation_print_scores(const fd_evaluation_row *row, const char *versus);

/* The sets for results.json. */
json_t *fd_evaluation_scores_json(const fd_evaluation_row *row);

/* Writes OUTPUT/results.json. `contest`: what compares contestants (taken), or NULL. */
fd_status fd_evaluation_save(const fd_evaluation *e, const fd_evaluation_outcome *outcome, json_t *contest) FD_MUST_CHECK;

#endif
