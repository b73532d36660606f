/* Reads the published layouts of benchmark tasks. */
#include "data/task_folder.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "data/labelled_fasta.h"
#include "data/listing.h"
#include "data/lines.h"
#include "data/loci.h"
#include "data/unsplit.h"

static const size_t file_max = (size_t)1 << 30;

/* A table to which rows are appended. */
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

/* --- one sequence per file ------------------------------------------------------------------------------------------- */

static fd_status add_sequence(const char *path, fd_lines *lines, int label, builder *b) {
  size_t length;
  uint8_t *to;
  const char *line = fd_lines_next(lines, &length);
  if (!line) return fd_fail(FD_DATA, "%s: the sequence is empty", path);
  while (line[length - 1] == ' ' || line[length - 1] == '\t') length--; /* fd_lines_next returns no blank lines */
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
  fd_listing files;
  char path[FD_PATH_MAX];
  FD_TRY(fd_listing_open(&files, folder));
  fd_status status = files.count ? FD_OK : fd_fail(FD_DATA, "%s: is empty; expected a file for each sequence", folder);
  for (int i = 0; i < files.count && status == FD_OK; i++) {
    status = fd_path(path, folder, files.entry[i]->d_name, NULL);
    if (status == FD_OK) status = read_sequence(path, label, b);
  }
  fd_listing_close(&files);
  return status;
}

/* --- intervals of a genome ------------------------------------------------------------------------------------------- */

typedef struct genome_file {
  fd_genome genome;
  fd_genome_reader *reader;
  int partial;
  int64_t left_out;
} genome_file;

/* Loci, and the table rows that hold their sequences. */
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

/* A class of FOLDER/train or FOLDER/test: a folder of sequences, or a table of intervals. */
typedef struct class_part {
  char name[256]; /* the folder's, or the file's without .csv or .csv.gz */
  char path[FD_PATH_MAX];
  int folder;
} class_part;

/* Describes entry i; `part->name` is empty if it is not a class. */
static fd_status find_class(const fd_listing *entries, int i, class_part *part) {
  const char *name = entries->entry[i]->d_name, *ending = fd_ending(name, ".csv");
  FD_TRY(fd_path(part->path, entries->path, name, NULL));
  part->folder = fd_is_folder(part->path);
  snprintf(part->name, sizeof part->name, "%.*s", part->folder ? 255 : ending ? (int)(ending - name) : 0, name);
  return FD_OK;
}

/* Takes the names of the classes from FOLDER/train. */
static fd_status name_classes(const char *folder, fd_class_names *names) {
  char path[FD_PATH_MAX], (*name)[256] = NULL;
  const char *text[FD_TASK_CLASSES_MAX];
  fd_listing entries = {0};
  class_part part;
  int count = 0;
  fd_status status = FD_OK;
  FD_TRY(fd_path(path, folder, "train", NULL));
  FD_GO(fd_alloc(&name, FD_TASK_CLASSES_MAX, sizeof *name, "classes"));
  FD_GO(fd_listing_open(&entries, path));
  for (int i = 0; i < entries.count; i++) {
    FD_GO(find_class(&entries, i, &part));
    if (!*part.name) continue;
    if (count == FD_TASK_CLASSES_MAX) FD_GO(fd_fail(FD_DATA, "%s: more than %d classes", path, FD_TASK_CLASSES_MAX));
    memcpy(name[count], part.name, sizeof part.name);
    text[count] = name[count];
    count++;
  }
  FD_GO(fd_class_names_of(names, path, text, count));
  for (int i = 0; i < count; i++)
    for (int k = 0; k < i && names->count < count; k++)
      if (!strcmp(text[i], text[k])) FD_GO(fd_fail(FD_DATA, "%s: the class '%s' is there twice", path, text[i]));
done:
  fd_listing_close(&entries);
  free(name);
  return status;
}

static fd_status read_class(const class_part *part, int label, genome_file *g, builder *b, intervals *v) {
  if (part->folder) return read_class_folder(part->path, label, b);
  if (g->reader) return read_class_file(part->path, label, g, b, v);
  return fd_fail(FD_USAGE, "%s: is a list of intervals; give the genome that they lie in: --genome FILE", part->path);
}

/* Reads all classes of FOLDER/train, each of which must have rows, or of FOLDER/test (`tests`), which must be among them. */
static fd_status read_split(const char *folder, int tests, const fd_class_names *names, genome_file *g, fd_table *table) {
  char path[FD_PATH_MAX];
  fd_listing entries = {0};
  intervals v = {0};
  builder b = {.table = table};
  class_part part;
  fd_status status = FD_OK;
  FD_TRY(fd_path(path, folder, tests ? "test" : "train", NULL));
  FD_GO(fd_listing_open(&entries, path));
  for (int i = 0; i < entries.count; i++) {
    int rows = table->rows;
    FD_GO(find_class(&entries, i, &part));
    if (!*part.name) {
      FD_GO(fd_listing_leave_out(&entries, i, "a folder of sequences or a table of intervals CLASS.csv for each class"));
      continue;
    }
    int label = fd_class_names_find(names, part.name);
    if (label < 0) FD_GO(fd_fail(FD_DATA, "%s: the class '%s' is not in %s/train", path, part.name, folder));
    FD_GO(read_class(&part, label, g, &b, &v));
    if (!tests && table->rows == rows)
      FD_GO(fd_fail(FD_DATA, "%s: has no row%s", part.path, g->left_out ? " on the genome given" : ""));
  }
  FD_GO(cut_intervals(g, &v, table));
  if (!table->rows) FD_GO(fd_fail(FD_DATA, "%s: has no rows", path));
done:
  fd_listing_close(&entries);
  free(v.item);
  free(v.row);
  return status;
}

