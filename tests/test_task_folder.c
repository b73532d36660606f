/* Folders of benchmark tasks in every published layout: the rows that they give, with their classes and parts, and those that are
 * refused, with the file and its line. */
#include "files.h"
#include "said.h"

#include <sys/stat.h>

#include "data/listing.h"
#include "data/task_folder.h"
#include "data/unsplit.h"

enum { FILES = 8 };

/* A folder, what is read from it, and the message if it is refused. */
typedef struct task {
  struct {
    const char *name, *text; /* text NULL: a folder */
  } file[FILES];
  const char *rows; /* NULL: refused */
  const char *says;
} task;

/* Without the durability of put(): there are thousands. */
static void put_file(const char *name, const char *text) {
  char path[FD_PATH_MAX];
  snprintf(path, sizeof path, "%s", below("task", name));
  for (char *at = path + strlen(below("task", NULL)) + 1; (at = strchr(at, '/')); *at++ = '/') {
    *at = '\0';
    mkdir(path, 0700);
  }
  FILE *out = text ? fopen(path, "w") : NULL;
  if (out) assert_true(fputs(text, out) >= 0 && !fclose(out));
  else assert_int_equal(text ? -1 : mkdir(path, 0700), 0);
}

static void new_task(void) {
  if (fd_is_folder(below("task", NULL))) assert_ok(fd_remove_folder(below("task", NULL)));
  assert_ok(fd_make_folder(below("task", NULL)));
  *said = '\0';
}

static void print_rows(FILE *out, const char *name, const fd_table *t, const fd_class_names *names) {
  if (t->rows) fprintf(out, "%s of %d:", name, t->classes);
  for (int r = 0; r < t->rows; r++) {
    if (names->count) fprintf(out, " %s ", names->name[t->label[r]]);
    else fprintf(out, " %d ", t->label[r]);
    for (int64_t i = t->start[r]; i < t->start[r + 1]; i++) fputc("ACGTN"[t->symbols[i]], out);
  }
  if (t->rows) fputs("; ", out);
}

/* Reads the folder, and checks the rows or the message. */
static void check_task(const task *c, const char *genome, int partial) {
  fd_task_folder read;
  char *text;
  size_t bytes;
  new_task();
  for (int i = 0; i < FILES && c->file[i].name; i++) put_file(c->file[i].name, c->file[i].text);
  FILE *out = open_memstream(&text, &bytes);
  fd_status status = fd_task_folder_read(below("task", NULL), genome, partial, &read);
  if (status == FD_OK) {
    print_rows(out, "train", &read.train, &read.names);
    print_rows(out, "valid", &read.valid, &read.names);
    print_rows(out, "test", &read.test, &read.names);
    if (read.left_out) fprintf(out, "%d left out", (int)read.left_out);
    fd_task_folder_free(&read);
  }
  fclose(out);
  if (c->rows ? strcmp(text, c->rows) : status == FD_OK || !strstr(said, c->says))
    fail_msg("%s ...: '%s', status %d, '%s'; expected %s", c->file[0].name, text, (int)status, said, c->rows ? c->rows : c->says);
  free(text);
}

#define CHECK_TASKS(cases, genome, partial) \
  for (size_t at_ = 0; at_ < sizeof cases / sizeof *cases; at_++) check_task(&cases[at_], genome, partial)

