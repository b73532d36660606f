/* The units of work of an evaluation: command lines of probe, knn and finetune, each run once and signed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/output.h"
#include "base/path.h"
#include "base/printable.h"
#include "commands/command.h"
#include "commands/evaluate_sign.h"

const fd_evaluation_method fd_evaluation_methods[FD_EVALUATION_METHODS] = {{"probe", 0, 0, FD_OF_EACH},
                                                                           {"kmer", 0, 0, FD_OF_NONE},
                                                                           {"finetune", 1, 0, FD_OF_EACH},
                                                                           {"untrained", 1, 0, FD_OF_EACH_SHAPE},
                                                                           {"knn", 0, 1, FD_OF_EACH}};

int fd_evaluation_has(const fd_evaluation *e, const fd_suite_task *t, const fd_evaluation_method *m,
                      const fd_evaluation_model *model) {
  fd_suite_way way = fd_suite_way_of(t);
  if (m->searches != (way == FD_SUITE_KNN) || (m->tunes && way == FD_SUITE_PROBE)) return 0;
  return m->models == FD_OF_EACH || (m->models == FD_OF_EACH_SHAPE && fd_evaluation_first(e, model)) || model == e->model;
}

/* An option in a task's rows: whether it has a value, of which kind, and whether it is of fine-tuning only. */
typedef struct rows_option {
  const char *name;
  int values, tunes;
  fd_unit_word kind;
} rows_option;

static const rows_option *find_option(const char *word) {
  static const rows_option options[] = {
      {"--task", 1, 0, FD_UNIT_FILES},           {"--train", 1, 0, FD_UNIT_FILES},   {"--test", 1, 0, FD_UNIT_FILES},
      {"--genome", 1, 0, FD_UNIT_FILES},         {"--valid", 1, 1, FD_UNIT_FILES},   {"--also", 1, 1, FD_UNIT_FILES},
      {"--teacher-logits", 1, 1, FD_UNIT_FILES}, {"--teacher", 1, 1, FD_UNIT_MODEL}, {"--first-layers", 1, 1, FD_UNIT_TEXT},
      {"--new-model", 0, 1, FD_UNIT_TEXT},       {"--label", 1, 0, FD_UNIT_TEXT},    {"--cut", 1, 0, FD_UNIT_TEXT},
      {"--limit", 1, 0, FD_UNIT_TEXT},           {"--kmer", 1, 0, FD_UNIT_TEXT}};
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (!strcmp(options[i].name, word)) return &options[i];
  return NULL;
}

static fd_status add_word(fd_unit_line *l, const char *text) { return fd_unit_line_add(l, FD_UNIT_TEXT, text); }

/* Expands {data} or ~ at the start of a word. *of_data: the word began with {data}. */
static fd_status expand(const fd_evaluation *e, const char *word, char text[FD_PATH_MAX], int *of_data) {
  *of_data = !strncmp(word, "{data}", 6);
  if (*word == '~') return fd_path_expand(text, word);
  if (snprintf(text, FD_PATH_MAX, "%s%s", *of_data ? e->data : "", word + (*of_data ? 6 : 0)) < FD_PATH_MAX) return FD_OK;
  return fd_fail(FD_USAGE, "%s: is too long a path", e->data);
}

/* What a command line is for: options of the other kinds are left out of it. */
typedef enum purpose { OF_TUNING, OF_PROBE, OF_BASELINE_OR_SEARCH } purpose;

/* Adds the expanded words of a task's rows. *there: whether all files of {data} exist; a missing file of --also is left out and
 * does not count. Settings (section.key=value) and options of fine-tuning are for fine-tuning only, --joined is for probes of
 * checkpoints only. */
