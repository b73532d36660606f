/* Shared by the files evaluate*.c: an evaluation, its methods, and where its units of work write their results. */
#ifndef FD_COMMANDS_EVALUATE_H
#define FD_COMMANDS_EVALUATE_H

#include <stdio.h>

#include "base/args.h"
#include "base/hash.h"
#include "commands/evaluate_cost.h"
#include "config/shape.h"
#include "tasks/suite.h"
#include "train/checkpoint.h"

enum { FD_EVALUATION_SEEDS = 64, FD_EVALUATION_METHODS = 5, FD_EVALUATION_MODELS = 48 };

enum { FD_EVALUATION_IDENTITY = 2 * FD_SHA256_HEX };

/* Identifies a checkpoint by its state_id and the hash of its options: the same weights may be of another function (other heads,
 * other words). */
static inline void fd_evaluation_identity(const fd_checkpoint_info *info, char identity[FD_EVALUATION_IDENTITY]) {
  snprintf(identity, FD_EVALUATION_IDENTITY, "%s %s", info->state_id, info->config_hash);
}

/* A checkpoint with rows of its own in the table. */
typedef struct fd_evaluation_model {
  char name[64]; /* empty for a single checkpoint, which has no name */
  const char *path;
  char state_id[FD_SHA256_HEX], identity[FD_EVALUATION_IDENTITY];
  char version[64], kernels[128]; /* of findna and of the products that pretrained it; empty: unknown */
  fd_shape shape;
  int untrained; /* the first model of the same shape, with which this one shares an untrained network */
  fd_cost cost;
} fd_evaluation_model;

/* A file, folder or checkpoint, and what identifies its content: its hash, or that of fd_evaluation_identity. */
typedef struct fd_evaluation_content {
  char *path, identity[FD_EVALUATION_IDENTITY];
} fd_evaluation_content;

typedef struct fd_evaluation {
  fd_comm *comm;
  const char *words[FD_LIST_MAX]; /* suite, checkpoint (unless --checkpoint is given), then section.key=value for fine-tuning */
  int word_count, first_override;
  const char *data, *output, *genome;
  int partial, list;
  fd_list checkpoints, join, tasks, methods;
  int64_t seeds, job;
  fd_suite suite;
  int models;
  fd_evaluation_model model[FD_EVALUATION_MODELS];
  fd_evaluation_content *content; /* of files that results depend on, hashed once */
  int contents;
  size_t contents_room;
  int there;    /* number of tasks whose data files are present */
  int64_t unit; /* number of the current unit of work, from 1 */
} fd_evaluation;

/* The methods, in the order in which they run and are printed. `tunes`: one fine-tuning per seed; otherwise a single probe, or a
 * single nearest-neighbour search for tasks of that kind (`searches`). `models`: for which checkpoints the method runs. k-mer
 * counts need no checkpoint and cannot be left out: they are the baseline of every table. */
typedef struct fd_evaluation_method {
  const char *name;
  int tunes, searches;
  enum { FD_OF_EACH, FD_OF_EACH_SHAPE, FD_OF_NONE } models;
} fd_evaluation_method;
extern const fd_evaluation_method fd_evaluation_methods[FD_EVALUATION_METHODS];

/* One unit of work. Where the method needs no model, `model` is the first one. */
typedef struct fd_evaluation_unit {
  const fd_suite_task *task;
  const fd_evaluation_method *method;
  const fd_evaluation_model *model;
  int64_t seed;
} fd_evaluation_unit;

/* Whether a list of --tasks or --methods contains the word; an empty list contains all words. */
int fd_evaluation_wants(const fd_list *list, const char *word);

/* Whether the method runs for this task and checkpoint. */
int fd_evaluation_has(const fd_evaluation *e, const fd_suite_task *task, const fd_evaluation_method *method,
                      const fd_evaluation_model *model);

/* Runs the units of a task that have no results yet, or lists all (e->list). If the task is not `wanted`, its units are only
 * counted. Collective. */
fd_status fd_evaluation_do_task(fd_evaluation *e, const fd_suite_task *task, int wanted) FD_MUST_CHECK;

/* Whether the model is the first one of its shape, whose results include those of the untrained network. */
static inline int fd_evaluation_first(const fd_evaluation *e, const fd_evaluation_model *model) {
  return model == &e->model[model->untrained];
}

/* The folder of a unit of work, and the file of its results in it. */
fd_status fd_evaluation_place(const fd_evaluation *e, const fd_evaluation_unit *unit, char folder[FD_PATH_MAX],
                              char file[FD_PATH_MAX]) FD_MUST_CHECK;

/* Compares the signature of a unit of work with its command line: `what` describes the difference, and is empty if there is none.
 */
enum { FD_EVALUATION_WHAT = 512 };
fd_status fd_evaluation_differs(fd_evaluation *e, const fd_evaluation_unit *unit, char what[FD_EVALUATION_WHAT]) FD_MUST_CHECK;

/* Root only: prints all results found, of units of work or, with --join, of other evaluations, and writes OUTPUT/results.json and
 * OUTPUT/report.html. */
fd_status fd_evaluation_report(fd_evaluation *e) FD_MUST_CHECK;

#endif
