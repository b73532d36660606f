/* Further test rows, such as those of another species: scored with the weights that a fine-tuning has selected, and never more.
 */
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
  int same[FD_FURTHER_MAX], turned[FD_FURTHER_MAX]; /* rows that are training rows; whose reverse complements are */
  fd_task_scores scores[FD_FURTHER_MAX];
} fd_further;

/* Reads the files as `in` reads its test rows: the same columns and classes, and cut alike. FD_DATA for a label that no training
 * row has. Collective: other rows on another rank are FD_DATA. fd_further_free may follow a failure. */
fd_status fd_further_read(fd_further *further, const fd_list *files, const fd_task_input *in, fd_task_folder *rows,
                          fd_comm *comm) FD_MUST_CHECK;
void fd_further_free(fd_further *further);

/* Nucleotides of the longest row. */
int fd_further_longest(const fd_further *further);

/* FD_DATA, with file and row, unless a model over ids can read all rows; no tokenizer: it can. Collective. */
fd_status fd_further_check_words(const fd_further *further, const fd_tokenizer *tokenizer, int positions,
                                 fd_comm *comm) FD_MUST_CHECK;

/* Scores all of them. Collective. */
fd_status fd_further_score(fd_further *further, const fd_selection *selection, fd_comm *comm) FD_MUST_CHECK;

/* What always answering the most frequent class of a table's rows gets, as JSON: what a classifier must beat. NULL for values. */
json_t *fd_constant_answer(const fd_table *table);

#endif
