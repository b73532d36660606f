/* What the files report_suite*.c share: the models, lines and numbers of a suite's results.json. */
#ifndef FD_OUTPUT_REPORT_SUITE_H
#define FD_OUTPUT_REPORT_SUITE_H

#include <jansson.h>
#include <stdio.h>

enum { FD_REPORT_MODELS = 48, FD_REPORT_LINES = 6 };

/* The lines of a task, in the page's order. What is no checkpoint's own is a baseline: it stands there when it is absent, too, as
 * a score without it says little. */
typedef struct fd_report_line {
  const char *name, *label;
  int color;
  enum { FD_LINE_OF_MODEL, FD_LINE_OF_SHAPE, FD_LINE_OF_NONE } of;
  const char *paper; /* the task's key of the paper's number of it, or NULL */
} fd_report_line;
extern const fd_report_line fd_report_lines[FD_REPORT_LINES];

/* A checkpoint; all borrowed. `name` is empty where there is one alone, without a name; `untrained` is the name of the first
 * model of its shape, beside which the untrained network stands. */
typedef struct fd_report_model {
  const char *name, *checkpoint, *state_id, *untrained;
} fd_report_model;

typedef struct fd_report_suite {
  const char *folder;
  json_t *root, *speed; /* results.json; what 'findna speed' has left there, or NULL */
  const json_t *tasks;
  int models, shapes; /* at least one */
  fd_report_model model[FD_REPORT_MODELS];
} fd_report_suite;

/* What a line of a task says of a model (borrowed), or NULL; a baseline that models share is each one's. */
const json_t *fd_report_result(const json_t *task, const fd_report_line *line, const fd_report_model *model);

/* The paper's number beside it, in %, and its spread; NAN where there is none. */
double fd_report_paper(const json_t *task, const fd_report_line *line, const fd_report_model *model, double *sd);

/* All scores of a task's fine-tunings beside constant answers; nothing where there are none. */
void fd_report_scores(FILE *out, const json_t *task);

/* Seeds of pretraining as repetitions (results.json's "contest"); nothing where there are none. */
void fd_report_contest(FILE *out, const json_t *contest);

/* In how many tasks the model is above its baselines, and the numbers of all tasks in one table. */
void fd_report_overview(FILE *out, const fd_report_suite *suite);

#endif