static void tables(void **state) {
  (void)state;
  static const task cases[] = {
      {{{"train.csv", "sequence,label\nACG,2\nA,0\nCC,1\n"}}, "train of 3: 2 ACG 0 A 1 CC; ", 0},
      {{{"Test.tsv", "label\tsequence\n0\tTT\n"}, {"train.csv", "sequence,label\nA,0\nC,1\n"}, {"notes.txt", "x"}},
       "train of 2: 0 A 1 C; test of 1: 0 TT; ",
       0},
      {{{"train.csv", "sequence,label\nA,worm\nC,fly\n"}, /* the names are those of the training rows */
        {"val.csv", "sequence,label\nAA,worm\nCC,worm\n"},
        {"test.csv", "sequence,label\nT,worm\n"}},
       "train of 2: worm A fly C; valid of 2: worm AA worm CC; test of 2: worm T; ",
       0},
      {{{"train.csv", "sequence,label\nA,worm\nC,fly\n"}, {"dev.csv", "sequence,label\nAA,ape\n"}}, NULL, "label 'ape' is none"},
      {{{"train.csv", "sequence,label\nA,worm\nC,fly\n"}, {"test.csv", "sequence,label\nAA,ape\n"}}, NULL, "label 'ape' is none"},
      {{{"training.csv", "sequence,label\nA,0\nC,1\n"}, {"test.csv", "sequence,label\nA,0\nC,1\n"}},
       NULL,
       "task: has 'test.csv', but no train.csv"},
      {{{"dev.csv", "sequence,label\nA,0\n"}, {"test.csv", "sequence,label\nA,0\n"}},
       NULL,
       "task: has 'dev.csv', but no train.csv"},
      {{{"train.csv", "sequence,label\nA,0\nC,1\n"}, {"va.csv", "sequence,label\nA,0\n"}},
       NULL,
       "task/va.csv: would be left out; expected train.csv"},
      {{{"train.csv", "sequence,label\nA,NA\nC,b\n"}}, NULL, "train.csv:2: the label 'NA'"}, /* no class of missing labels */
      {{{"train.csv", "sequence,label\nA,b\nC,null\n"}}, NULL, "train.csv:3: the label 'null'"},
  };
  CHECK_TASKS(cases, NULL, 0);
  assert_int_equal(fd_task_folder_read(below("nowhere", NULL), NULL, 0, &(fd_task_folder){0}), FD_MISSING);
  assert_non_null(strstr(said, "nowhere: no such folder"));
}

/* Every kind of file that may hold rows is refused where it is not used, as none of its rows would be. */
static void unused_files(void **state) {
  (void)state;
  static const char *const refused[] = {"more.csv",   "more.tsv.gz", "more.fa",   "more.fasta",   "more.fna",
                                        "more.fas",   "more.fsa",    "more.ffn",  "more.frn",     "more.mfa",
                                        "more.fq.gz", "more.fastq",  "more.2bit", "more.bed",     "more.seq",
                                        "more.bz2",   "more.zst",    "more.zip",  "more.7z",      "more.tar",
                                        "more.tgz",   "more.xlsx",   "more.xls",  "more.parquet", "folder/x"},
                           *const passed_over[] = {"README.md", "more.txt", "train.csv.md5", ".more.csv"};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    const task with = {{{"train.csv", "sequence,label\nA,0\nC,1\n"}, {refused[i], "x"}}, NULL, ": would be left out"};
    check_task(&with, NULL, 0);
  }
  for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++) {
    const task with = {{{"train.csv", "sequence,label\nA,0\nC,1\n"}, {passed_over[i], "x"}}, "train of 2: 0 A 1 C; ", 0};
    check_task(&with, NULL, 0);
    assert_int_equal(strstr(said, "is passed over") != NULL, *passed_over[i] != '.');
  }
}

/* The class of a record is the number at the end of its name. */
static void records_with_classes(void **state) {
  (void)state;
  static const task cases[] = {
      {{{"train.fna", ">chr1:2-3|enhancer|1\nAC\nG\n>b|0\nT\n>|2\nNN\n"}, {"test.fa", ">x|00\nA\n"}},
       "train of 3: 1 ACG 0 T 2 NN; test of 1: 0 A; ",
       0},
      {{{"train.fna", ">a|65535\nA\n"}}, "train of 65536: 65535 A; ", 0},
      {{{"train.fna", ">a|65536\nA\n"}},
       NULL,
       "train.fna: record 'a|65536': expected a name that ends with its class, |0 to |65535"},
      {{{"train.fna", ">a|-1\nA\n"}}, NULL, "record 'a|-1': expected a name that ends with its class"},
      {{{"train.fna", ">a|1|\nA\n"}}, NULL, "record 'a|1|': expected a name that ends with its class"},
      {{{"train.fna", ">a1\nA\n"}}, NULL, "record 'a1': expected a name that ends with its class"},
      {{{"train.fna", ">a|0\nA\n>b|1\n"}}, NULL, "train.fna: record 'b|1': has no sequence"},
  };
  CHECK_TASKS(cases, NULL, 0);
}

