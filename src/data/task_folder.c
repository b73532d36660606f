/* Reads the published layouts of benchmark tasks. */
#include "data/task_folder.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/genome.h"
#include "data/unpack.h"
#include "data/unsplit.h"

enum { CLASSES_MAX = 1024 };
static const size_t file_max = (size_t)1 << 30;

/* Names in a folder, in the alphabet's order. */
typedef struct names {
  int count;
  struct dirent **entry;
} names;

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static fd_status list(const char *folder, names *n) {
  n->count = scandir(folder, &n->entry, is_visible, alphasort);
  if (n->count >= 0) return FD_OK;
  n->count = 0, n->entry = NULL;
  return fd_fail_errno("cannot open folder", folder);
}

static void free_names(names *n) {
  for (int i = 0; i < n->count; i++) free(n->entry[i]);
  free(n->entry);
}

static int is_folder(const char *path) {
  struct stat info;
  return !stat(path, &info) && S_ISDIR(info.st_mode);
}

/* A table that grows. */
typedef struct builder {
  fd_table *table;
  size_t symbols, starts, labels;
} builder;

static fd_status begin_row(builder *b, int64_t length, int label, uint8_t **to) {
  fd_table *t = b->table;
  size_t n = (size_t)t->rows;
  if (t->rows == INT_MAX - 1) return fd_fail(FD_DATA, "more than %d rows", INT_MAX - 1);
  FD_TRY(fd_grow(&t->start, &b->starts, n + 2, sizeof *t->start, "rows of a task"));
  FD_TRY(fd_grow(&t->label, &b->labels, n + 1, sizeof *t->label, "rows of a task"));
  if (!n) t->start[0] = 0;
  FD_TRY(fd_grow(&t->symbols, &b->symbols, (size_t)(t->start[n] + length), 1, "rows of a task"));
  *to = t->symbols + t->start[n];
  t->start[n + 1] = t->start[n] + length;
  t->label[n] = label;
  if (label >= t->classes) t->classes = label + 1;
  t->rows++;
  return FD_OK;
}

/* --- a sequence a file ----------------------------------------------------------------------------------------------- */

static fd_status read_sequence(const char *path, int label, builder *b) {
  char *text;
  size_t bytes;
  uint8_t *to;
  FD_TRY(fd_read_file(path, file_max, &text, &bytes));
  while (bytes && strchr("\r\n \t", text[bytes - 1])) bytes--;
  fd_status status = bytes ? begin_row(b, (int64_t)bytes, label, &to) : fd_fail(FD_DATA, "%s: the sequence is empty", path);
  for (size_t i = 0; i < bytes && status == FD_OK; i++)
    if ((to[i] = fd_symbol_of[(unsigned char)text[i]]) == FD_NO_LETTER)
      status = fd_fail(FD_DATA, "%s: letter %zu is no nucleotide; expected A, C, G, T, N or another IUPAC letter", path, i + 1);
  free(text);
  return status;
}

static fd_status read_class_folder(const char *folder, int label, builder *b) {
  names files;
  char path[FD_PATH_MAX];
  FD_TRY(list(folder, &files));
  fd_status status = files.count ? FD_OK : fd_fail(FD_DATA, "%s: is empty; expected a file for each sequence", folder);
  for (int i = 0; i < files.count && status == FD_OK; i++) {
    status = fd_path(path, folder, files.entry[i]->d_name, NULL);
    if (status == FD_OK) status = read_sequence(path, label, b);
  }
  free_names(&files);
  return status;
}

/* --- intervals of a genome
 * ------------------------------------------------------------------------------------------------------- */

typedef struct genome_file {
  fd_genome genome;
  fd_genome_reader *reader;
  int partial;
  int64_t left_out;
} genome_file;

typedef struct interval {
  int row, record, minus; /* row of the table */
  int64_t begin;
} interval;

typedef struct intervals {
  interval *item;
  size_t count, capacity;
} intervals;

static int by_record(const void *a, const void *b) {
  const interval *x = a, *y = b;
  return x->record != y->record ? (x->record > y->record) - (x->record < y->record) : (x->row > y->row) - (x->row < y->row);
}

