/* Reads tasks that are published without a split, and splits them by content. */
#include "data/unsplit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "data/genome.h"

fd_status fd_split_part(const uint8_t *symbols, int64_t length, int *part) {
  unsigned char digest[FD_SHA256_BYTES];
  uint64_t word = 0;
  FD_TRY(fd_sha256_of(symbols, (size_t)(length < FD_SPLIT_BASES ? length : FD_SPLIT_BASES), digest));
  for (int i = 7; i >= 0; i--) word = word << 8 | digest[i];
  *part = word % 10 == 0 ? FD_TEST : word % 10 == 1 ? FD_VAL : FD_TRAIN;
  return FD_OK;
}

/* --- one file per class ---------------------------------------------------------------------------------------------- */

/* Appends the records of a FASTA file, all of one class. */
static fd_status read_fasta(const char *path, int label, fd_table *t) {
  fd_genome genome = {0};
  fd_genome_reader *reader = NULL;
  fd_status status = FD_OK;
  size_t rows = (size_t)t->rows;
  int64_t bases = rows ? t->start[rows] : 0;
  FD_GO(fd_genome_scan(&genome, path));
  for (int i = 0; i < genome.records; i++) bases += genome.record[i].length;
  if (genome.records > INT_MAX - 1 - t->rows) FD_GO(fd_fail(FD_DATA, "%s: more than %d rows", path, INT_MAX - 1));
  size_t all = rows + (size_t)genome.records, starts = rows ? rows + 1 : 0, labels = rows,
         room = rows ? (size_t)t->start[rows] : 0;
  FD_GO(fd_grow(&t->start, &starts, all + 1, sizeof *t->start, "rows of a task"));
  FD_GO(fd_grow(&t->label, &labels, all, sizeof *t->label, "rows of a task"));
  FD_GO(fd_grow(&t->symbols, &room, (size_t)bases, 1, "rows of a task"));
  FD_GO(fd_genome_reader_open(&genome, &reader));
  if (!rows) t->start[0] = 0;
  for (int i = 0; i < genome.records; i++) {
    if (!genome.record[i].length) continue;
    FD_GO(fd_genome_read(reader, i, t->symbols + t->start[rows]));
    t->start[rows + 1] = t->start[rows] + genome.record[i].length;
    t->label[rows++] = label;
  }
  t->rows = (int)rows;
  if (label >= t->classes) t->classes = label + 1;
done:
  fd_genome_reader_close(&reader);
  fd_genome_free(&genome);
  return status;
}

/* Reads the FASTA files of a class that is a folder. */
static fd_status read_class_folder(const char *folder, int label, fd_table *table) {
  fd_listing files;
  char path[FD_PATH_MAX];
  int rows = table->rows;
  FD_TRY(fd_listing_open(&files, folder));
  fd_status status = FD_OK;
  for (int i = 0; i < files.count && status == FD_OK; i++) {
    status = fd_path(path, folder, files.entry[i]->d_name, NULL);
    if (status != FD_OK) break;
    if (fd_fasta_ending(path)) status = read_fasta(path, label, table);
    else status = fd_listing_leave_out(&files, i, "FASTA files (.fa, .fasta or .fna, packed or not)");
  }
  fd_listing_close(&files);
  if (status == FD_OK && table->rows == rows)
    status = fd_fail(FD_DATA, "%s: has no FASTA file; expected names that end with .fa, .fasta or .fna, and .gz", folder);
  return status;
}

/* Whether an entry of the folder is a class; `out` is its name. */
static int class_name(const char *folder, const char *name, char out[256]) {
  char path[FD_PATH_MAX];
  const char *ending = fd_fasta_ending(name);
  if (fd_path(path, folder, name, NULL) != FD_OK) return 0;
  snprintf(out, 256, "%.*s", ending ? (int)(ending - name) : 255, name);
  return ending || fd_is_folder(path);
}

