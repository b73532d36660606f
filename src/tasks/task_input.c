/* Reads and checks a task's rows; counts test rows that are also training rows. */
#include "tasks/task_input.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "data/alphabet.h"
#include "data/rows.h"

fd_status fd_task_input_check(const fd_task_input *in, const char *command) {
  if (!in->train == !in->task)
    return fd_fail(FD_USAGE, "findna %s: which rows? Either --train FILE (and --test FILE) or --task FOLDER", command);
  if (in->task && (in->valid || in->test || in->values))
    return fd_fail(FD_USAGE, "findna %s: --task gives all rows and their classes; leave out --valid, --test and --values",
                   command);
  if (in->label && (in->task || in->values))
    return fd_fail(FD_USAGE, "findna %s: --label is for classes in files; it has no effect beside --task or --values", command);
  if (in->genome && !in->task)
    return fd_fail(FD_USAGE, "findna %s: --genome is for a --task of intervals; files have sequences", command);
  if (in->unknown && in->values)
    return fd_fail(FD_USAGE, "findna %s: --count-unknown is about classes; it has no effect beside --values", command);
  if (in->partial && !in->genome) return fd_fail(FD_USAGE, "findna %s: --partial has no effect without --genome", command);
  return FD_OK;
}

const char *fd_task_input_name(const fd_task_input *in) { return in->task ? in->task : in->train; }

static fd_status read_files(const fd_task_input *in, fd_task_folder *rows) {
  const char *const paths[] = {in->train, in->valid, in->test};
  fd_table *const tables[] = {&rows->train, &rows->valid, &rows->test};
  memset(rows, 0, sizeof *rows);
  for (int i = 0; i < 3; i++)
    if (paths[i])
      FD_TRY(in->values ? fd_table_read_values(paths[i], tables[i])
                        : fd_table_read_column(paths[i], &(fd_label_column){in->label, i == 0, i == 2 && in->unknown},
                                               &rows->names, tables[i]));
  return FD_OK;
}

/* Maps all labels that no training row has to one class, after the others. */
static void join_unknown(fd_table *test, int classes) {
  for (int i = 0; i < test->rows; i++)
    if (test->label[i] > classes) test->label[i] = classes;
  if (test->classes > classes) test->classes = classes + 1;
}

int fd_task_unknown(const fd_table *test, int classes) {
  int count = 0;
  for (int i = 0; test->label && i < test->rows; i++) count += test->label[i] == classes;
  return count;
}

static fd_status check_classes(const char *name, const fd_table *train, const fd_table *table) {
  if (table->classes <= train->classes) return FD_OK;
  return fd_fail(FD_DATA, "%s: has the label %d, which no training row has; expected 0 to %d", name, table->classes - 1,
                 train->classes - 1);
}

fd_status fd_task_check_test(const fd_task_input *in, const char *name, const fd_table *train, fd_table *test) {
  if (!in->unknown) return check_classes(name, train, test);
  join_unknown(test, train->classes);
  return FD_OK;
}

static fd_status check_values(const char *name, const fd_table *train) {
  for (int i = 1; i < train->rows; i++)
    if (train->value[i] < train->value[0] || train->value[i] > train->value[0]) return FD_OK;
  return fd_fail(FD_DATA, "%s: its training rows all have the value %g: there is nothing to learn; expected at least two values",
                 name, (double)train->value[0]);
}

void fd_task_rows_hash(fd_sha256 *hash, const fd_table *table) {
  size_t rows = (size_t)table->rows;
  fd_sha256_add(hash, table->start, (rows + 1) * sizeof *table->start);
  fd_sha256_add(hash, table->symbols, (size_t)table->start[rows]);
  if (table->label) fd_sha256_add(hash, table->label, rows * sizeof *table->label);
  if (table->value) fd_sha256_add(hash, table->value, rows * sizeof *table->value);
}

/* Checks that all ranks have read the same rows, each from its own machine's files. */
static fd_status same_rows(const fd_task_folder *rows, const char *name, fd_comm *comm) {
  const fd_table *const tables[] = {&rows->train, &rows->valid, &rows->test};
  unsigned char digest[FD_SHA256_BYTES];
  char what[FD_PATH_MAX + 16], text[FD_SHA256_HEX + 64];
  fd_sha256 *hash;
  if (comm->size == 1) return FD_OK;
  FD_TRY(fd_sha256_begin(&hash));
  for (int i = 0; i < 3; i++)
    if (tables[i]->rows) fd_task_rows_hash(hash, tables[i]);
  for (int i = 0; i < rows->names.count; i++) fd_sha256_add(hash, rows->names.name[i], strlen(rows->names.name[i]) + 1);
  FD_TRY(fd_sha256_end(&hash, digest));
  int n = snprintf(text, sizeof text, "%d, %d and %d rows, SHA-256 ", rows->train.rows, rows->valid.rows, rows->test.rows);
  fd_hex(text + n, digest);
  snprintf(what, sizeof what, "rows of %s", name);
  return fd_comm_same_text(comm, FD_DATA, what, text,
                           "each of them reads its own machine's files: copy the same to all, or name files that all see");
}

