/* findna evaluate SUITE CHECKPOINT: probes and fine-tunes on a suite of benchmark tasks, and tabulates the results. */
#include "commands/evaluate_contest.h"
#include "commands/evaluate_sign.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/path.h"
#include "commands/command.h"
#include "data/stream.h"
#include "output/json_file.h"
#include "tasks/pretrained.h"

int fd_evaluation_wants(const fd_list *list, const char *word) {
  for (int i = 0; i < list->count; i++)
    if (!strcmp(list->item[i], word)) return 1;
  return !list->count;
}

static fd_status name_model(fd_evaluation *e, const char *text) {
  static const char *const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
  fd_evaluation_model *model = &e->model[e->models];
  const char *equals = strchr(text, '=');
  size_t n = equals ? (size_t)(equals - text) : 0;
  if (!n || n >= sizeof model->name || !equals[1] || strspn(text, letters) != n || *text == '.' || *text == '-')
    return fd_fail(FD_USAGE,
                   "findna evaluate: --checkpoint %s: expected NAME=PATH, with a name of letters, digits and . _ + - (it names a "
                   "folder)",
                   text);
  if (e->models == FD_EVALUATION_MODELS)
    return fd_fail(FD_USAGE, "findna evaluate: more than %d checkpoints", FD_EVALUATION_MODELS);
  memcpy(model->name, text, n);
  for (int i = 0; i < e->models; i++)
    if (!strcmp(e->model[i].name, model->name))
      return fd_fail(FD_USAGE, "findna evaluate: --checkpoint %s: the name is there twice", text);
    else if (fd_contest_same_seed(e->model[i].name, model->name))
      return fd_fail(FD_USAGE, "findna evaluate: --checkpoint %s: has the seed of %s", text, e->model[i].name);
  model->path = equals + 1;
  e->models++;
  return FD_OK;
}

/* Takes the checkpoints from the command line: a single one after the suite, or several with names. */
static fd_status name_models(fd_evaluation *e) {
  e->first_override = e->checkpoints.count || e->join.count ? 1 : 2;
  if (e->join.count && (e->checkpoints.count || e->word_count > 1 || e->list || e->job))
    return fd_fail(FD_USAGE, "findna evaluate: --join makes a table of results that exist: it goes with SUITE and --output only");
  if (e->partial && !e->genome) return fd_fail(FD_USAGE, "findna evaluate: --partial has no effect without --genome");
  if (e->word_count < e->first_override)
    return fd_fail(FD_USAGE,
                   "findna evaluate: give SUITE and CHECKPOINT, or SUITE and --checkpoint NAME=PATH; see findna evaluate --help");
  if (!e->checkpoints.count && !e->join.count) e->model[e->models++].path = e->words[1];
  for (int i = 0; i < e->checkpoints.count; i++) FD_TRY(name_model(e, e->checkpoints.item[i]));
  for (int i = e->first_override; i < e->word_count; i++)
    if (!strchr(e->words[i], '='))
      return fd_fail(FD_USAGE,
                     "findna evaluate: unexpected argument '%s'; several checkpoints are given as --checkpoint NAME=PATH",
                     e->words[i]);
  return FD_OK;
}

/* Reads the state_id, the shape and the origin of each checkpoint. */
static fd_status identify(fd_evaluation *e) {
  fd_pretrained *opened;
  FD_TRY(fd_alloc(&opened, 1, sizeof *opened, "an evaluation"));
  fd_status status = FD_OK;
  for (int i = 0; i < e->models && status == FD_OK; i++) {
    fd_evaluation_model *model = &e->model[i];
    status = fd_pretrained_open(opened, model->path, &(fd_use){.threads = 1}, e->comm);
    memcpy(model->state_id, opened->info.state_id, sizeof model->state_id);
    fd_evaluation_identity(&opened->info, model->identity);
    memcpy(model->version, opened->info.version, sizeof model->version);
    memcpy(model->kernels, opened->info.kernels, sizeof model->kernels);
    if (status == FD_OK) status = fd_shape_of(&model->shape, &opened->config);
    fd_pretrained_close(opened);
    while (!fd_shape_equal(&e->model[model->untrained].shape, &model->shape)) model->untrained++;
  }
  free(opened);
  return status;
}