static void files_of_sequences(void **state) {
  (void)state;
  static const task cases[] = {
      {{{"test/c/1.txt", "TTT"}, /* rows are read in the alphabetical order of classes and files */
        {"train/c/9.txt", "CC \t\n"},
        {"train/a/10.txt", "A\n"},
        {"train/b/y.txt", "acgun"},
        {"train/a/B.txt", "AAA"},
        {"train/a/9.txt", "\nAA\r\n"},
        {"train/b/x.txt", "GT"}},
       "train of 3: a A a AA a AAA b GT b ACGTN c CC; test of 3: c TTT; ",
       0},
      {{{"train/a/1.txt", "A\n"}, {"train/b/1.txt", "AC!T\n"}}, NULL, "train/b/1.txt: letter 3 is no nucleotide"},
      {{{"train/a/1.txt", "A\n"}, {"train/b/1.txt", "ACGT\n\nAC\n"}}, NULL, "train/b/1.txt:3: a second line"},
      {{{"train/a/1.txt", "A\n"}, {"train/b/1.txt", "\n"}}, NULL, "train/b/1.txt: the sequence is empty"},
      {{{"train/a/1.txt", "A\n"}, {"train/b", NULL}}, NULL, "train/b: is empty; expected a file for each sequence"},
      {{{"train/a/1.txt", "A\n"}, {"train/b/1.txt", "A"}, {"test/a", NULL}}, NULL, "test/a: is empty; expected a file"},
      {{{"train/a/1.txt", "A\n"}, {"test", NULL}}, NULL, "task/test: has no rows"},
      {{{"train", NULL}, {"test/a/1.txt", "A"}}, NULL, "task/train: has no rows"},
      {{{"train/a/1.txt", "A\n"}, {"train/b.fa", ">b\nA\n"}, {"test/a/1.txt", "A"}}, NULL, "train/b.fa: would be left out"},
      {{{"train/a/1.txt", "A\n"}, {"test/a/1.txt", "A"}, {"test/b/1.txt", "A"}}, NULL, "the class 'b' is not in"},
  };
  CHECK_TASKS(cases, NULL, 0);
}

#define HEADER "id,region,start,end,strand\n"

static void intervals(void **state) {
  (void)state;
  static const task cases[] = {
      {{{"train/a.csv", HEADER "0,chr1,0,4,+\n1,chr1,0,4,-\n2,2,0,1,.\n"},
        {"train/b.csv", HEADER "0,chr2,7,8,+\n"},
        {"test/b.csv", HEADER "0,chr1,4,8,+\n"}},
       "train of 2: a AACG a CGTT a G b T; test of 2: b TTGC; ",
       0},
      {{{"train/a/1.txt", "A"},
        {"train/a/2.txt", "C"},
        {"train/b.csv", HEADER "0,chr1,0,4,+\n1,chr1,4,8,+\n"},
        {"test/a/1.txt", "GG"}}, /* both kinds */
       "train of 2: a A a C b AACG b TTGC; test of 1: a GG; ",
       0},
      {{{"train/a.csv", "region,id,start,end,strand\nchr1,0,0,4,+\n"}},
       NULL,
       "train/a.csv:1: expected the header 'id,region,start,end,strand'"},
      {{{"train/a.csv", ""}}, NULL, "train/a.csv"},
      {{{"train/a.csv", HEADER}}, NULL, "train/a.csv: has no row"},
      {{{"train/a.csv", HEADER "0,chr1,0,4,+\n"}, {"test/a.csv", HEADER}}, NULL, "task/test: has no rows"},
      {{{"train/a.csv", HEADER "0,chr1,0,4,+\n0,chr3,0,4,+\n"}}, NULL, "train/a.csv:3: "},
      {{{"train/a.csv", HEADER "0,chr1,0,9,+\n"}}, NULL, "train/a.csv:2: "}, /* the contig ends at 8 */
      {{{"train/a.csv", HEADER "0,chr1,0,4,+\n"}, {"train/a/1.txt", "A"}}, NULL, "the class 'a' is there twice"},
  };
  static const char *const bad[] = {"0,chr1,4,4,+",  "0,chr1,4,3,+", "0,chr1,-1,3,+", "0,chr1,0,4",   "0,chr1,0,4,+,x",
                                    "0,chr1,0,4,+-", "0,chr1,0,4,x", "0,chr1,0,4,",   "0,chr1,x,4,+", "0,chr1,0,4.0,+"};
  char genome[FD_PATH_MAX];
  assert_ok(fd_path(genome, folder, "genome.fa", NULL));
  put(genome, ">chr1\nAACGTTGC\n>chr2\nGGGGGGGT\n");
  CHECK_TASKS(cases, genome, 0);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[128];
    snprintf(text, sizeof text, HEADER "0,chr1,0,4,+\n%s\n", bad[i]);
    const task with = {{{"train/a.csv", text}}, NULL, "train/a.csv:3: expected id,region,start,end,strand"};
    check_task(&with, genome, 0);
  }
  check_task(&(task){{{"train/a.csv", HEADER "0,chr1,0,4,+\n"}}, NULL, "train/a.csv: is a list of intervals; give the genome"},
             NULL, 0);
}