static fd_status read_classes(const fd_listing *all, fd_class_names *names, fd_table *table) {
  const char *folder = all->path;
  char path[FD_PATH_MAX], name[FD_TASK_CLASSES_MAX][256], next[256];
  const char *text[FD_TASK_CLASSES_MAX];
  int classes = 0;
  for (int i = 0; i < all->count; i++) {
    if (!class_name(folder, all->entry[i]->d_name, next)) continue;
    if (classes == FD_TASK_CLASSES_MAX)
      return fd_fail(FD_DATA, "%s: more than %d classes, the most that a task has", folder, FD_TASK_CLASSES_MAX);
    text[classes] = memcpy(name[classes], next, sizeof next);
    classes++;
  }
  FD_TRY(fd_class_names_of(names, folder, text, classes));
  if (names->count < classes) return fd_fail(FD_DATA, "%s: a class is there twice, as files or folders of one name", folder);
  for (int i = 0; i < all->count && classes; i++) {
    if (!class_name(folder, all->entry[i]->d_name, next)) {
      FD_TRY(
          fd_listing_leave_out(all, i, "a FASTA file (.fa, .fasta or .fna, packed or not) or a folder of them for each class"));
      continue;
    }
    int label = fd_class_names_find(names, next);
    FD_TRY(fd_path(path, folder, all->entry[i]->d_name, NULL));
    FD_TRY(fd_is_folder(path) ? read_class_folder(path, label, table) : read_fasta(path, label, table));
  }
  return FD_OK;
}

/* --- the folder, and its split --------------------------------------------------------------------------------------- */

static fd_status split(const char *folder, const fd_table *all, fd_task_folder *task) {
  static const char *const use[FD_SPLITS] = {[FD_TRAIN] = "train", [FD_VAL] = "select", [FD_TEST] = "test"};
  fd_table *const to[FD_SPLITS] = {[FD_TRAIN] = &task->train, [FD_VAL] = &task->valid, [FD_TEST] = &task->test};
  int *rows[FD_SPLITS] = {NULL}, count[FD_SPLITS] = {0, 0, 0};
  fd_status status = FD_OK;
  for (int p = 0; p < FD_SPLITS; p++) FD_GO(fd_alloc(&rows[p], (size_t)all->rows, sizeof *rows[p], "a split"));
  for (int i = 0; i < all->rows; i++) {
    int p;
    FD_GO(fd_split_part(all->symbols + all->start[i], all->start[i + 1] - all->start[i], &p));
    rows[p][count[p]++] = i;
  }
  for (int p = FD_SPLITS; p-- > 0;) {
    if (!count[p])
      FD_GO(fd_fail(FD_DATA, "%s: %d sequences are too few: its split into ten parts leaves none to %s", folder, all->rows,
                    use[p]));
    FD_GO(fd_table_pick(all, rows[p], count[p], to[p]));
  }
done:
  for (int p = 0; p < FD_SPLITS; p++) free(rows[p]);
  return status;
}

/* The one table in the folder; FD_MISSING if there is none, or more than one. */
static fd_status find_table(const fd_listing *all, char path[FD_PATH_MAX]) {
  int tables = 0;
  for (int i = 0; i < all->count; i++) {
    if (!fd_table_ending(all->entry[i]->d_name)) continue;
    tables++;
    FD_TRY(fd_path(path, all->path, all->entry[i]->d_name, NULL));
  }
  for (int i = 0; i < all->count && tables == 1; i++)
    if (!fd_table_ending(all->entry[i]->d_name)) FD_TRY(fd_listing_leave_out(all, i, "one table"));
  if (tables == 1) return FD_OK;
  return fd_fail(FD_MISSING,
                 "%s: has neither train.csv (with dev.csv, test.csv), nor folders train and test, nor a FASTA file for each "
                 "class, nor one table",
                 all->path);
}

fd_status fd_unsplit_read(const fd_listing *folder, fd_task_folder *task) {
  fd_table all = {0};
  char path[FD_PATH_MAX];
  fd_status status = read_classes(folder, &task->names, &all);
  if (status == FD_OK && !all.rows) status = find_table(folder, path);
  if (status == FD_OK && !all.rows) status = fd_table_read_classes(path, &task->names, 1, &all);
  if (status == FD_OK) status = split(folder->path, &all, task);
  fd_table_free(&all);
  return status;
}
