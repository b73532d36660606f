/* What the files evaluate*.c share: an evaluation, its methods, and where its pieces of work leave their numbers. */
#ifndef FD_COMMANDS_EVALUATE_H
#define FD_COMMANDS_EVALUATE_H

#include "config/shape.h"
#include "base/args.h"
#include "base/hash.h"
#include "tasks/suite.h"

enum { FD_EVALUATION_SEEDS = 64, FD_EVALUATION_METHODS = 5, FD_EVALUATION_MODELS = 48 };

/* A checkpoint whose numbers are a part of the table. */
typedef struct fd_evaluation_model {
  char name[64]; /* empty where there is one checkpoint, without a name */
  const char *path;
  char state_id[FD_SHA256_HEX];
  fd_shape shape; /* models of one shape share the untrained network */
  int first;      /* of its shape */
} fd_evaluation_model;

typedef struct fd_evaluation {
  fd_comm *comm;
  const char *words[FD_LIST_MAX]; /* suite, checkpoint (without --checkpoint), then section.key=value for every fine-tuning */
  int word_count, first_override;
  const char *data, *output, *genome;
  int partial, list;
  fd_list checkpoints, tasks, methods;
  int64_t seeds, job;
  fd_suite suite;
  int models;
  fd_evaluation_model model[FD_EVALUATION_MODELS];
  int there;    /* tasks whose rows are here */
  int64_t unit; /* number of the current piece of work, from 1 */
} fd_evaluation;

/* The methods, in the order in which they run and are printed. `tunes`: a fine-tuning for each seed, else one probe, or one
 * search of the tasks that are for it (`searches`). `models`: which checkpoints have it. k-mers need none, and nobody leaves them
 * out: a table without them says little. */
typedef struct fd_evaluation_method {
  const char *name;
  int tunes, searches;
  enum { FD_OF_EACH, FD_OF_EACH_SHAPE, FD_OF_NONE } models;
} fd_evaluation_method;
extern const fd_evaluation_method fd_evaluation_methods[FD_EVALUATION_METHODS];

/* One piece of work; `model` is the first one where the method needs none. */
typedef struct fd_evaluation_unit {
  const fd_suite_task *task;
  const fd_evaluation_method *method;
  const fd_evaluation_model *model;
  int64_t seed;
} fd_evaluation_unit;

/* Whether a list of --tasks or --methods has the word; an empty one has all. */
int fd_evaluation_wants(const fd_list *list, const char *word);

/* Whether there is such a piece of a task for this checkpoint. */
int fd_evaluation_has(const fd_evaluation *e, const fd_suite_task *task, const fd_evaluation_method *method,
                      const fd_evaluation_model *model);

/* Does what is missing of a task's pieces of work, or lists them; unless it is wanted, they are counted alone. Collective. */
fd_status fd_evaluation_do_task(fd_evaluation *e, const fd_suite_task *task, int wanted) FD_MUST_CHECK;

/* Where a piece of work leaves its numbers. */
fd_status fd_evaluation_place(const fd_evaluation *e, const fd_evaluation_unit *unit, char folder[FD_PATH_MAX],
                              char file[FD_PATH_MAX]) FD_MUST_CHECK;

/* Root: prints all numbers that are there, and writes OUTPUT/results.json and OUTPUT/report.html. */
fd_status fd_evaluation_report(const fd_evaluation *e) FD_MUST_CHECK;

#endif
