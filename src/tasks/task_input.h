/* Input of a downstream task's rows as the user specifies them: files, or a folder in a published layout. */
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
  const char *label; /* the column of the classes in files; NULL: "label" */
  int unknown;       /* test labels that no training row has become the class after the last one */
  int64_t cut;       /* maximum length of a row in nucleotides; 0: none */
} fd_task_input;

/* Rows of a command's option table for an fd_task_input `in`. */
#define FD_TASK_INPUT_ARGS(in)                                                                                                  \
  {"train",                                                                                                                     \
   FD_ARG_TEXT,                                                                                                                 \
   &(in).train,                                                                                                                 \
   0,                                                                                                                           \
   0,                                                                                                                           \
   "FILE",                                                                                                                      \
   "training rows: CSV or TSV with the columns sequence and label; plain, gzip or xz"},                                         \
      {"test", FD_ARG_TEXT, &(in).test, 0, 0, "FILE", "test rows, in the same format"},                                         \
      {"label", FD_ARG_TEXT, &(in).label, 0, 0, "COLUMN", "the column of the labels in the files (default: label)"},            \
      {"count-unknown",                                                                                                         \
       FD_ARG_FLAG,                                                                                                             \
       &(in).unknown,                                                                                                           \
       0,                                                                                                                       \
       0,                                                                                                                       \
       NULL,                                                                                                                    \
       "count test labels that no training row has as wrong, and report them, instead of an error"},                            \
      {"task",                                                                                                                  \
       FD_ARG_TEXT,                                                                                                             \
       &(in).task,                                                                                                              \
       0,                                                                                                                       \
       0,                                                                                                                       \
       "FOLDER",                                                                                                                \
       "instead of files: a task in a published layout, such as those of GUE and GenomicBenchmarks (docs/using.md)"},           \
      {"cut", FD_ARG_INT, &(in).cut, 0, 1e9, "L", "use only the first L nucleotides of longer sequences; 0: all of them"},      \
      {"genome", FD_ARG_TEXT, &(in).genome, 0, 0, "FILE", "for a task of intervals: the FASTA or 2bit file of their genome"}, { \
    "partial", FD_ARG_FLAG, &(in).partial, 0, 0, NULL,                                                                          \
        "leave out intervals on contigs that the genome lacks, and report their number"                                         \
  }

/* FD_USAGE unless the rows are specified in exactly one way; `command` is for the message. */
fd_status fd_task_input_check(const fd_task_input *in, const char *command) FD_MUST_CHECK;

/* The name of the training rows: the file or the folder. */
const char *fd_task_input_name(const fd_task_input *in);

/* Reads all rows; checks that training rows have at least two classes (or values) and that no other row has a further class.
 * Collective: the root reads first, so that an error is reported once; FD_DATA if ranks read different rows. */
fd_status fd_task_input_read(const fd_task_input *in, fd_comm *comm, fd_task_folder *rows) FD_MUST_CHECK;

/* Of test rows that were read beside those of fd_task_input_read: gives labels that no training row has the class after the last
 * one if the user asked for that (fd_task_input.unknown), else FD_DATA; `name` is for the message. */
fd_status fd_task_check_test(const fd_task_input *in, const char *name, const fd_table *train, fd_table *test) FD_MUST_CHECK;

/* Number of test rows whose label no training row has, given the number of classes that training rows have. */
int fd_task_unknown(const fd_table *test, int classes);

/* Before anything is computed: FD_DATA, with file and row, if a model over ids cannot read all rows; without a tokenizer nothing
 * is checked. *most becomes the number of tokens of the longest row (0 without a tokenizer). Collective. */
fd_status fd_task_input_check_words(const fd_task_input *in, fd_comm *comm, const fd_task_folder *rows,
                                    const fd_tokenizer *tokenizer, int positions, int *most) FD_MUST_CHECK;

/* Adds the sequences and labels of a table's rows to a hash. */
void fd_task_rows_hash(fd_sha256 *hash, const fd_table *table);

/* Counts test rows whose sequence is also a training row's, and test rows of which only the reverse complement is. */
fd_status fd_task_leakage(const fd_table *train, const fd_table *test, int *same, int *turned) FD_MUST_CHECK;

#endif
