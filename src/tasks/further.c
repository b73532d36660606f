/* Reads and scores further test rows. */
#include "tasks/further.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/memory.h"
#include "data/rows.h"
#include "tasks/scores.h"

/* Checks that all ranks have read the same rows, each from its own machine's file. */
static fd_status same_table(const char *file, const fd_table *table, fd_comm *comm) {
  unsigned char digest[FD_SHA256_BYTES];
  char hex[FD_SHA256_HEX];
  fd_sha256 *hash;
  if (comm->size == 1) return FD_OK;
  FD_TRY(fd_sha256_begin(&hash));
  fd_task_rows_hash(hash, table);
  FD_TRY(fd_sha256_end(&hash, digest));
  fd_hex(hex, digest);
  return fd_comm_same_text(comm, FD_DATA, file, hex, "each rank reads its own machine's file: copy the same to all");
}

static fd_status read_one(fd_further *f, const char *file, const fd_task_input *in, fd_task_folder *rows, fd_comm *comm) {
  int i = f->count++;
  fd_table *table = &f->table[i];
  f->file[i] = file;
  FD_TRY(in->values ? fd_table_read_values(file, table)
                    : fd_table_read_column(file, &(fd_label_column){in->label, 0, in->unknown}, &rows->names, table));
  if (in->cut) fd_table_cut(table, in->cut);
  if (!table->rows) return fd_fail(FD_DATA, "%s: has no rows", file);
  FD_TRY(fd_task_check_test(in, file, &rows->train, table));
  FD_TRY(fd_task_leakage(&rows->train, table, &f->same[i], &f->turned[i]));
  return same_table(file, table, comm);
}

fd_status fd_further_read(fd_further *f, const fd_list *files, const fd_task_input *in, fd_task_folder *rows, fd_comm *comm) {
  if (files->count > FD_FURTHER_MAX)
    return fd_fail(FD_USAGE, "findna finetune: %d files of --also; expected at most %d", files->count, FD_FURTHER_MAX);
  for (int i = 0; i < files->count; i++) FD_TRY(read_one(f, files->item[i], in, rows, comm));
  return FD_OK;
}

void fd_further_free(fd_further *f) {
  for (int i = 0; i < f->count; i++) fd_table_free(&f->table[i]);
  *f = (fd_further){0};
}

int fd_further_longest(const fd_further *f) {
  int longest = 0;
  for (int i = 0; i < f->count; i++)
    if (fd_rows_longest(&f->table[i]) > longest) longest = fd_rows_longest(&f->table[i]);
  return longest;
}

fd_status fd_further_check_words(const fd_further *f, const fd_tokenizer *tokenizer, int positions, fd_comm *comm) {
  fd_status status = FD_OK;
  int most = 0;
  for (int i = 0; tokenizer && comm->rank == 0 && i < f->count && status == FD_OK; i++)
    status = fd_rows_check_words(&f->table[i], tokenizer, positions, f->file[i], &most);
  return fd_comm_agree(comm, status); /* the root reports an error once */
}

fd_status fd_further_score(fd_further *f, const fd_selection *selection, fd_comm *comm) {
  for (int i = 0; i < f->count; i++) FD_TRY(fd_selection_score(selection, comm, &f->table[i], &f->scores[i], NULL));
  return FD_OK;
}

/* The most frequent of the first `classes` classes. */
static int most_frequent(const fd_table *table, int classes, int *count) {
  int best = 0;
  for (int i = 0; i < table->rows; i++) count[table->label[i]]++;
  for (int c = 1; c < classes; c++)
    if (count[c] > count[best]) best = c;
  return best;
}

/* The average precision of a constant answer: the share of a class among the rows of the classes, that of class 1 for two, or the
 * mean over the classes that have some rows and not all (fd_areas_of); NAN if there is none. */
static double constant_precision(const int *count, int classes) {
  double rows = 0, sum = 0;
  int counted = 0;
  for (int c = 0; c < classes; c++) rows += count[c];
  for (int c = classes == 2 ? 1 : 0; c < classes; c++)
    if (count[c] > 0 && count[c] < rows) sum += count[c] / rows, counted++;
  return sum / counted;
}

fd_status fd_constant_answer(const fd_table *table, int classes, json_t **json) {
  fd_scores s;
  int *answer, *count = NULL;
  *json = NULL;
  if (!table->label || !table->rows) return FD_OK;
  fd_status status = fd_alloc(&answer, (size_t)table->rows, sizeof *answer, "scores");
  FD_GO(status);
  FD_GO(fd_alloc(&count, (size_t)(table->classes > classes ? table->classes : classes), sizeof *count, "scores"));
  answer[0] = most_frequent(table, classes, count);
  for (int i = 1; i < table->rows; i++) answer[i] = answer[0];
  FD_GO(fd_scores_of(table->rows, table->label, answer, table->classes > classes ? table->classes : classes, &s));
  *json = json_pack("{s:i, s:f, s:f, s:f, s:f, s:f}", "class", answer[0], "accuracy", s.accuracy, "balanced_accuracy", s.balanced,
                    "f1", s.f1, "mcc", s.mcc, "auroc", 0.5);
  fd_json_set_defined(json, "auprc", constant_precision(count, classes));
  FD_GO(fd_json_built(*json, "the scores of a constant answer"));
done:
  free(answer);
  free(count);
  return status;
}