/* The record that holds [begin, end) of a contig; -1: the genome has no such contig; -2: it has, but not that place. */
static int record_of(const fd_genome *g, const char *contig, int64_t begin, int64_t end) {
  int found = -1;
  for (int r = 0; r < g->records; r++) {
    const fd_record *a = &g->record[r];
    if (!fd_same_contig(a->contig, contig)) continue;
    if (begin >= a->first && end <= a->first + a->length) return r;
    found = -2;
  }
  return found;
}

static fd_status read_interval(const char *path, int64_t number, char *line, int label, genome_file *g, builder *b,
                               intervals *v) {
  char *field[5] = {0}, *end[2];
  uint8_t *to;
  for (int i = 0; i < 5 && line; i++) field[i] = strsep(&line, ",");
  long long from = field[2] ? strtoll(field[2], &end[0], 10) : -1, stop = field[3] ? strtoll(field[3], &end[1], 10) : -1;
  if (!field[4] || end[0] == field[2] || *end[0] || end[1] == field[3] || *end[1] || from < 0 || stop <= from ||
      (strcmp(field[4], "+") && strcmp(field[4], "-") && strcmp(field[4], ".")))
    return fd_fail(FD_DATA, "%s:%" PRId64 ": expected id,region,start,end,strand with 0 <= start < end and the strand +, - or .",
                   path, number);
  int record = record_of(&g->genome, field[1], from, stop);
  if (record == -1 && g->partial) {
    g->left_out++;
    return FD_OK;
  }
  if (record == -1)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": %s has no sequence '%s' (--partial leaves such rows out)", path, number,
                   g->genome.file[0].path, field[1]);
  if (record == -2)
    return fd_fail(FD_DATA, "%s:%" PRId64 ": %s of %s has no bases %lld to %lld: of another assembly?", path, number, field[1],
                   g->genome.file[0].path, from, stop);
  FD_TRY(fd_grow(&v->item, &v->capacity, v->count + 1, sizeof *v->item, "intervals"));
  v->item[v->count++] = (interval){b->table->rows, record, *field[4] == '-', from - g->genome.record[record].first};
  return begin_row(b, stop - from, label, &to);
}

static fd_status read_class_file(const char *path, int label, genome_file *g, builder *b, intervals *v) {
  char *text, *rest;
  size_t bytes;
  int64_t number = 0;
  FD_TRY(fd_unpack_file(path, file_max, &text, &bytes));
  rest = text;
  fd_status status = FD_OK;
  for (char *line; status == FD_OK && (line = strsep(&rest, "\n"));) {
    line[strcspn(line, "\r")] = '\0';
    number++;
    if (number == 1 && strcmp(line, "id,region,start,end,strand"))
      status = fd_fail(FD_DATA, "%s:1: expected the header 'id,region,start,end,strand'", path);
    else if (number > 1 && *line) status = read_interval(path, number, line, label, g, b, v);
  }
  free(text);
  return status;
}

/* The sequences of all intervals, one record of the genome at a time. */
static fd_status cut_intervals(genome_file *g, const intervals *v, fd_table *table) {
  uint8_t *symbols = NULL;
  fd_status status = FD_OK;
  int loaded = -1;
  if (v->count) qsort(v->item, v->count, sizeof *v->item, by_record);
  for (size_t i = 0; i < v->count && status == FD_OK; i++) {
    const interval *item = &v->item[i];
    int64_t length = table->start[item->row + 1] - table->start[item->row];
    if (item->record != loaded) {
      free(symbols);
      FD_GO(fd_alloc(&symbols, (size_t)g->genome.record[item->record].length, 1, "a sequence"));
      FD_GO(fd_genome_read(g->reader, item->record, symbols));
      loaded = item->record;
    }
    if (item->minus) fd_reverse_complement(symbols + item->begin, length, table->symbols + table->start[item->row]);
    else memcpy(table->symbols + table->start[item->row], symbols + item->begin, (size_t)length);
  }
done:
  free(symbols);
  return status;
}

/* --- folders
 * -------------------------------------------------------------------------------------------------------------------- */

/* The name of a class: a folder's, or a file's without .csv or .csv.gz. */
static void class_name(const char *entry, char out[256]) {
  snprintf(out, 256, "%s", entry);
  char *dot = strstr(out, ".csv");
  if (dot) *dot = '\0';
}

