/* A suite of benchmark tasks: a text file with a line a task, as in configs/suites. */
#ifndef FD_TASKS_SUITE_H
#define FD_TASKS_SUITE_H

#include "base/file.h"
#include "comm/comm.h"

enum { FD_SUITE_TASKS = 256 };

/* A line of a suite, cut at its tabs. `rows`: options of 'findna probe' and 'findna finetune', and settings (section.key=value)
 * for the latter alone; `config`: the settings of fine-tuning, a file beside the suite's; `measure`: accuracy, f1, mcc or auroc.
 * Three further columns may be missing: the rows that the paper counts, its numbers of other models than FinDNA,
 * NAME/ROW=NUMBER with ; between, and the task that this one is compared with, seed by seed. */
typedef struct fd_suite_task {
  const char *name, *rows, *config, *measure, *paper_probe, *paper_finetune, *note;
  int paper_train, paper_test; /* 0: not known */
  const char *paper_others, *versus;
} fd_suite_task;

typedef struct fd_suite {
  int count;
  fd_suite_task task[FD_SUITE_TASKS];
  char folder[FD_PATH_MAX]; /* of the suite's file */
  char *text;               /* behind the tasks */
} fd_suite;

/* Reads a suite: a path (a name with a slash or a dot), or the name of one in suites/ of a folder of configs. Collective: the
 * root reads. */
fd_status fd_suite_read(fd_suite *suite, const char *name, fd_comm *comm) FD_MUST_CHECK;
void fd_suite_free(fd_suite *suite);

#endif
