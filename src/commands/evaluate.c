/* findna evaluate SUITE CHECKPOINT: probes and fine-tunes on a list of benchmark tasks, and puts the numbers side by side. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/args.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/suite_results.h"
#include "config/config.h"
#include "tasks/pretrained.h"

enum { TASKS_MAX = 256, COLUMNS = 8, WORDS_MAX = 64, TEXT_MAX = 1 << 20 };

typedef struct options {
  const char *words[FD_LIST_MAX]; /* suite, checkpoint, then section.key=value for every fine-tuning */
  int word_count;
  const char *data, *output, *genome;
  int partial;
  fd_list tasks, methods;
  int64_t seeds, job;
  int list;
} options;

typedef struct evaluation {
  const options *o;
  fd_comm *comm;
  char *text; /* of the suite */
  fd_suite_task task[TASKS_MAX];
  int tasks;
  char folder[FD_PATH_MAX];     /* of the suite's file */
  char state_id[FD_SHA256_HEX]; /* of the checkpoint */
  fd_suite_results results;
  int there;    /* tasks whose rows are here */
  int64_t unit; /* number of the current piece of work, from 1 */
} evaluation;

/* --- the suite ------------------------------------------------------------------------------------------------------- */

/* The suite's file: a path, or the name of one in the suites/ of a folder of configs. */
static fd_status find_suite(const char *name, char path[FD_PATH_MAX]) {
  char folder[FD_PATH_MAX], file[256];
  if (strchr(name, '/') || strchr(name, '.')) return fd_path(path, name, NULL, NULL);
  snprintf(file, sizeof file, "suites/%.200s.tsv", name);
  for (int i = 0; fd_config_folder(i, folder); i++) {
    if (!*folder) continue;
    FD_TRY(fd_path(path, folder, file, NULL));
    if (fd_exists(path)) return FD_OK;
  }
  return fd_fail(FD_MISSING, "no suite '%s': expected a .tsv file, or genomic-benchmarks, gue or local", name);
}

/* The measures that both a probe and a fine-tuning have. */
static fd_status check_task(const char *path, int number, const char *rows, const char *measure) {
  static const char *const known[] = {"accuracy", "f1", "mcc", "auroc"};
  if (strncmp(rows, "--", 2))
    return fd_fail(FD_DATA,
                   "%s:%d: rows '%.40s': expected --task {data}/NAME, or --train and --test; lines of words begin with #", path,
                   number, rows);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(measure, known[i])) return FD_OK;
  return fd_fail(FD_DATA, "%s:%d: measure '%s': expected accuracy, f1, mcc or auroc", path, number, measure);
}

static fd_status parse_suite(const char *path, evaluation *e) {
  int number = 0;
  char *rest = e->text;
  for (char *line; (line = strsep(&rest, "\n"));) {
    const char *field[COLUMNS] = {[COLUMNS - 1] = ""};
    int fields = 0;
    number++;
    if (!*line || *line == '#') continue;
    for (char *word; (word = strsep(&line, "\t"));)
      if (fields++ < COLUMNS) field[fields - 1] = word;
    if (fields != COLUMNS && fields != COLUMNS - 1)
      return fd_fail(FD_DATA,
                     "%s:%d: %d columns; expected task, rows, config, measure, paper's probe, paper's fine-tuning, note, and "
                     "perhaps the paper's rows",
                     path, number, fields);
    if (e->tasks == TASKS_MAX) return fd_fail(FD_DATA, "%s:%d: more than %d tasks", path, number, TASKS_MAX);
    fd_suite_task *t = &e->task[e->tasks++];
    *t = (fd_suite_task){field[0], field[1], field[2], field[3], field[4], field[5], field[6], 0, 0};
    FD_TRY(check_task(path, number, t->rows, t->measure));
    if (*field[7] && sscanf(field[7], "%d %d", &t->paper_train, &t->paper_test) != 2)
      return fd_fail(FD_DATA, "%s:%d: the paper's rows '%s': expected two whole numbers, of training and of test rows", path,
                     number, field[7]);
  }
  return e->tasks ? FD_OK : fd_fail(FD_DATA, "%s: has no tasks", path);
}

static fd_status read_suite(evaluation *e) {
  char path[FD_PATH_MAX] = "";
  size_t bytes = 0;
  if (e->comm->rank == 0) {
    FD_TRY(find_suite(e->o->words[0], path));
    FD_TRY(fd_read_file(path, TEXT_MAX, &e->text, &bytes));
  }
  FD_TRY(fd_comm_share_text(e->comm, &e->text, &bytes));
  FD_TRY(e->comm->ops->broadcast(e->comm, path, sizeof path, 0));
  FD_TRY(fd_path(e->folder, path, NULL, NULL));
  char *slash = strrchr(e->folder, '/');
  snprintf(slash ? slash : e->folder, 2, "%s", slash ? "" : ".");
  return parse_suite(path, e);
}

