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
#include "data/lines.h"
#include "data/loci.h"
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

static fd_status add_sequence(const char *path, fd_lines *lines, int label, builder *b) {
  size_t length;
  uint8_t *to;
  const char *line = fd_lines_next(lines, &length);
  if (!line) return fd_fail(FD_DATA, "%s: the sequence is empty", path);
  while (line[length - 1] == ' ' || line[length - 1] == '\t') length--; /* a line that is given holds more than blanks */
  FD_TRY(begin_row(b, (int64_t)length, label, &to));
  for (size_t i = 0; i < length; i++)
    if ((to[i] = fd_symbol_of[(unsigned char)line[i]]) == FD_NO_LETTER)
      return fd_fail(FD_DATA, "%s: letter %zu is no nucleotide; expected A, C, G, T, N or another IUPAC letter", path, i + 1);
  return fd_lines_next(lines, NULL)
             ? fd_fail(FD_DATA, "%s:%" PRId64 ": a second line; expected one sequence on one line", path, lines->number)
             : FD_OK;
}

static fd_status read_sequence(const char *path, int label, builder *b) {
  fd_lines lines;
  FD_TRY(fd_lines_open(&lines, path, file_max));
  fd_status status = add_sequence(path, &lines, label, b);
  fd_lines_close(&lines);
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

/* --- intervals of a genome ------------------------------------------------------------------------------------------- */

typedef struct genome_file {
  fd_genome genome;
  fd_genome_reader *reader;
  int partial;
  int64_t left_out;
} genome_file;

/* Loci, and the rows of the table that they become. */
typedef struct intervals {
  fd_locus *item;
  int *row;
  int64_t count;
  size_t item_capacity, row_capacity;
} intervals;

static fd_status bad_interval(const fd_lines *l) {
  return fd_fail(FD_DATA, "%s:%" PRId64 ": expected id,region,start,end,strand with 0 <= start < end and the strand +, - or .",
                 l->path, l->number);
}

static fd_status read_interval(const fd_lines *l, char *line, int label, genome_file *g, builder *b, intervals *v) {
  enum { ID, REGION, START, END, STRAND, FIELDS };
  char *field[FIELDS], where[FD_PATH_MAX + 32];
  int64_t begin, end;
  uint8_t *to;
  for (int i = 0; i < FIELDS; i++)
    if (!(field[i] = fd_next_field(&line, ','))) return bad_interval(l);
  if (line || !fd_whole_number(field[START], &begin) || !fd_whole_number(field[END], &end) || begin < 0 || end <= begin ||
      !*field[STRAND] || field[STRAND][1] || !strchr("+-.", *field[STRAND]))
    return bad_interval(l);
  if (g->partial && fd_genome_locate(&g->genome, field[REGION], begin, end) == FD_NO_CONTIG) {
    g->left_out++;
    return FD_OK;
  }
  snprintf(where, sizeof where, "%s:%" PRId64, l->path, l->number);
  FD_TRY(fd_grow(&v->item, &v->item_capacity, (size_t)v->count + 1, sizeof *v->item, "intervals"));
  FD_TRY(fd_grow(&v->row, &v->row_capacity, (size_t)v->count + 1, sizeof *v->row, "intervals"));
  FD_TRY(fd_locus_find(&g->genome, where, field[REGION], begin, end, *field[STRAND] == '-', &v->item[v->count]));
  v->row[v->count++] = b->table->rows;
  return begin_row(b, end - begin, label, &to);
}

static fd_status read_class_file(const char *path, int label, genome_file *g, builder *b, intervals *v) {
  fd_lines lines;
  FD_TRY(fd_lines_open(&lines, path, file_max));
  char *line = fd_lines_next(&lines, NULL);
  fd_status status = FD_OK;
  if (!line || strcmp(line, "id,region,start,end,strand"))
    status = fd_fail(FD_DATA, "%s:1: expected the header 'id,region,start,end,strand'", path);
  while (status == FD_OK && (line = fd_lines_next(&lines, NULL))) status = read_interval(&lines, line, label, g, b, v);
  fd_lines_close(&lines);
  return status;
}

static fd_status cut_intervals(genome_file *g, intervals *v, fd_table *table) {
  for (int64_t i = 0; i < v->count; i++) v->item[i].to = table->symbols + table->start[v->row[i]];
  return v->count ? fd_loci_cut(&g->genome, g->reader, v->item, v->count) : FD_OK;
}

/* --- folders --------------------------------------------------------------------------------------------------------- */

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
  free(v.row);
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
    FD_GO(fd_genome_index(&g.genome));
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
    if (!fd_is_absent(path)) FD_TRY(fd_table_read_classes(path, &task->names, i == 0, tables[i]));
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