static fd_status check_overrides(const fd_evaluation *e) {
  for (int i = e->first_override; i < e->word_count; i++)
    if (!strncmp(e->words[i], "run.seed=", 9) || !strncmp(e->words[i], "run.folder=", 11))
      return fd_fail(FD_USAGE, "findna evaluate: %s: seeds are 0 .. N-1 (--seeds), run folders are made in --output",
                     e->words[i]);
  return FD_OK;
}

static fd_status check_lists(const fd_evaluation *e) {
  for (int i = 0; i < e->tasks.count; i++) {
    int known = 0;
    for (int t = 0; t < e->suite.count; t++) known |= !strcmp(e->tasks.item[i], e->suite.task[t].name);
    if (!known) return fd_fail(FD_USAGE, "findna evaluate: --tasks %s: the suite has no such task", e->tasks.item[i]);
  }
  for (int i = 0; i < e->methods.count; i++) {
    int known = 0;
    for (int m = 0; m < FD_EVALUATION_METHODS; m++) known |= !strcmp(e->methods.item[i], fd_evaluation_methods[m].name);
    if (!known)
      return fd_fail(FD_USAGE, "findna evaluate: --methods %s: expected probe, finetune, untrained, knn (k-mers always run)",
                     e->methods.item[i]);
  }
  return FD_OK;
}

/* Length of a suite's name: without its folder, which `name` passes, and .tsv. */
static size_t suite_name(const char **name) {
  const char *slash = strrchr(*name, '/');
  if (slash) *name = slash + 1;
  const char *ending = fd_ending(*name, ".tsv");
  return ending ? (size_t)(ending - *name) : strlen(*name);
}

/* The table must not take the place of another suite's, or of one that it is joined from. Root only. */
static fd_status check_output(const fd_evaluation *e) {
  char path[FD_PATH_MAX];
  json_t *root;
  FD_TRY(fd_path(path, e->output, "results.json", NULL));
  for (int i = 0; i < e->join.count; i++) FD_TRY(fd_check_output(path, e->join.item[i]));
  fd_status status = fd_json_read(path, &root);
  if (status == FD_DATA) fd_warn("%s is damaged, and is written anew", path);
  else FD_TRY(status);
  const char *there = json_string_value(json_object_get(root, "suite")), *mine = e->words[0];
  status = FD_OK;
  if (there) {
    const char *shown = there;
    size_t n = suite_name(&there);
    if (n != suite_name(&mine) || strncmp(there, mine, n))
      status = fd_fail(FD_BUSY, "%s: has results of the suite %s; give another --output, or remove the file", path, shown);
  }
  json_decref(root);
  return status;
}

static fd_status evaluate(fd_evaluation *e) {
  FD_TRY(fd_suite_read(&e->suite, e->words[0], e->comm));
  FD_TRY(check_lists(e));
  FD_TRY(fd_comm_agree(e->comm, e->comm->rank || e->list ? FD_OK : check_output(e)));
  FD_TRY(check_overrides(e));
  FD_TRY(fd_comm_agree(e->comm, e->comm->rank ? FD_OK : fd_path_check_printable("findna evaluate: --output", e->output)));
  if (e->join.count) return e->comm->rank ? FD_OK : fd_evaluation_report(e);
  FD_TRY(identify(e));
  for (int i = 0; i < e->suite.count; i++)
    FD_TRY(fd_evaluation_do_task(e, &e->suite.task[i], fd_evaluation_wants(&e->tasks, e->suite.task[i].name)));
  if (e->job > e->unit)
    return fd_fail(FD_USAGE, "findna evaluate: --job %" PRId64 ": there are %" PRId64 " units of work (--list shows them)",
                   e->job, e->unit);
  if (!e->there && !e->list)
    return fd_fail(FD_MISSING, "findna evaluate: none of the tasks' rows is in %s: give the folder with --data", e->data);
  return e->comm->rank || e->list || e->job ? FD_OK : fd_evaluation_report(e);
}