static int wanted(const fd_list *list, const char *word) {
  for (int i = 0; i < list->count; i++)
    if (!strcmp(list->item[i], word)) return 1;
  return !list->count;
}

/* The checkpoint that all numbers are of. */
static fd_status identify(evaluation *e) {
  fd_pretrained *model;
  FD_TRY(fd_alloc(&model, 1, sizeof *model, "an evaluation"));
  fd_status status = fd_pretrained_open(model, e->o->words[1], &(fd_use){.threads = 1}, e->comm);
  memcpy(e->state_id, model->info.state_id, sizeof e->state_id);
  e->results = (fd_suite_results){e->o->words[0], e->o->words[1], e->state_id, e->o->output, e->o->seeds, e->tasks, e->task};
  fd_pretrained_close(model);
  free(model);
  return status;
}

static fd_status check_overrides(const evaluation *e) {
  for (int i = 2; i < e->o->word_count; i++)
    if (!strncmp(e->o->words[i], "run.seed=", 9) || !strncmp(e->o->words[i], "run.folder=", 11))
      return fd_fail(FD_USAGE, "findna evaluate: %s: seeds are 0 .. N-1 (--seeds), folders lie in --output", e->o->words[i]);
  return FD_OK;
}

static fd_status check_lists(const evaluation *e) {
  for (int i = 0; i < e->o->tasks.count; i++) {
    int known = 0;
    for (int t = 0; t < e->tasks; t++) known |= !strcmp(e->o->tasks.item[i], e->task[t].name);
    if (!known) return fd_fail(FD_USAGE, "findna evaluate: --tasks %s: the suite has no such task", e->o->tasks.item[i]);
  }
  for (int i = 0; i < e->o->methods.count; i++) {
    int known = 0;
    for (int m = 0; m < FD_SUITE_METHODS; m++) known |= !strcmp(e->o->methods.item[i], fd_suite_methods[m].name);
    if (!known)
      return fd_fail(FD_USAGE, "findna evaluate: --methods %s: expected probe, finetune, untrained", e->o->methods.item[i]);
  }
  return FD_OK;
}

/* --- pieces of work -------------------------------------------------------------------------------------------------- */

/* Words of a command line, in memory of their own. */
typedef struct line {
  int count;
  char *word[WORDS_MAX];
} line;

static fd_status add_word(line *l, const char *text) {
  if (l->count == WORDS_MAX - 1) return fd_fail(FD_USAGE, "a task has more than %d words", WORDS_MAX - 1);
  if (!(l->word[l->count] = strdup(text))) return fd_fail(FD_MEMORY, "no memory for a command line");
  l->count++;
  return FD_OK;
}

static void free_line(line *l) {
  for (int i = 0; i < l->count; i++) free(l->word[i]);
}

/* The words of a task's rows, {data} replaced; *there: whether all files that they name are. */
static fd_status add_rows(const evaluation *e, const fd_suite_task *t, line *l, int *there) {
  char words[FD_PATH_MAX], *rest = words;
  snprintf(words, sizeof words, "%s", t->rows);
  *there = 1;
  for (char *word; (word = strsep(&rest, " "));) {
    char text[FD_PATH_MAX];
    if (!*word) continue;
    int of_data = !strncmp(word, "{data}", 6);
    if (of_data && (size_t)snprintf(text, sizeof text, "%s%s", e->o->data, word + 6) >= sizeof text)
      return fd_fail(FD_USAGE, "%s: is too long a path", e->o->data);
    FD_TRY(add_word(l, of_data ? text : word));
    if (of_data) *there &= fd_exists(text);
  }
  if (e->o->genome) FD_TRY(add_word(l, "--genome"));
  if (e->o->genome) FD_TRY(add_word(l, e->o->genome));
  return e->o->partial ? add_word(l, "--partial") : FD_OK;
}