fd_status fd_task_input_read(const fd_task_input *in, fd_comm *comm, fd_task_folder *rows) {
  const char *name = fd_task_input_name(in);
  if (comm->rank) FD_TRY(comm->ops->barrier(comm));
  FD_TRY(in->task ? fd_task_folder_read(in->task, in->genome, in->partial, rows) : read_files(in, rows));
  fd_table *const tables[] = {&rows->train, &rows->valid, &rows->test};
  for (int i = 0; i < 3 && in->cut; i++) fd_table_cut(tables[i], in->cut);
  if (!in->values && rows->train.classes < 2)
    return fd_fail(FD_DATA, "%s: its training rows have one class only: there is nothing to learn; expected at least two labels",
                   name);
  if (in->values) FD_TRY(check_values(name, &rows->train));
  if (!in->values) FD_TRY(fd_table_check_classes(&rows->train, name));
  FD_TRY(check_classes(in->valid ? in->valid : name, &rows->train, &rows->valid));
  FD_TRY(fd_task_check_test(in, in->test ? in->test : name, &rows->train, &rows->test));
  if (rows->left_out && comm->rank == 0)
    fd_warn("%s: %" PRId64 " rows left out: they are on contigs that %s lacks", name, rows->left_out, in->genome);
  if (comm->rank == 0) FD_TRY(comm->ops->barrier(comm));
  return same_rows(rows, name, comm);
}

static fd_status check_words(const fd_task_input *in, const fd_task_folder *rows, const fd_tokenizer *tokenizer, int positions,
                             int *most) {
  const fd_table *const tables[] = {&rows->train, &rows->valid, &rows->test};
  const char *const files[] = {in->train, in->valid, in->test};
  static const char *const parts[] = {"training rows", "validation rows", "test rows"};
  for (int i = 0; i < 3; i++) {
    char name[FD_PATH_MAX + 32];
    if (in->task) snprintf(name, sizeof name, "%s, %s", in->task, parts[i]);
    else snprintf(name, sizeof name, "%s", files[i] ? files[i] : "");
    if (tables[i]->rows) FD_TRY(fd_rows_check_words(tables[i], tokenizer, positions, name, most));
  }
  return FD_OK;
}

fd_status fd_task_input_check_words(const fd_task_input *in, fd_comm *comm, const fd_task_folder *rows,
                                    const fd_tokenizer *tokenizer, int positions, int *most) {
  *most = 0;
  if (!tokenizer) return FD_OK;
  FD_TRY(fd_comm_agree(comm, comm->rank ? FD_OK : check_words(in, rows, tokenizer, positions, most)));
  return comm->ops->broadcast(comm, most, sizeof *most, 0);
}

typedef struct sequence {
  const uint8_t *symbols;
  int64_t length;
} sequence;

static int compare_sequences(const void *a, const void *b) {
  const sequence *x = a, *y = b;
  if (x->length != y->length) return x->length < y->length ? -1 : 1;
  return memcmp(x->symbols, y->symbols, (size_t)x->length);
}

static sequence sequence_at(const fd_table *table, int row) {
  return (sequence){table->symbols + table->start[row], table->start[row + 1] - table->start[row]};
}

fd_status fd_task_leakage(const fd_table *train, const fd_table *test, int *same, int *turned) {
  sequence *sorted = NULL;
  uint8_t *other = NULL;
  fd_status status = FD_OK;
  *same = *turned = 0;
  if (!test->rows) return FD_OK;
  FD_GO(fd_alloc(&sorted, (size_t)train->rows, sizeof *sorted, "a table's rows"));
  FD_GO(fd_alloc(&other, (size_t)fd_rows_longest(test), 1, "a reverse complement"));
  for (int row = 0; row < train->rows; row++) sorted[row] = sequence_at(train, row);
  qsort(sorted, (size_t)train->rows, sizeof *sorted, compare_sequences);
  for (int row = 0; row < test->rows; row++) {
    sequence key = sequence_at(test, row), back = {other, key.length};
    fd_reverse_complement(key.symbols, key.length, other);
    if (bsearch(&key, sorted, (size_t)train->rows, sizeof *sorted, compare_sequences)) ++*same;
    else if (bsearch(&back, sorted, (size_t)train->rows, sizeof *sorted, compare_sequences)) ++*turned;
  }
done:
  free(sorted);
  free(other);
  return status;
}
