/* Finds, reads and checks a suite of benchmark tasks. */
#include "tasks/suite.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "data/lines.h"
#include "data/listing.h"

enum { COLUMNS = 7, COLUMNS_MAX = 10, TEXT_MAX = 1 << 20, TASK_NAME_MAX = 128 };

/* Adds the suites of a folder that are not in `text` yet. */
static fd_status add_names(const char *folder, char text[FD_SUITE_NAMES]) {
  fd_listing files;
  FD_TRY(fd_listing_open(&files, folder));
  for (int i = 0; i < files.count; i++) {
    const char *file = files.entry[i]->d_name;
    size_t used = strlen(text), length = strlen(file);
    char name[300], known[FD_SUITE_NAMES + 2];
    if (length <= 4 || strcmp(file + length - 4, ".tsv")) continue;
    snprintf(name, sizeof name, ", %.*s,", (int)length - 4, file);
    snprintf(known, sizeof known, ", %s,", text);
    if (strstr(known, name) || used + length + 2 > FD_SUITE_NAMES) continue;
    name[strlen(name) - 1] = '\0';
    snprintf(text + used, FD_SUITE_NAMES - used, "%s", used ? name : name + 2);
  }
  fd_listing_close(&files);
  return FD_OK;
}

fd_status fd_suite_names(char text[FD_SUITE_NAMES]) {
  char folder[FD_PATH_MAX], path[FD_PATH_MAX];
  *text = '\0';
  for (int i = 0; fd_config_folder(i, folder); i++) {
    if (!*folder) continue;
    FD_TRY(fd_path(path, folder, "suites", NULL));
    if (fd_is_folder(path)) FD_TRY(add_names(path, text));
  }
  return FD_OK;
}

/* Finds the suite's file: a path, or the name of a suite in suites/ of a config folder. */
static fd_status find_suite(const char *name, char path[FD_PATH_MAX]) {
  char folder[FD_PATH_MAX], file[256], names[FD_SUITE_NAMES];
  if (strchr(name, '/') || strchr(name, '.')) return fd_path(path, name, NULL, NULL);
  snprintf(file, sizeof file, "suites/%.200s.tsv", name);
  for (int i = 0; fd_config_folder(i, folder); i++) {
    if (!*folder) continue;
    FD_TRY(fd_path(path, folder, file, NULL));
    if (!fd_is_absent(path)) return FD_OK;
  }
  FD_TRY(fd_suite_names(names));
  return fd_fail(FD_MISSING, "no suite '%s': expected a .tsv file by its path%s%s", name, *names ? ", or one of " : "", names);
}

fd_suite_way fd_suite_way_of(const fd_suite_task *t) {
  return !strcmp(t->config, "knn") ? FD_SUITE_KNN : !strcmp(t->config, "probe") ? FD_SUITE_PROBE : FD_SUITE_ALL;
}

/* Parses "TRAIN TEST", two integers. */
static int read_counts(const char *text, int *train, int *test) {
  char *end;
  if (text[strspn(text, "0123456789 ")]) return 0;
  long a = strtol(text, &end, 10), b = *end == ' ' ? strtol(end, &end, 10) : -1;
  *train = (int)a, *test = (int)b;
  return !*end && a >= 0 && a <= INT_MAX && b >= 0 && b <= INT_MAX;
}