static fd_status finetune_line(const evaluation *e, const fd_suite_task *t, const fd_suite_method *m, int64_t seed,
                               const char *folder, line *l) {
  char text[2 * FD_PATH_MAX], config[FD_PATH_MAX];
  int there;
  FD_TRY(add_word(l, "finetune"));
  FD_TRY(add_word(l, e->o->words[1]));
  FD_TRY(add_rows(e, t, l, &there));
  FD_TRY(fd_path(config, e->folder, t->config, NULL));
  FD_TRY(add_word(l, "--config"));
  FD_TRY(add_word(l, config));
  if (m->option) FD_TRY(add_word(l, m->option));
  snprintf(text, sizeof text, "run.seed=%" PRId64, seed);
  FD_TRY(add_word(l, text));
  snprintf(text, sizeof text, "run.folder=%s", folder);
  FD_TRY(add_word(l, text));
  for (int i = 2; i < e->o->word_count; i++) FD_TRY(add_word(l, e->o->words[i]));
  return FD_OK;
}

static fd_status probe_line(const evaluation *e, const fd_suite_task *t, const char *file, line *l) {
  char seeds[32];
  int there;
  FD_TRY(add_word(l, "probe"));
  FD_TRY(add_word(l, e->o->words[1]));
  FD_TRY(add_rows(e, t, l, &there));
  snprintf(seeds, sizeof seeds, "%" PRId64, e->o->seeds);
  FD_TRY(add_word(l, "--seeds"));
  FD_TRY(add_word(l, seeds));
  FD_TRY(add_word(l, "--output"));
  return add_word(l, file);
}

static int config_word(const line *l) {
  for (int i = 0; i + 1 < l->count; i++)
    if (!strcmp(l->word[i], "--config")) return i + 1;
  return 0;
}

static void show_line(const evaluation *e, const line *l) {
  printf("%3" PRId64 "  findna", e->unit);
  for (int i = 0; i < l->count; i++) printf(" %s", l->word[i]);
  printf("\n");
}

/* Writes the words that a piece's numbers come from, with the checkpoint's state, or compares them with those of an earlier
 * start: numbers of other weights or settings must not stand under this one's name. */
static fd_status sign(const evaluation *e, const line *l, const char *folder) {
  char path[FD_PATH_MAX], *text = NULL, *found = NULL;
  size_t bytes;
  FILE *out;
  fd_status status = FD_OK;
  FD_TRY(fd_text_open(&out, &text, &bytes));
  fprintf(out, "%s\n", e->state_id);
  for (int i = 0; i < l->count; i++)
    if (!fd_config_is_free(l->word[i]) || !strncmp(l->word[i], "eval.", 5))
      fprintf(out, "%s\n", l->word[i]); /* threads may differ; the folder is named by the piece */
  FD_TRY(fd_text_close(out, &text));
  FD_GO(fd_path(path, folder, "command.txt", NULL));
  FD_GO(fd_make_folder(folder));
  if (!fd_exists(path)) {
    FD_GO(fd_write_file(path, text, bytes));
    goto done;
  }
  FD_GO(fd_read_file(path, TEXT_MAX, &found, &bytes));
  if (strcmp(text, found))
    status = fd_fail(
        FD_BUSY,
        "%s: was made of another checkpoint or with other settings (its first line is the state_id); give another --output",
        path);
done:
  free(text);
  free(found);
  return status;
}

/* Does one piece, unless its numbers are there. */
static fd_status do_unit(evaluation *e, const fd_suite_task *t, const fd_suite_method *m, int64_t seed) {
  char folder[FD_PATH_MAX], file[FD_PATH_MAX];
  line l = {0};
  int done = 0;
  fd_status status = FD_OK;
  e->unit++;
  if (e->o->job && e->o->job != e->unit) return FD_OK;
  FD_TRY(fd_suite_result_path(&e->results, t, m, seed, folder, file));
  FD_TRY(fd_comm_stop_asked(e->comm)); /* between two pieces; within one the commands look themselves */
  FD_GO(m->seeds ? finetune_line(e, t, m, seed, folder, &l) : probe_line(e, t, file, &l));
  if (e->comm->rank == 0 && m->seeds && !fd_exists(l.word[config_word(&l)]))
    FD_GO(fd_fail(FD_MISSING, "%s: no such settings (%s of the suite)", l.word[config_word(&l)], t->name));
  if (e->o->list) {
    if (e->comm->rank == 0) show_line(e, &l);
    goto done;
  }
  if (e->comm->rank == 0) FD_GO(sign(e, &l, folder));
  if (e->comm->rank == 0) done = fd_exists(file);
  FD_GO(e->comm->ops->broadcast(e->comm, &done, sizeof done, 0));
  if (done) goto done;
  fd_info("%s: %s%s", t->name, m->name, m->seeds ? "" : " (teacher, student, untrained, k-mers)");
  FD_GO(m->seeds ? fd_command_finetune(e->comm, l.count, l.word) : fd_command_probe(e->comm, l.count, l.word));
done:
  free_line(&l);
  return status;
}

