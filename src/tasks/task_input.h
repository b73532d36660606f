/* The rows of a downstream task as a user names them: files, or a folder in a published layout. */
#ifndef FD_TASKS_TASK_INPUT_H
#define FD_TASKS_TASK_INPUT_H

#include "base/args.h"
#include "base/hash.h"
#include "comm/comm.h"
#include "data/task_folder.h"
#include "data/tokenizer.h"

typedef struct fd_task_input {
  const char *train, *valid, *test, *task, *genome;
  int partial, values;
  const char *label; /* the column of the classes in files; NULL: label */
  int unknown;       /* test labels that no training row has become the class behind the last one */
  int64_t cut;       /* 0: never */
} fd_task_input;

/* Lines of a command's table of options for a fd_task_input `in`. */
#define FD_TASK_INPUT_ARGS(in)                                                                                                   \
  {"train",                                                                                                                      \
   FD_ARG_TEXT,                                                                                                                  \
   &(in).train,                                                                                                                  \
   0,                                                                                                                            \
   0,                                                                                                                            \
   "FILE",                                                                                                                       \
   "rows to learn from: CSV or TSV with the columns sequence and label; plain, gzip or xz"},                                     \
      {"test", FD_ARG_TEXT, &(in).test, 0, 0, "FILE", "rows to be scored on, the same form"},                                    \
      {"label", FD_ARG_TEXT, &(in).label, 0, 0, "COLUMN", "the column of the labels in the files (default: label)"},             \
      {"task",                                                                                                                   \
       FD_ARG_TEXT,                                                                                                              \
       &(in).task,                                                                                                               \
       0,                                                                                                                        \
       0,                                                                                                                        \
       "FOLDER",                                                                                                                 \
       "in the place of files: a task in a published layout, such as those of GUE and GenomicBenchmarks (docs/using.md)"},       \
      {"cut", FD_ARG_INT, &(in).cut, 0, 1e9, "L", "take the first L nucleotides of longer sequences; 0: all of them"},           \
      {"genome", FD_ARG_TEXT, &(in).genome, 0, 0, "FILE", "for a task of intervals: the FASTA or 2bit file that they lie in"}, { \
    "partial", FD_ARG_FLAG, &(in).partial, 0, 0, NULL, "leave out intervals on contigs that the genome lacks, and say how many"  \
  }

/* FD_USAGE unless the rows are named in one way; `command` is for the message. */
fd_status fd_task_input_check(const fd_task_input *in, const char *command) FD_MUST_CHECK;

/* What the training rows are called: the file or the folder. */
const char *fd_task_input_name(const fd_task_input *in);

/* Reads all rows and checks that there are two classes (or values) to learn, and none beyond them to be scored. Collective: the
 * root reads first, so that what is wrong is said once; other rows on another rank are FD_DATA. */
fd_status fd_task_input_read(const fd_task_input *in, fd_comm *comm, fd_task_folder *rows) FD_MUST_CHECK;

/* How many test rows have a label that no training row has (fd_task_input.unknown). */
int fd_task_unknown(const fd_task_folder *rows);

/* Before anything is computed: FD_DATA, with file and row, unless a model over ids can read all rows. No tokenizer: all can be.
 * *most becomes the tokens of the longest of them (without a tokenizer 0). Collective. */
fd_status fd_task_input_check_words(const fd_task_input *in, fd_comm *comm, const fd_task_folder *rows,
                                    const fd_tokenizer *tokenizer, int positions, int *most) FD_MUST_CHECK;

/* Adds the sequences and labels of a table's rows. */
void fd_task_rows_hash(fd_sha256 *hash, const fd_table *table);

/* Test rows whose sequence is also a training row's, and those whose reverse complement (and not itself) is. */
fd_status fd_task_leakage(const fd_table *train, const fd_table *test, int *same, int *turned) FD_MUST_CHECK;

#endif