/* Parses the command line; e->word_count is 0 afterwards if only help was requested. */
static fd_status read_options(fd_evaluation *e, int argc, char **argv) {
  int helped;
  char suites[FD_SUITE_NAMES], about[FD_SUITE_NAMES + 512];
  FD_TRY(fd_suite_names(suites));
  snprintf(
      about, sizeof about,
      "Probes and fine-tunes checkpoints on a suite of benchmark tasks. Every task gets the linear probe (teacher, student,\n"
      "untrained network, k-mers) and fine-tuning (pretrained, untrained) with several seeds; mean and standard deviation\n"
      "are printed next to the paper's numbers. The same command, run again, continues where it stopped. SUITE is a .tsv\n"
      "file like those in configs/suites, or one of these by its name:\n%s.",
      *suites ? suites : "there are none here");
  const fd_arg table[] = {
      {"checkpoint", FD_ARG_LIST, &e->checkpoints, 0, 0, "NAME=PATH",
       "a named checkpoint; repeat the option for several checkpoints in one table"},
      {"join", FD_ARG_LIST, &e->join, 0, 0, "FILE",
       "instead of checkpoints: results.json of another evaluation of this suite; repeat the option to put several into one "
       "table"},
      {"data", FD_ARG_TEXT, &e->data, 0, 0, "FOLDER", "folder of the suite's official files, unchanged ({data} in the suite)"},
      {"genome", FD_ARG_TEXT, &e->genome, 0, 0, "FILE", "for tasks of intervals: the FASTA or 2bit file of their genome"},
      {"partial", FD_ARG_FLAG, &e->partial, 0, 0, NULL, "skip intervals on contigs that the genome lacks, and report how many"},
      {"output", FD_ARG_TEXT, &e->output, 0, 0, "FOLDER",
       "folder of runs and results; results that it holds already are not computed again"},
      {"seeds", FD_ARG_INT, &e->seeds, 1, FD_EVALUATION_SEEDS, "N", "number of seeds, of the probe's splits and of fine-tuning"},
      {"tasks", FD_ARG_LIST, &e->tasks, 0, 0, "LIST", "run only these tasks"},
      {"methods", FD_ARG_LIST, &e->methods, 0, 0, "LIST",
       "run only these of probe, finetune, untrained (fine-tuned from random weights), knn; k-mers always run"},
      {"list", FD_ARG_FLAG, &e->list, 0, 0, NULL, "print the numbered units of work and run none"},
      {"job", FD_ARG_INT, &e->job, 0, 1e9, "N", "run unit N only, for example in a Slurm array; 0: all"},
      {0},
  };
  const fd_args args = {
      "evaluate",
      "SUITE CHECKPOINT [section.key=value ...] [options]\n       findna evaluate SUITE --checkpoint NAME=PATH "
      "--checkpoint NAME=PATH ... [section.key=value ...] [options]\n       findna evaluate SUITE --join FILE --join FILE ... "
      "[--output FOLDER]",
      about, table};
  FD_TRY(fd_args_parse(&args, argc, argv, e->words, FD_LIST_MAX, &e->word_count, &helped));
  if (helped) e->word_count = 0;
  return helped ? FD_OK : name_models(e);
}

fd_status fd_command_evaluate(fd_comm *comm, int argc, char **argv) {
  fd_evaluation *e;
  FD_TRY(fd_alloc(&e, 1, sizeof *e, "an evaluation"));
  e->comm = comm, e->data = "datasets", e->output = "runs/evaluation", e->seeds = 3;
  fd_status status = read_options(e, argc, argv);
  if (status == FD_OK && e->word_count) status = evaluate(e);
  fd_suite_free(&e->suite);
  fd_evaluation_free_contents(e);
  free(e);
  return status;
}