static fd_status add_rows(const fd_evaluation *e, const fd_suite_task *t, purpose of, fd_unit_line *l, int *there) {
  char words[FD_PATH_MAX], *rest = words;
  const rows_option *before = NULL; /* the option whose value is next */
  snprintf(words, sizeof words, "%s", t->rows);
  int of_folder = 0, of_data, tunes = of == OF_TUNING;
  *there = 1;
  for (char *word; (word = strsep(&rest, " "));) {
    char text[FD_PATH_MAX];
    if (!*word) continue;
    const rows_option *option = before ? before : find_option(word);
    int is_value = before != NULL, is_setting = !is_value && strncmp(word, "--", 2) && strchr(word, '=');
    before = !is_value && option && option->values ? option : NULL;
    if (!tunes && (is_setting || (option && option->tunes))) continue;
    if (of != OF_PROBE && !strcmp(word, "--joined")) continue;
    of_folder |= !strcmp(word, "--task");
    FD_TRY(expand(e, word, text, &of_data));
    if (of_data && fd_is_absent(text) && is_value && !strcmp(option->name, "--also")) {
      free(l->word[--l->count]);
      continue;
    }
    FD_TRY(fd_unit_line_add(l, is_value ? option->kind : of_data ? FD_UNIT_FILES : FD_UNIT_TEXT, text));
    if (of_data) *there &= !fd_is_absent(text);
  }
  if (!e->genome || !of_folder) return FD_OK;
  FD_TRY(add_word(l, "--genome"));
  FD_TRY(fd_unit_line_add(l, FD_UNIT_FILES, e->genome));
  return e->partial ? add_word(l, "--partial") : FD_OK;
}

static int same_line(const fd_unit_line *a, const fd_unit_line *b) {
  int same = a->count == b->count;
  for (int i = 0; same && i < a->count; i++) same = !strcmp(a->word[i], b->word[i]);
  return same;
}

/* The first task of the suite with the same rows: it has the k-mer counts of this task, too. Tasks that differ only in their
 * fine-tuning are common, and counting takes minutes. */
static fd_status first_alike(const fd_evaluation *e, const fd_suite_task *t, const fd_suite_task **first) {
  fd_unit_line mine = {0};
  int there;
  fd_status status = add_rows(e, t, OF_BASELINE_OR_SEARCH, &mine, &there);
  for (*first = e->suite.task; status == FD_OK && *first < t; ++*first) {
    fd_unit_line other = {0};
    status = add_rows(e, *first, OF_BASELINE_OR_SEARCH, &other, &there);
    int same = same_line(&mine, &other) && fd_suite_way_of(*first) != FD_SUITE_KNN;
    fd_unit_line_free(&other);
    if (same) break;
  }
  fd_unit_line_free(&mine);
  return status;
}

fd_status fd_evaluation_place(const fd_evaluation *e, const fd_evaluation_unit *u, char folder[FD_PATH_MAX],
                              char file[FD_PATH_MAX]) {
  const fd_evaluation_method *m = u->method;
  const fd_suite_task *task = u->task;
  char name[300];
  if (m->models == FD_OF_NONE) FD_TRY(first_alike(e, u->task, &task));
  if (m->searches) snprintf(name, sizeof name, "%s-%s", task->name, m->name);
  else
    snprintf(name, sizeof name, m->tunes ? "%s-%s-%" PRId64 : "%s-%s-seeds-%" PRId64, task->name, m->name,
             m->tunes ? u->seed : e->seeds);
  if (*u->model->name && m->models != FD_OF_NONE) FD_TRY(fd_path(folder, e->output, u->model->name, name));
  else FD_TRY(fd_path(folder, e->output, name, NULL));
  return fd_path(file, folder, m->tunes ? "finetune.json" : m->searches ? "knn.json" : "probe.json", NULL);
}

static fd_status finetune_line(const fd_evaluation *e, const fd_evaluation_unit *u, const char *folder, fd_unit_line *l) {
  char text[2 * FD_PATH_MAX], config[FD_PATH_MAX];
  int there;
  FD_TRY(add_word(l, "finetune"));
  FD_TRY(fd_unit_line_add(l, FD_UNIT_MODEL, u->model->path));
  FD_TRY(add_rows(e, u->task, OF_TUNING, l, &there));
  FD_TRY(fd_path(config, e->suite.folder, u->task->config, NULL));
  FD_TRY(add_word(l, "--config"));
  FD_TRY(fd_unit_line_add(l, FD_UNIT_CONFIG, config));
  if (u->method->models == FD_OF_EACH_SHAPE) FD_TRY(add_word(l, "--init-untrained"));
  snprintf(text, sizeof text, "run.seed=%" PRId64, u->seed);
  FD_TRY(add_word(l, text));
  snprintf(text, sizeof text, "run.folder=%s", folder);
  FD_TRY(fd_unit_line_add(l, FD_UNIT_PLACE, text));
  for (int i = e->first_override; i < e->word_count; i++) FD_TRY(add_word(l, e->words[i]));
  return FD_OK;
}

