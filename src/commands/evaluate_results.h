/* Results of an evaluation's units of work: the scores of every task, their table and their file. */
#ifndef FD_COMMANDS_EVALUATE_RESULTS_H
#define FD_COMMANDS_EVALUATE_RESULTS_H

#include <jansson.h>

#include "commands/evaluate.h"
#include "tasks/further.h"

/* Largest number of rows of a task: for each checkpoint probes of teacher, student and untrained network, each with and without
 * joined k-mers, and two fine-tunings (pretrained, untrained); and k-mers once. */
enum { FD_EVALUATION_ROWS = 8 * FD_EVALUATION_MODELS + 1 };

/* Scores of a fine-tuning on a set of rows: accuracy, balanced accuracy, MCC, AUROC; NAN where undefined. */
enum { FD_EVALUATION_SCORES = 5, FD_EVALUATION_SETS = 1 + FD_FURTHER_MAX /* the test rows, and further files */ };
typedef struct fd_evaluation_set {
  char *rows; /* "test rows", or the name of a further file of test rows */
  int count;  /* number of rows */
  int seeds, pairs;
  double constant[FD_EVALUATION_SCORES]; /* of always predicting the most frequent class of the rows */
  double value[FD_EVALUATION_SCORES][FD_EVALUATION_SEEDS];
  double above[FD_EVALUATION_SCORES], spread[FD_EVALUATION_SCORES]; /* as in fd_evaluation_row; if pairs is not 0 */
} fd_evaluation_set;

/* A row of the table: the task's measure over the seeds. */
typedef struct fd_evaluation_row {
  const char *model; /* name of the checkpoint; empty: a single checkpoint, or a row of none */
  char name[32];
  char paper[64]; /* the paper's number; empty: none */
  int seeds;
  double mean, sd, value[FD_EVALUATION_SEEDS];
  double selection_loss; /* of a probe, on the rows that choose its λ; NAN or 0: unknown */
  int pairs;             /* seeds compared with those of the task `versus`; 0: no comparison */
  double above, spread;  /* mean and standard deviation of the differences from that task, seed by seed */
  int sets;
  fd_evaluation_set *set; /* of fine-tunings; else NULL */
} fd_evaluation_row;

/* The results of a task. */
typedef struct fd_evaluation_outcome {
  int count;
  fd_evaluation_row row[FD_EVALUATION_ROWS];
  int classes, train, test, same, turned, left_out, unknown; /* numbers of classes and rows; train 0: no results yet */
  json_t *files;   /* sources of the numbers: {"file", "model"}, paths relative to the output folder */
  json_t *remarks; /* notes for the reader of the scores, one sentence each */
} fd_evaluation_outcome;

/* A number of a JSON object, or NAN; as a count, or 0 if it is missing or not a valid count. */
double fd_evaluation_number(const json_t *object, const char *key);
int fd_evaluation_whole(const json_t *object, const char *key);

/* Takes models and rows from the results files of other evaluations of this suite (--join). They must name different checkpoints,
 * and agree where they have the same rows (k-mer counts, usually): else they were made from other data or settings. */
fd_status fd_evaluation_join(fd_evaluation *e, fd_evaluation_outcome *outcome) FD_MUST_CHECK;

/* Prints the rows of each task, and if the checkpoints have names a table with a line per checkpoint and method and a column per
 * task. `outcome`: one for each task of the suite. */
void fd_evaluation_print(const fd_evaluation *e, const fd_evaluation_outcome *outcome);

/* Adds the scores of one seed's finetune.json (NULL: none) to the sets of a row. */
fd_status fd_evaluation_take_scores(fd_evaluation_row *row, const json_t *root) FD_MUST_CHECK;

/* Reads them from a row of results.json. */
fd_status fd_evaluation_read_scores(fd_evaluation_row *row, const json_t *result) FD_MUST_CHECK;

/* Releases the sets of a row. */
void fd_evaluation_free_scores(fd_evaluation_row *row);

/* Computes the differences of the sets of a row from the same sets of another row, where both have all seeds. */
void fd_evaluation_compare_scores(fd_evaluation_row *row, const fd_evaluation_row *other, int64_t seeds);

/* Prints a line for each set; `versus`: the task that the row was compared with. */
void fd_evaluation_print_scores(const fd_evaluation_row *row, const char *versus);

/* The sets for results.json. */
json_t *fd_evaluation_scores_json(const fd_evaluation_row *row);

/* Writes OUTPUT/results.json. `contest`: the comparison of contestants, which is consumed, or NULL. */
fd_status fd_evaluation_save(const fd_evaluation *e, const fd_evaluation_outcome *outcome, json_t *contest) FD_MUST_CHECK;

#endif
