/* A suite of benchmark tasks: a text file with one line per task, as in configs/suites. */
#ifndef FD_TASKS_SUITE_H
#define FD_TASKS_SUITE_H

#include "base/file.h"
#include "comm/comm.h"

enum { FD_SUITE_TASKS = 256 };

/* A line of a suite, split at tabs. `rows`: options of 'findna probe' and 'findna finetune', and settings (section.key=value) for
 * the latter only; `config`: a file next to the suite's with the settings of fine-tuning, or "probe": only probed, not
 * fine-tuned, or "knn": only classified by nearest neighbours; `measure`: accuracy, f1, mcc, auroc or auprc. Three further
 * columns are optional: the paper's numbers of rows, its results of models other than FinDNA as NAME/ROW=NUMBER separated by ;,
 * and the task that this one is compared with seed by seed. */
typedef struct fd_suite_task {
  const char *name, *rows, *config, *measure, *paper_probe, *paper_finetune, *note;
  int paper_train, paper_test; /* 0: unknown */
  const char *paper_others, *versus;
} fd_suite_task;

/* How a task is run. */
typedef enum fd_suite_way { FD_SUITE_ALL, FD_SUITE_PROBE, FD_SUITE_KNN } fd_suite_way;
fd_suite_way fd_suite_way_of(const fd_suite_task *task);

typedef struct fd_suite {
  int count;
  fd_suite_task task[FD_SUITE_TASKS];
  char folder[FD_PATH_MAX]; /* of the suite's file */
  char *text;               /* memory that the tasks point into */
} fd_suite;

/* Reads a suite: a path (a name with a slash or a dot), or the name of a suite in suites/ of a config folder. Collective: only
 * the root reads the file. */
fd_status fd_suite_read(fd_suite *suite, const char *name, fd_comm *comm) FD_MUST_CHECK;
void fd_suite_free(fd_suite *suite);

enum { FD_SUITE_NAMES = 1024 };

/* The names of all suites in suites/ of the config folders, as "bakeoff, gue, ..."; "" if there are none. Those that do not fit
 * are left out. */
fd_status fd_suite_names(char text[FD_SUITE_NAMES]) FD_MUST_CHECK;

#endif