/* With `partial`, rows on contigs that the genome lacks are left out and counted, but no class may lose all of its training rows,
 * and rows beyond the end of a contig remain an error: those are of another assembly. */
static void part_of_a_genome(void **state) {
  (void)state;
  static const task cases[] = {
      {{{"train/a.csv", HEADER "0,chr9,0,4,+\n1,chr1,0,4,-\n2,chr9,1,2,+\n"},
        {"train/b.1.csv", HEADER "0,chr1,7,8,+\n"},
        {"test/a.csv", HEADER "0,chr9,4,8,+\n"},
        {"test/b.1.csv", HEADER "0,chr1,4,8,+\n"}},
       "train of 2: a CGTT b.1 C; test of 2: b.1 TTGC; 3 left out",
       0},
      {{{"train/a.csv", HEADER "0,chr9,0,4,+\n"}, {"test/a.csv", HEADER "0,chr1,4,8,+\n"}},
       NULL,
       "train/a.csv: has no row on the genome given"},
      {{{"train/a.csv", HEADER "0,chr1,0,4,+\n"}, {"test/a.csv", HEADER "0,chr9,4,8,+\n"}}, NULL, "task/test: has no rows"},
      {{{"train/a.csv", HEADER "0,chr1,0,9,+\n"}}, NULL, "train/a.csv:2: "},
  };
  char genome[FD_PATH_MAX];
  assert_ok(fd_path(genome, folder, "genome.fa", NULL));
  put(genome, ">chr1\nAACGTTGC\n");
  CHECK_TASKS(cases, genome, 1);
}

/* The most classes that a task has are read, and one more is refused. */
static void number_of_classes(void **state) {
  (void)state;
  char name[32], genome[FD_PATH_MAX];
  assert_ok(fd_path(genome, folder, "genome.fa", NULL));
  put(genome, ">chr1\nAACGTTGC\n");
  for (int unsplit = 0; unsplit < 2; unsplit++) {
    fd_task_folder read;
    new_task();
    for (int i = 0; i <= FD_TASK_CLASSES_MAX; i++) {
      snprintf(name, sizeof name, unsplit ? "c%04d.fa" : "train/c%04d.csv", i);
      put_file(name, unsplit ? ">x\nAC\n" : HEADER "0,chr1,0,4,+\n");
    }
    if (!unsplit) put_file("test/c0000.csv", HEADER "0,chr1,0,4,+\n");
    assert_int_equal(fd_task_folder_read(below("task", NULL), genome, 0, &read), FD_DATA);
    assert_non_null(strstr(said, "more than 1024 classes"));
    if (unsplit) continue;
    unlink(below("task", name));
    assert_ok(fd_task_folder_read(below("task", NULL), genome, 0, &read));
    assert_int_equal(read.train.classes, FD_TASK_CLASSES_MAX);
    fd_task_folder_free(&read);
  }
}

/* --- without a split --------------------------------------------------------------------------------------------------- */

enum { ROWS = 90, LETTERS = 6 };

/* Sequence i, whose first letter is its class. */
static void sequence_of(int i, char text[LETTERS + 1]) {
  text[0] = "ACG"[i % 3];
  for (int k = 1; k < LETTERS; k++, i /= 4) text[k] = "ACGT"[i / 3 % 4];
  text[LETTERS] = '\0';
}

/* Checks that each row is there once, in its part, with its class. */
static void check_parts(const char *const classes[3]) {
  fd_task_folder read;
  int rows = 0;
  if (fd_task_folder_read(below("task", NULL), NULL, 0, &read) != FD_OK) fail_msg("%s", said);
  const fd_table *part[FD_SPLITS] = {[FD_TRAIN] = &read.train, [FD_VAL] = &read.valid, [FD_TEST] = &read.test};
  for (int p = 0; p < FD_SPLITS; p++)
    for (int r = 0; r < part[p]->rows; r++, rows++) {
      const uint8_t *symbols = part[p]->symbols + part[p]->start[r];
      int found;
      assert_int_equal(part[p]->start[r + 1] - part[p]->start[r], LETTERS);
      assert_ok(fd_split_part(symbols, LETTERS, &found));
      assert_int_equal(found, p);
      assert_string_equal(read.names.name[part[p]->label[r]], classes[symbols[0]]);
      assert_int_equal(part[p]->classes, 3);
    }
  assert_int_equal(rows, ROWS);
  fd_task_folder_free(&read);
}

