/* What the files evaluate*.c share: an evaluation, its methods, and where its pieces of work leave their numbers. */
#ifndef FD_COMMANDS_EVALUATE_H
#define FD_COMMANDS_EVALUATE_H

#include "base/args.h"
#include "base/hash.h"
#include "tasks/suite.h"

enum { FD_EVALUATION_SEEDS = 64, FD_EVALUATION_METHODS = 3 };

typedef struct fd_evaluation {
  fd_comm *comm;
  const char *words[FD_LIST_MAX]; /* suite, checkpoint, then section.key=value for every fine-tuning */
  int word_count;
  const char *data, *output, *genome;
  int partial, list;
  fd_list tasks, methods;
  int64_t seeds, job;
  fd_suite suite;
  char state_id[FD_SHA256_HEX]; /* of the checkpoint */
  int there;                    /* tasks whose rows are here */
  int64_t unit;                 /* number of the current piece of work, from 1 */
} fd_evaluation;

/* The methods, in the order in which they run and are printed. `seeds`: one piece of work for each seed. */
typedef struct fd_evaluation_method {
  const char *name, *option;
  int seeds;
} fd_evaluation_method;
extern const fd_evaluation_method fd_evaluation_methods[FD_EVALUATION_METHODS];

/* Whether a list of --tasks or --methods has the word; an empty one has all. */
int fd_evaluation_wants(const fd_list *list, const char *word);

/* Does what is missing of a task's pieces of work, or lists them. Collective. */
fd_status fd_evaluation_do_task(fd_evaluation *e, const fd_suite_task *task) FD_MUST_CHECK;

/* Where a piece of work leaves its numbers. */
fd_status fd_evaluation_place(const fd_evaluation *e, const fd_suite_task *task, const fd_evaluation_method *method, int64_t seed,
                              char folder[FD_PATH_MAX], char file[FD_PATH_MAX]) FD_MUST_CHECK;

/* Root: prints all numbers that are there, and writes them to results.json. */
fd_status fd_evaluation_report(const fd_evaluation *e) FD_MUST_CHECK;

#endif
