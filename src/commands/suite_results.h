/* Where the numbers of an evaluation lie, and how they become one table, one file and one page. */
#ifndef FD_COMMANDS_SUITE_RESULTS_H
#define FD_COMMANDS_SUITE_RESULTS_H

#include <stdint.h>

#include "base/file.h"

enum { FD_SUITE_SEEDS = 64, FD_SUITE_METHODS = 3 };

/* A line of a suite, cut at its tabs. */
typedef struct fd_suite_task {
  const char *name, *rows, *config, *measure, *paper_probe, *paper_finetune, *note;
  int paper_train, paper_test; /* rows of the task in the paper; 0: not known */
} fd_suite_task;

/* The methods, in the order in which they run and are printed. `seeds`: one piece of work for each seed. */
typedef struct fd_suite_method {
  const char *name, *option;
  int seeds;
} fd_suite_method;
extern const fd_suite_method fd_suite_methods[FD_SUITE_METHODS];

/* What the numbers are of. All borrowed. */
typedef struct fd_suite_results {
  const char *suite, *checkpoint, *state_id, *output;
  int64_t seeds;
  int tasks;
  const fd_suite_task *task;
} fd_suite_results;

/* Where a piece of work leaves its numbers. */
fd_status fd_suite_result_path(const fd_suite_results *r, const fd_suite_task *task, const fd_suite_method *method, int64_t seed,
                               char folder[FD_PATH_MAX], char file[FD_PATH_MAX]) FD_MUST_CHECK;

/* Prints the numbers that are there, and writes OUTPUT/results.json and OUTPUT/report.html. */
fd_status fd_suite_results_write(const fd_suite_results *r) FD_MUST_CHECK;

#endif