static void folders_without_a_split(void **state) {
  (void)state;
  static const char *const of_files[] = {"w.x", "fly", "yeast"}, *const of_table[] = {"worm", "fly", "yeast"};
  static const char *const files[3][2] = {{"w.x.fna", "w.x.fna"}, {"fly/1.fa", "fly/2.fasta"}, {"yeast.fasta", "yeast.fasta"}};
  char *text[3][2], *table, sequence[LETTERS + 1];
  size_t bytes;
  new_task();
  FILE *out[3][2], *of = open_memstream(&table, &bytes);
  for (int c = 0; c < 3; c++)
    for (int k = 0; k < 2; k++) {
      out[c][k] = open_memstream(&text[c][k], &bytes);
      fputs(">empty\n", out[c][k]); /* left out, with a warning */
    }
  fputs("sequence,label\n", of);
  for (int i = 0; i < ROWS; i++) {
    int c = i % 3, k = c == 1 && i > ROWS / 2;
    sequence_of(i, sequence);
    fprintf(out[c][k], ">s%d\n%s\n", i, sequence);
    fprintf(of, "%s,%s\n", sequence, of_table[c]);
  }
  fclose(of);
  for (int c = 0; c < 3; c++)
    for (int k = 0; k < 2; k++) {
      fclose(out[c][k]);
      if (!k || c == 1) put_file(files[c][k], text[c][k]);
      free(text[c][k]);
    }
  put_file("README.md", ""); /* first in the folder, but no class */
  check_parts(of_files);
  new_task();
  put_file("all.csv", table);
  put_file("README.md", "");
  check_parts(of_table);
  free(table);
}

static void bad_folders_without_a_split(void **state) {
  (void)state;
  static const task cases[] = {
      {{{"a.csv", "sequence,label\nA,0\n"}, {"b.tsv", "sequence\tlabel\nA\t0\n"}}, NULL, "nor one table"},
      {{{"a.csv", "sequence,label\nA,0\n"}, {"b.bed", ""}}, NULL, "task/b.bed: would be left out; expected one table"},
      {{{"a.fa", ">x\nA\n"}, {"b.csv", "sequence,label\nA,0\n"}}, NULL, "task/b.csv: would be left out; expected a FASTA file"},
      {{{"a.fa", ">x\nA\n"}, {"a/1.fa", ">x\nC\n"}}, NULL, "task: a class is there twice"},
      {{{"a.fa", ">x\nA\n"}, {"a.fasta", ">x\nC\n"}}, NULL, "task: a class is there twice"},
      {{{"a.fa", ">x\nA\n"}, {"b/notes.txt", ""}}, NULL, "task/b: has no FASTA file"},
      {{{"a.fa", ">x\nA\n"}, {"b/1.fa", ">x\nA\n"}, {"b/x.csv", ""}},
       NULL,
       "task/b/x.csv: would be left out; expected FASTA files"},
      {{{"a.fa", ">x\nGT\n"}, {"b.fa", ">x\nACGT\n"}},
       NULL,
       "task: 2 sequences are too few: its split into ten parts leaves none to select"},
      {{{"a.fa", ">x\nCT\n"}, {"b.fa", ">x\nACGT\n"}},
       NULL,
       "task: 2 sequences are too few: its split into ten parts leaves none to test"},
      {{{"a.fa", ">x\nCT\n"}, {"b.fa", ">x\nGT\n"}},
       NULL,
       "task: 2 sequences are too few: its split into ten parts leaves none to train"},
      {{{"notes.txt", "x"}}, NULL, "task: has neither train.csv"},
  };
  CHECK_TASKS(cases, NULL, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables),
      cmocka_unit_test(unused_files),
      cmocka_unit_test(records_with_classes),
      cmocka_unit_test(files_of_sequences),
      cmocka_unit_test(intervals),
      cmocka_unit_test(part_of_a_genome),
      cmocka_unit_test(number_of_classes),
      cmocka_unit_test(folders_without_a_split),
      cmocka_unit_test(bad_folders_without_a_split),
  };
  fd_log_to(keep);
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