/* All classes of FOLDER/train or FOLDER/test; those of test must be those of train. */
static fd_status read_split(const char *folder, const char *split, char classes[][256], int *count, genome_file *g,
                            fd_table *table) {
  char path[FD_PATH_MAX], part[FD_PATH_MAX];
  names entries = {0};
  intervals v = {0};
  builder b = {.table = table};
  fd_status status = FD_OK;
  int first = !*count;
  FD_TRY(fd_path(path, folder, split, NULL));
  FD_GO(list(path, &entries));
  if (entries.count > CLASSES_MAX) FD_GO(fd_fail(FD_DATA, "%s: more than %d classes", path, CLASSES_MAX));
  for (int i = 0; i < entries.count; i++) {
    char name[256];
    int label = 0;
    class_name(entries.entry[i]->d_name, name);
    for (int k = 0; first && k < *count; k++)
      if (!strcmp(classes[k], name)) FD_GO(fd_fail(FD_DATA, "%s: the class '%s' is there twice", path, name));
    if (first) memcpy(classes[(*count)++], name, sizeof name);
    int rows = table->rows;
    while (label < *count && strcmp(classes[label], name)) label++;
    if (label == *count) FD_GO(fd_fail(FD_DATA, "%s: the class '%s' is not in %s/train", path, name, folder));
    FD_GO(fd_path(part, path, entries.entry[i]->d_name, NULL));
    if (is_folder(part)) FD_GO(read_class_folder(part, label, &b));
    else if (g->reader) FD_GO(read_class_file(part, label, g, &b, &v));
    else FD_GO(fd_fail(FD_USAGE, "%s: is a list of intervals; give the genome that they lie in: --genome FILE", part));
    if (first && table->rows == rows)
      FD_GO(fd_fail(FD_DATA, "%s: has no row%s", part, g->left_out ? " on the genome given" : ""));
  }
  FD_GO(cut_intervals(g, &v, table));
  if (!table->rows) FD_GO(fd_fail(FD_DATA, "%s: has no rows", path));
done:
  free_names(&entries);
  free(v.item);
  return status;
}

static fd_status read_classes(const char *folder, const char *genome, int partial, fd_task_folder *task) {
  char(*classes)[256] = NULL;
  const char *name[CLASSES_MAX];
  genome_file g = {.partial = partial};
  int count = 0;
  fd_status status = FD_OK;
  FD_GO(fd_alloc(&classes, CLASSES_MAX, sizeof *classes, "classes"));
  if (genome) {
    FD_GO(fd_genome_scan(&g.genome, genome));
    FD_GO(fd_genome_check_names(&g.genome));
    FD_GO(fd_genome_reader_open(&g.genome, &g.reader));
  }
  FD_GO(read_split(folder, "train", classes, &count, &g, &task->train));
  FD_GO(read_split(folder, "test", classes, &count, &g, &task->test));
  task->left_out = g.left_out;
  for (int i = 0; i < count; i++) name[i] = classes[i];
  FD_GO(fd_class_names_of(&task->names, folder, name, count));
done:
  fd_genome_reader_close(&g.reader);
  fd_genome_free(&g.genome);
  free(classes);
  return status;
}

static fd_status read_tables(const char *folder, fd_task_folder *task) {
  static const char *const files[3] = {"train.csv", "dev.csv", "test.csv"};
  fd_table *const tables[3] = {&task->train, &task->valid, &task->test};
  char path[FD_PATH_MAX];
  for (int i = 0; i < 3; i++) {
    FD_TRY(fd_path(path, folder, files[i], NULL));
    if (fd_exists(path)) FD_TRY(fd_table_read_classes(path, &task->names, i == 0, tables[i]));
  }
  return FD_OK;
}

fd_status fd_task_folder_read(const char *folder, const char *genome, int partial, fd_task_folder *task) {
  char path[FD_PATH_MAX];
  memset(task, 0, sizeof *task);
  if (!is_folder(folder)) return fd_fail(FD_MISSING, "%s: no such folder", folder);
  FD_TRY(fd_path(path, folder, "train", NULL));
  fd_status status = is_folder(path) ? read_classes(folder, genome, partial, task) : read_tables(folder, task);
  if (status == FD_OK && !task->train.rows) status = fd_unsplit_read(folder, task);
  if (status != FD_OK) fd_task_folder_free(task);
  return status;
}

void fd_task_folder_free(fd_task_folder *task) {
  fd_table_free(&task->train);
  fd_table_free(&task->valid);
  fd_table_free(&task->test);
  fd_class_names_free(&task->names);
}