static fd_status probe_line(const fd_evaluation *e, const fd_evaluation_unit *u, const char *file, fd_unit_line *l) {
  char seeds[32];
  int there, kmers = u->method->models == FD_OF_NONE;
  FD_TRY(add_word(l, "probe"));
  FD_TRY(kmers ? add_word(l, "--encoder") : fd_unit_line_add(l, FD_UNIT_MODEL, u->model->path));
  if (kmers) FD_TRY(add_word(l, "none"));
  FD_TRY(add_rows(e, u->task, kmers ? OF_BASELINE_OR_SEARCH : OF_PROBE, l, &there));
  FD_TRY(add_word(l, "--baseline"));
  FD_TRY(add_word(l, kmers ? "kmer" : fd_evaluation_first(e, u->model) ? "untrained" : "none"));
  snprintf(seeds, sizeof seeds, "%" PRId64, e->seeds);
  FD_TRY(add_word(l, "--seeds"));
  FD_TRY(add_word(l, seeds));
  FD_TRY(add_word(l, "--output"));
  return fd_unit_line_add(l, FD_UNIT_PLACE, file);
}

/* As for probes, k-mers are searched once, and the untrained network once for each shape. */
static fd_status knn_line(const fd_evaluation *e, const fd_evaluation_unit *u, const char *file, fd_unit_line *l) {
  int there, kmers = u->model == e->model, untrained = fd_evaluation_first(e, u->model);
  FD_TRY(add_word(l, "knn"));
  FD_TRY(fd_unit_line_add(l, FD_UNIT_MODEL, u->model->path));
  FD_TRY(add_rows(e, u->task, OF_BASELINE_OR_SEARCH, l, &there));
  FD_TRY(add_word(l, "--baseline"));
  FD_TRY(add_word(l, kmers       ? "kmer,untrained"
                     : untrained ? "untrained"
                                 : "none")); /* the first model is always the first of its shape */
  FD_TRY(add_word(l, "--output"));
  return fd_unit_line_add(l, FD_UNIT_PLACE, file);
}

static fd_status make_line(const fd_evaluation *e, const fd_evaluation_unit *u, const char *folder, const char *file,
                           fd_unit_line *l) {
  return u->method->tunes      ? finetune_line(e, u, folder, l)
         : u->method->searches ? knn_line(e, u, file, l)
                               : probe_line(e, u, file, l);
}

fd_status fd_evaluation_differs(fd_evaluation *e, const fd_evaluation_unit *u, char what[FD_EVALUATION_WHAT]) {
  char folder[FD_PATH_MAX], file[FD_PATH_MAX];
  fd_unit_line l = {0};
  FD_TRY(fd_evaluation_place(e, u, folder, file));
  fd_status status = make_line(e, u, folder, file, &l);
  if (status == FD_OK) status = fd_evaluation_compare(e, u, &l, folder, what);
  fd_unit_line_free(&l);
  return status;
}

static int config_word(const fd_unit_line *l) {
  for (int i = 0; i + 1 < l->count; i++)
    if (!strcmp(l->word[i], "--config")) return i + 1;
  return 0;
}

/* Prints a word as a shell reads it: in quotes, if it contains more than letters, digits and signs without a meaning. */
static void show_word(const char *word) {
  static const char *const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
  char quoted[4 * 2 * FD_PATH_MAX + 3], *to = quoted;
  if (*word && !word[strspn(word, plain)]) {
    fd_print(" %s", word);
    return;
  }
  *to++ = '\'';
  for (; *word && to < quoted + sizeof quoted - 6; word++)
    if (*word == '\'') to = stpcpy(to, "'\\''");
    else *to++ = *word;
  strcpy(to, "'");
  fd_print(" %s", quoted);
}