/* Checks that no entry besides train and test may hold rows. */
static fd_status check_others(const fd_listing *all) {
  for (int i = 0; i < all->count; i++)
    if (strcmp(all->entry[i]->d_name, "train") && strcmp(all->entry[i]->d_name, "test"))
      FD_TRY(fd_listing_leave_out(all, i, "the folders train and test"));
  return FD_OK;
}

static fd_status read_classes(const fd_listing *all, const char *genome, int partial, fd_task_folder *task) {
  const char *folder = all->path;
  genome_file g = {.partial = partial};
  fd_status status = FD_OK;
  if (genome) {
    FD_GO(fd_genome_scan(&g.genome, genome));
    FD_GO(fd_genome_index(&g.genome));
    FD_GO(fd_genome_reader_open(&g.genome, &g.reader));
  }
  FD_GO(name_classes(folder, &task->names));
  FD_GO(read_split(folder, 0, &task->names, &g, &task->train));
  FD_GO(read_split(folder, 1, &task->names, &g, &task->test));
  FD_GO(check_others(all));
  task->left_out = g.left_out;
done:
  fd_genome_reader_close(&g.reader);
  fd_genome_free(&g.genome);
  return status;
}

enum { TRAIN, SELECT, TEST, PARTS };

/* The part of a task that a file holds by its name, such as train.csv, Dev.tsv.gz or test.fna; -1: none. */
static int part_of(const char *file) {
  static const char *const stems[PARTS][4] = {{"train"}, {"dev", "valid", "val", "validation"}, {"test"}};
  const char *table = fd_table_ending(file), *ending = table ? table : fd_fasta_ending(file);
  size_t length = ending ? (size_t)(ending - file) : 0;
  for (int part = 0; part < PARTS; part++)
    for (int i = 0; i < 4 && stems[part][i]; i++)
      if (strlen(stems[part][i]) == length && !strncasecmp(stems[part][i], file, length)) return part;
  return -1;
}

/* Reads FOLDER/train.csv, dev.csv, test.csv, or FASTA files whose record names end with the class; reads no rows if there is
 * none. */
static fd_status read_tables(const fd_listing *all, fd_task_folder *task) {
  fd_table *const tables[PARTS] = {&task->train, &task->valid, &task->test};
  int entry[PARTS] = {-1, -1, -1};
  char path[FD_PATH_MAX];
  for (int i = 0; i < all->count; i++) {
    int part = part_of(all->entry[i]->d_name);
    if (part < 0) continue;
    if (entry[part] >= 0)
      return fd_fail(FD_DATA, "%s: has '%s' and '%s' for the same rows; leave one there", all->path,
                     all->entry[entry[part]]->d_name, all->entry[i]->d_name);
    entry[part] = i;
  }
  if (entry[TRAIN] < 0 && entry[SELECT] < 0 && entry[TEST] < 0) return FD_OK;
  if (entry[TRAIN] < 0)
    return fd_fail(FD_MISSING, "%s: has '%s', but no train.csv or train.tsv", all->path,
                   all->entry[entry[entry[SELECT] < 0 ? TEST : SELECT]]->d_name);
  for (int i = 0; i < all->count; i++)
    if (part_of(all->entry[i]->d_name) < 0) FD_TRY(fd_listing_leave_out(all, i, "train.csv, dev.csv and test.csv"));
  for (int i = 0; i < PARTS; i++) {
    if (entry[i] < 0) continue;
    FD_TRY(fd_path(path, all->path, all->entry[entry[i]]->d_name, NULL));
    if (fd_fasta_ending(path)) FD_TRY(fd_labelled_fasta_read(path, tables[i]));
    else FD_TRY(fd_table_read_classes(path, &task->names, i == TRAIN, tables[i]));
  }
  return FD_OK;
}

fd_status fd_task_folder_read(const char *folder, const char *genome, int partial, fd_task_folder *task) {
  char path[FD_PATH_MAX];
  fd_listing all;
  memset(task, 0, sizeof *task);
  if (!fd_is_folder(folder)) return fd_fail(FD_MISSING, "%s: no such folder", folder);
  FD_TRY(fd_path(path, folder, "train", NULL));
  FD_TRY(fd_listing_open(&all, folder));
  fd_status status = fd_is_folder(path) ? read_classes(&all, genome, partial, task) : read_tables(&all, task);
  if (status == FD_OK && !task->train.rows) status = fd_unsplit_read(&all, task);
  fd_listing_close(&all);
  if (status != FD_OK) fd_task_folder_free(task);
  return status;
}

void fd_task_folder_free(fd_task_folder *task) {
  fd_table_free(&task->train);
  fd_table_free(&task->valid);
  fd_table_free(&task->test);
  fd_class_names_free(&task->names);
}