static fd_status do_task(evaluation *e, const fd_suite_task *t) {
  line l = {0};
  int there;
  fd_status status = add_rows(e, t, &l, &there);
  free_line(&l);
  FD_TRY(status);
  FD_TRY(e->comm->ops->broadcast(e->comm, &there, sizeof there, 0));
  e->there += there;
  there |= e->o->list;
  if (!there && e->comm->rank == 0) fd_warn("%s: its rows are not in %s (%s): left out", t->name, e->o->data, t->rows);
  for (int i = 0; i < FD_SUITE_METHODS; i++) {
    const fd_suite_method *m = &fd_suite_methods[i];
    for (int64_t seed = 0; seed < (m->seeds ? e->o->seeds : 1); seed++) {
      if (there && wanted(&e->o->methods, m->name)) FD_TRY(do_unit(e, t, m, seed));
      else e->unit++;
    }
  }
  return FD_OK;
}

static fd_status evaluate(evaluation *e) {
  FD_TRY(read_suite(e));
  FD_TRY(check_lists(e));
  FD_TRY(check_overrides(e));
  FD_TRY(identify(e));
  for (int i = 0; i < e->tasks; i++) {
    if (wanted(&e->o->tasks, e->task[i].name)) FD_TRY(do_task(e, &e->task[i]));
    else
      for (int m = 0; m < FD_SUITE_METHODS; m++) e->unit += fd_suite_methods[m].seeds ? e->o->seeds : 1;
  }
  if (e->o->job > e->unit)
    return fd_fail(FD_USAGE, "findna evaluate: --job %" PRId64 ": there are %" PRId64 " (--list shows them)", e->o->job, e->unit);
  if (!e->there && !e->o->list)
    return fd_fail(FD_MISSING, "findna evaluate: none of the tasks' rows is in %s: give the folder with --data", e->o->data);
  return e->comm->rank || e->o->list || e->o->job ? FD_OK : fd_suite_results_write(&e->results);
}

fd_status fd_command_evaluate(fd_comm *comm, int argc, char **argv) {
  options o = {.data = "datasets", .output = "runs/evaluation", .seeds = 3};
  int helped;
  const fd_arg table[] = {
      {"data", FD_ARG_TEXT, &o.data, 0, 0, "FOLDER", "where the suite's {data} is: the official files, unchanged"},
      {"genome", FD_ARG_TEXT, &o.genome, 0, 0, "FILE", "for tasks of intervals: the FASTA or 2bit file that they lie in"},
      {"partial", FD_ARG_FLAG, &o.partial, 0, 0, NULL, "leave out intervals on contigs that the genome lacks, and say how many"},
      {"output", FD_ARG_TEXT, &o.output, 0, 0, "FOLDER", "runs and results; what is there already is not done again"},
      {"seeds", FD_ARG_INT, &o.seeds, 1, FD_SUITE_SEEDS, "N", "of the probe's splits, and of fine-tuning"},
      {"tasks", FD_ARG_LIST, &o.tasks, 0, 0, "LIST", "only these"},
      {"methods", FD_ARG_LIST, &o.methods, 0, 0, "LIST", "of probe, finetune, untrained (fine-tuned from random weights)"},
      {"list", FD_ARG_FLAG, &o.list, 0, 0, NULL, "print the pieces of work, numbered, and do nothing"},
      {"job", FD_ARG_INT, &o.job, 0, 1e9, "N", "do piece N alone, as in a Slurm array; 0: all"},
      {0},
  };
  const fd_args args = {"evaluate", "SUITE CHECKPOINT [section.key=value ...] [options]",
                        "Runs the linear probe (teacher, student, untrained network, k-mers) and fine-tuning (pretrained, "
                        "untrained) on every task of a\n"
                        "suite, with several seeds, and prints mean and standard deviation beside the paper's numbers. SUITE is "
                        "genomic-benchmarks, gue,\n"
                        "local, or a .tsv file like those in configs/suites. Started again, it goes on where it stopped.",
                        table};
  FD_TRY(fd_args_parse(&args, argc, argv, o.words, FD_LIST_MAX, &o.word_count, &helped));
  if (helped) return FD_OK;
  if (o.word_count < 2) return fd_fail(FD_USAGE, "findna evaluate: give SUITE and CHECKPOINT; see findna evaluate --help");
  evaluation *e;
  FD_TRY(fd_alloc(&e, 1, sizeof *e, "an evaluation"));
  e->o = &o, e->comm = comm;
  fd_status status = evaluate(e);
  free(e->text);
  free(e);
  return status;
}
