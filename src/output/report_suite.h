/* Shared by the files report_suite*.c: the models, lines and numbers of a suite's results.json. */
#ifndef FD_OUTPUT_REPORT_SUITE_H
#define FD_OUTPUT_REPORT_SUITE_H

#include <jansson.h>
#include <stdio.h>

enum { FD_REPORT_MODELS = 48 };

/* The lines of a task, in the order of the page. */
enum {
  FD_LINE_TEACHER,
  FD_LINE_STUDENT,
  FD_LINE_UNTRAINED,
  FD_LINE_KMER,
  FD_LINE_TEACHER_KMER,
  FD_LINE_STUDENT_KMER,
  FD_LINE_UNTRAINED_KMER,
  FD_LINE_TUNED,
  FD_LINE_TUNED_UNTRAINED,
  FD_REPORT_LINES
};

/* A line. Features that are used as they are have a classifier of the task's kind: a linear probe or the nearest neighbours. */
typedef struct fd_report_line {
  const char *name, *label; /* `name`: of the result, for features without "probe " or "knn " */
  int features;             /* "linear probe, " or "knn, " belongs before the label */
  int color;
  enum { FD_LINE_OF_MODEL, FD_LINE_OF_SHAPE, FD_LINE_OF_NONE } of;
  int is_baseline;   /* shown even when absent, since a score means little without it */
  const char *paper; /* the task's key with the paper's number for this line, or NULL */
} fd_report_line;
extern const fd_report_line fd_report_lines[FD_REPORT_LINES];

/* A checkpoint; all strings are borrowed. `name` is empty for a single checkpoint without a name. `untrained` is the name of the
 * first model of the same shape, under which the untrained network is listed. */
typedef struct fd_report_model {
  const char *name, *checkpoint, *state_id, *untrained;
} fd_report_model;

typedef struct fd_report_suite {
  const char *folder;
  json_t *root, *speed; /* results.json; speed.json of 'findna speed', or NULL */
  const json_t *tasks;
  int models, shapes; /* at least 1 each */
  fd_report_model model[FD_REPORT_MODELS];
} fd_report_suite;

/* Writes the label of a line, with the classifiers of features that a task has; task NULL: that any task of the suite has. */
enum { FD_LABEL = 64 };
const char *fd_report_label(char label[FD_LABEL], const fd_report_line *line, const fd_report_suite *suite, const json_t *task);

/* The result of a line of a task for a model (borrowed), or NULL; for a shared baseline the same result for each of its models.
 */
const json_t *fd_report_result(const json_t *task, const fd_report_line *line, const fd_report_model *model);

/* The paper's number for this result and its standard deviation, in %; NAN where the paper has none. */
double fd_report_paper(const json_t *task, const fd_report_line *line, const fd_report_model *model, double *sd);

/* Prints a table of all scores of a task's fine-tunings with the constant predictions; nothing without fine-tunings. */
void fd_report_scores(FILE *out, const json_t *task);

/* Prints the contestants of results.json ("contest"): bars with intervals over the seeds of pretraining, and tables; nothing
 * without contestants. */
void fd_report_contest(FILE *out, const json_t *contest);

/* Prints in how many tasks each model is above its baselines, and a table of the numbers of all tasks. */
void fd_report_overview(FILE *out, const fd_report_suite *suite);

#endif