static void show_line(const fd_evaluation *e, const fd_unit_line *l) {
  printf("%3" PRId64 "  findna", e->unit);
  for (int i = 0; i < l->count; i++) show_word(l->word[i]);
  printf("\n");
}

/* Runs one unit, unless its results exist. */
static fd_status do_unit(fd_evaluation *e, const fd_evaluation_unit *u) {
  const fd_evaluation_method *m = u->method;
  char folder[FD_PATH_MAX], file[FD_PATH_MAX];
  fd_unit_line l = {0};
  int done = 0, named = *u->model->name && m->models != FD_OF_NONE;
  fd_status status = FD_OK;
  if (e->job && e->job != e->unit) return FD_OK;
  FD_TRY(fd_evaluation_place(e, u, folder, file));
  FD_TRY(fd_comm_stop_asked(e->comm)); /* between units; during a unit its command polls */
  FD_GO(make_line(e, u, folder, file, &l));
  if (e->comm->rank == 0 && m->tunes && !fd_exists(l.word[config_word(&l)]))
    FD_GO(fd_fail(FD_MISSING, "%s: no such settings (%s of the suite)", l.word[config_word(&l)], u->task->name));
  if (e->list) {
    if (e->comm->rank == 0) show_line(e, &l);
    goto done;
  }
  if (e->comm->rank == 0) FD_GO(fd_evaluation_sign(e, u, &l, folder, file));
  if (e->comm->rank == 0) done = fd_exists(file);
  FD_GO(e->comm->ops->broadcast(e->comm, &done, sizeof done, 0));
  if (done) goto done;
  if (m->searches && e->comm->size > 1) {
    static const char why[] = "a nearest-neighbour search takes one process";
    if (e->job) status = fd_fail(FD_USAGE, "%s: %s: start it without mpirun", u->task->name, why);
    else fd_warn("%s: %s: left out; the same command without mpirun does it", u->task->name, why);
    goto done;
  }
  fd_info("%s: %s%s%s", u->task->name, m->name, named ? " of " : "", named ? u->model->name : "");
  FD_GO(m->tunes      ? fd_command_finetune(e->comm, l.count, l.word)
        : m->searches ? fd_command_knn(e->comm, l.count, l.word)
                      : fd_command_probe(e->comm, l.count, l.word));
done:
  fd_unit_line_free(&l);
  return status;
}

/* Whether the data files of a task exist; the same answer on every rank. */
static fd_status look(fd_evaluation *e, const fd_suite_task *t, int *there) {
  fd_unit_line l = {0};
  fd_status status = add_rows(e, t, OF_TUNING, &l, there);
  fd_unit_line_free(&l);
  FD_TRY(status);
  FD_TRY(e->comm->ops->broadcast(e->comm, there, sizeof *there, 0));
  e->there += *there;
  if (!*there && !e->list && e->comm->rank == 0) fd_warn("%s: its rows are not in %s (%s): left out", t->name, e->data, t->rows);
  return FD_OK;
}

fd_status fd_evaluation_do_task(fd_evaluation *e, const fd_suite_task *t, int wanted) {
  int there = 0;
  if (wanted) FD_TRY(look(e, t, &there));
  wanted &= there | e->list;
  for (const fd_evaluation_method *m = fd_evaluation_methods; m < fd_evaluation_methods + FD_EVALUATION_METHODS; m++)
    for (const fd_evaluation_model *model = e->model; model < e->model + e->models; model++)
      for (int64_t seed = 0; seed < (m->tunes ? e->seeds : 1) && fd_evaluation_has(e, t, m, model); seed++) {
        e->unit++;
        if (wanted && (m->models == FD_OF_NONE || fd_evaluation_wants(&e->methods, m->name)))
          FD_TRY(do_unit(e, &(fd_evaluation_unit){t, m, model, seed}));
      }
  return FD_OK;
}