/* Checks that the name is unique and plain, and that the measure is one of both probing and fine-tuning. */
static fd_status check_task(const fd_suite *s, const char *path, int number, const fd_suite_task *t) {
  const char *rows = t->rows, *measure = t->measure;
  static const char *const known[] = {"accuracy", "f1", "mcc", "auroc", "auprc"};
  enum { OF_A_SEARCH = 3 /* of these */ };
  for (int i = 0; i < s->count - 1; i++)
    if (!strcmp(s->task[i].name, t->name))
      return fd_fail(FD_DATA, "%s:%d: the task '%.60s' is there twice", path, number, t->name);
  if (!*t->name || *t->name == '.' || strchr(t->name, '/') || strlen(t->name) > TASK_NAME_MAX)
    return fd_fail(FD_DATA, "%s:%d: task '%.60s': its results go to a folder of this name: expected a plain name", path, number,
                   t->name);
  if (strncmp(rows, "--", 2))
    return fd_fail(FD_DATA, "%s:%d: rows '%.40s': expected --task {data}/NAME, or --train and --test; comment lines begin with #",
                   path, number, rows);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(measure, known[i])) continue;
    if (fd_suite_way_of(t) != FD_SUITE_KNN || i < OF_A_SEARCH) return FD_OK;
    return fd_fail(FD_DATA, "%s:%d: measure '%s': a nearest-neighbour search has accuracy, f1 and mcc", path, number, measure);
  }
  return fd_fail(FD_DATA, "%s:%d: measure '%s': expected accuracy, f1, mcc, auroc or auprc", path, number, measure);
}

/* Checks that the task to compare with precedes this one. */
static fd_status check_versus(const fd_suite *s, const char *path, int number, const fd_suite_task *t) {
  int found = !*t->versus;
  for (int i = 0; i < s->count - 1; i++) found |= !strcmp(s->task[i].name, t->versus);
  return found ? FD_OK
               : fd_fail(FD_DATA, "%s:%d: compared with '%.60s': no task before it has this name", path, number, t->versus);
}

static fd_status parse(fd_suite *s, const char *path, size_t bytes) {
  fd_lines lines;
  FD_TRY(fd_lines_of(&lines, path, s->text, bytes));
  for (char *line; (line = fd_lines_next(&lines, NULL));) {
    const char *field[COLUMNS_MAX] = {[COLUMNS] = "", [COLUMNS + 1] = "", [COLUMNS + 2] = ""};
    int fields = 0, number = (int)lines.number;
    if (*line == '#') continue;
    for (char *word; (word = fd_next_field(&line, '\t'));)
      if (fields++ < COLUMNS_MAX) field[fields - 1] = word;
    if (fields < COLUMNS || fields > COLUMNS_MAX)
      return fd_fail(FD_DATA,
                     "%s:%d: %d columns; expected task, rows, config, measure, paper's probe, paper's fine-tuning, note and, if "
                     "any, the paper's rows, its numbers of others, and a task to compare with",
                     path, number, fields);
    if (s->count == FD_SUITE_TASKS) return fd_fail(FD_DATA, "%s:%d: more than %d tasks", path, number, FD_SUITE_TASKS);
    fd_suite_task *t = &s->task[s->count++];
    *t = (fd_suite_task){field[0], field[1], field[2], field[3], field[4], field[5], field[6], 0, 0, field[8], field[9]};
    FD_TRY(check_task(s, path, number, t));
    FD_TRY(check_versus(s, path, number, t));
    if (*field[7] && !read_counts(field[7], &t->paper_train, &t->paper_test))
      return fd_fail(FD_DATA, "%s:%d: the paper's rows '%s': expected two whole numbers, of training and of test rows", path,
                     number, field[7]);
  }
  return s->count ? FD_OK : fd_fail(FD_DATA, "%s: has no tasks", path);
}

fd_status fd_suite_read(fd_suite *s, const char *name, fd_comm *comm) {
  char path[FD_PATH_MAX] = "";
  size_t bytes = 0;
  if (comm->rank == 0) {
    FD_TRY(find_suite(name, path));
    FD_TRY(fd_read_file(path, TEXT_MAX, &s->text, &bytes));
    if (strlen(s->text) != bytes) return fd_fail(FD_DATA, "%s: contains a NUL byte: this is not a text file", path);
  }
  FD_TRY(fd_comm_share_text(comm, &s->text, &bytes));
  FD_TRY(comm->ops->broadcast(comm, path, sizeof path, 0));
  FD_TRY(fd_path(s->folder, path, NULL, NULL));
  char *slash = strrchr(s->folder, '/');
  snprintf(slash ? slash : s->folder, 2, "%s", slash ? "" : ".");
  return parse(s, path, bytes);
}

void fd_suite_free(fd_suite *s) {
  free(s->text);
  s->text = NULL;
  s->count = 0;
}
