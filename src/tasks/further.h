/* Further test rows, such as those of another species: scored only once, with the weights that fine-tuning selected. */
#ifndef FD_TASKS_FURTHER_H
#define FD_TASKS_FURTHER_H

#include <jansson.h>

#include "tasks/finetune.h"
#include "tasks/task_input.h"

enum { FD_FURTHER_MAX = 8 };

typedef struct fd_further {
  int count;
  const char *file[FD_FURTHER_MAX]; /* borrowed */
  fd_table table[FD_FURTHER_MAX];
  int same[FD_FURTHER_MAX], turned[FD_FURTHER_MAX]; /* rows that are training rows, or whose reverse complements are */
  fd_task_scores scores[FD_FURTHER_MAX];
} fd_further;

/* Reads the files as `in` reads its test rows: with the same columns, classes and maximum length. FD_DATA for a label that no
 * training row has, unless such labels are counted, or if ranks read different rows. Collective. fd_further_free may follow a
 * failure. */
fd_status fd_further_read(fd_further *further, const fd_list *files, const fd_task_input *in, fd_task_folder *rows,
                          fd_comm *comm) FD_MUST_CHECK;
void fd_further_free(fd_further *further);

/* Nucleotides of the longest row. */
int fd_further_longest(const fd_further *further);

/* FD_DATA, with file and row, if a model over ids cannot read all rows; without a tokenizer nothing is checked. Collective. */
fd_status fd_further_check_words(const fd_further *further, const fd_tokenizer *tokenizer, int positions,
                                 fd_comm *comm) FD_MUST_CHECK;

/* Scores all files. Collective. */
fd_status fd_further_score(fd_further *further, const fd_selection *selection, fd_comm *comm) FD_MUST_CHECK;

/* Scores, as JSON, of always predicting the most frequent of the `classes` classes of a classifier in a table's rows: its
 * baseline. Rows of other classes count as wrong. *json is NULL for values and for a table without rows, and after a failure. */
fd_status fd_constant_answer(const fd_table *table, int classes, json_t **json) FD_MUST_CHECK;

#endif
