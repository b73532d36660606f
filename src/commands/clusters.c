/* findna clusters TABLE: measures the agreement of a column of clusters with a column of classes. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/args.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/printable.h"
#include "base/version.h"
#include "commands/command.h"
#include "data/fields.h"
#include "data/taxa.h"
#include "output/json_file.h"
#include "tasks/ami.h"

static const size_t table_max = (size_t)8 << 30;

typedef struct options {
  const char *table, *column[2], *output;
} options;

/* Both columns of all rows; their distinct texts are numbered in sorted order. */
typedef struct assignments {
  fd_lines lines;
  fd_fields fields;
  int count;
  int64_t empty; /* rows with an empty cell in either column, left out */
  const char **text[2];
  int *number[2], names[2];
  size_t room[2];
  double ami;
} assignments;

static fd_status read_options(int argc, char **argv, options *o, int *helped) {
  const fd_arg table[] = {
      {"label", FD_ARG_TEXT, &o->column[0], 0, 0, "COLUMN", "the column of the classes, such as dna_bin"},
      {"cluster", FD_ARG_TEXT, &o->column[1], 0, 0, "COLUMN", "the column of the clusters"},
      {"output", FD_ARG_TEXT, &o->output, 0, 0, "FILE", "also write the numbers as JSON"},
      {0},
  };
  const fd_args args = {
      "clusters", "TABLE [options]",
      "Measures how well the clusters in a table agree with its classes. The score is the adjusted mutual information\n"
      "(arithmetic mean) of two columns of a CSV or TSV table: 1 if the clusters equal the classes, about 0 if they agree\n"
      "by chance only. Rows without a value in either column (an empty cell, NA, NULL, nan, None) are left out and counted.",
      table};
  int count;
  FD_TRY(fd_args_parse(&args, argc, argv, &o->table, 1, &count, helped));
  if (*helped || count == 1) return FD_OK;
  return fd_fail(FD_USAGE, "findna clusters: give a TABLE; see findna clusters --help");
}

static fd_status read_rows(const options *o, assignments *a) {
  size_t length;
  int column[2];
  FD_TRY(fd_lines_open(&a->lines, o->table, table_max));
  char *line = fd_lines_next(&a->lines, &length);
  if (!line) return fd_fail(FD_DATA, "%s: is empty; expected a header with the names of columns, and rows", o->table);
  FD_TRY(fd_fields_begin(&a->fields, &a->lines, line, length));
  for (int c = 0; c < 2; c++) {
    const char *const names[] = {o->column[c], NULL};
    FD_TRY(fd_fields_column(&a->fields, names, &column[c]));
    if (column[c] < 0) return fd_fail(FD_DATA, "%s: no column '%s' in the header", o->table, o->column[c]);
  }
  while ((line = fd_lines_next(&a->lines, &length))) {
    FD_TRY(fd_fields_cut(&a->fields, line, length));
    const char *said[2] = {fd_field_trimmed(a->fields.item[column[0]]).text, fd_field_trimmed(a->fields.item[column[1]]).text};
    if (fd_taxa_is_missing(said[0]) || fd_taxa_is_missing(said[1])) {
      a->empty++;
      continue;
    }
    for (int c = 0; c < 2; c++) {
      FD_TRY(fd_grow(&a->text[c], &a->room[c], (size_t)a->count + 1, sizeof *a->text[c], "rows of a table"));
      a->text[c][a->count] = said[c];
    }
    if (++a->count == INT32_MAX) return fd_fail(FD_DATA, "%s: more rows than can be counted", o->table);
  }
  return a->count ? FD_OK : fd_fail(FD_DATA, "%s: no row has both '%s' and '%s'", o->table, o->column[0], o->column[1]);
}

typedef struct named {
  const char *text;
  int row;
} named;

static int by_text(const void *a, const void *b) { return strcmp(((const named *)a)->text, ((const named *)b)->text); }

static fd_status number_texts(assignments *a, int c) {
  named *all;
  FD_TRY(fd_alloc(&a->number[c], (size_t)a->count, sizeof *a->number[c], "rows of a table"));
  FD_TRY(fd_alloc(&all, (size_t)a->count, sizeof *all, "rows of a table"));
  for (int i = 0; i < a->count; i++) all[i] = (named){a->text[c][i], i};
  qsort(all, (size_t)a->count, sizeof *all, by_text);
  for (int i = 0; i < a->count; i++) {
    a->names[c] += !i || by_text(&all[i - 1], &all[i]);
    a->number[c][all[i].row] = a->names[c] - 1;
  }
  free(all);
  return FD_OK;
}

static fd_status write_json(const options *o, const assignments *a) {
  json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:i, s:i, s:f}", "version", fd_version(), "table", o->table, "label",
                           o->column[0], "cluster", o->column[1], "rows", a->count, "rows_left_out", (json_int_t)a->empty,
                           "classes", a->names[0], "clusters", a->names[1], "ami", a->ami);
  fd_status status = fd_json_write(o->output, root);
  json_decref(root);
  return status;
}

static fd_status compare(const options *o, assignments *a) {
  FD_TRY(fd_check_output_place(o->output));
  FD_TRY(fd_check_output(o->output, o->table));
  FD_TRY(read_rows(o, a));
  for (int c = 0; c < 2; c++) FD_TRY(number_texts(a, c));
  FD_TRY(fd_ami(a->count, a->number[0], a->number[1], &a->ami));
  fd_print("table     %s (%d rows)\n", o->table, a->count);
  if (a->empty) printf("left out  %" PRId64 " rows with an empty cell in either column\n", a->empty);
  fd_print("classes   %d of '%s'\n", a->names[0], o->column[0]);
  fd_print("clusters  %d of '%s'\n", a->names[1], o->column[1]);
  printf("AMI       %.4f\n", a->ami);
  return o->output ? write_json(o, a) : FD_OK;
}

fd_status fd_command_clusters(fd_comm *comm, int argc, char **argv) {
  options o = {.column = {"label", "cluster"}};
  assignments a = {0};
  int helped;
  (void)comm;
  FD_TRY(read_options(argc, argv, &o, &helped));
  if (helped) return FD_OK;
  fd_status status = compare(&o, &a);
  fd_fields_end(&a.fields);
  fd_lines_close(&a.lines);
  for (int c = 0; c < 2; c++) free(a.text[c]), free(a.number[c]);
  return status;
}
