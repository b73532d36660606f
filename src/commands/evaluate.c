/* findna evaluate SUITE CHECKPOINT: probes and fine-tunes on a list of benchmark tasks, and puts the numbers side by side. */
#include "commands/evaluate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "commands/command.h"
#include "tasks/pretrained.h"

int fd_evaluation_wants(const fd_list *list, const char *word) {
  for (int i = 0; i < list->count; i++)
    if (!strcmp(list->item[i], word)) return 1;
  return !list->count;
}

/* The checkpoint that all numbers are of. */
static fd_status identify(fd_evaluation *e) {
  fd_pretrained *model;
  FD_TRY(fd_alloc(&model, 1, sizeof *model, "an evaluation"));
  fd_status status = fd_pretrained_open(model, e->words[1], &(fd_use){.threads = 1}, e->comm);
  memcpy(e->state_id, model->info.state_id, sizeof e->state_id);
  fd_pretrained_close(model);
  free(model);
  return status;
}

static fd_status check_overrides(const fd_evaluation *e) {
  for (int i = 2; i < e->word_count; i++)
    if (!strncmp(e->words[i], "run.seed=", 9) || !strncmp(e->words[i], "run.folder=", 11))
      return fd_fail(FD_USAGE, "findna evaluate: %s: seeds are 0 .. N-1 (--seeds), folders lie in --output", e->words[i]);
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
      return fd_fail(FD_USAGE, "findna evaluate: --methods %s: expected probe, finetune, untrained", e->methods.item[i]);
  }
  return FD_OK;
}

static fd_status evaluate(fd_evaluation *e) {
  FD_TRY(fd_suite_read(&e->suite, e->words[0], e->comm));
  FD_TRY(check_lists(e));
  FD_TRY(check_overrides(e));
  FD_TRY(identify(e));
  for (int i = 0; i < e->suite.count; i++) {
    if (fd_evaluation_wants(&e->tasks, e->suite.task[i].name)) FD_TRY(fd_evaluation_do_task(e, &e->suite.task[i]));
    else
      for (int m = 0; m < FD_EVALUATION_METHODS; m++) e->unit += fd_evaluation_methods[m].seeds ? e->seeds : 1;
  }
  if (e->job > e->unit)
    return fd_fail(FD_USAGE, "findna evaluate: --job %" PRId64 ": there are %" PRId64 " (--list shows them)", e->job, e->unit);
  if (!e->there && !e->list)
    return fd_fail(FD_MISSING, "findna evaluate: none of the tasks' rows is in %s: give the folder with --data", e->data);
  return e->comm->rank || e->list || e->job ? FD_OK : fd_evaluation_report(e);
}

/* The command line; e->word_count 0: only help was asked for. */
static fd_status read_options(fd_evaluation *e, int argc, char **argv) {
  int helped;
  const fd_arg table[] = {
      {"data", FD_ARG_TEXT, &e->data, 0, 0, "FOLDER", "where the suite's {data} is: the official files, unchanged"},
      {"genome", FD_ARG_TEXT, &e->genome, 0, 0, "FILE", "for tasks of intervals: the FASTA or 2bit file that they lie in"},
      {"partial", FD_ARG_FLAG, &e->partial, 0, 0, NULL, "leave out intervals on contigs that the genome lacks, and say how many"},
      {"output", FD_ARG_TEXT, &e->output, 0, 0, "FOLDER", "runs and results; what is there already is not done again"},
      {"seeds", FD_ARG_INT, &e->seeds, 1, FD_EVALUATION_SEEDS, "N", "of the probe's splits, and of fine-tuning"},
      {"tasks", FD_ARG_LIST, &e->tasks, 0, 0, "LIST", "only these"},
      {"methods", FD_ARG_LIST, &e->methods, 0, 0, "LIST", "of probe, finetune, untrained (fine-tuned from random weights)"},
      {"list", FD_ARG_FLAG, &e->list, 0, 0, NULL, "print the pieces of work, numbered, and do nothing"},
      {"job", FD_ARG_INT, &e->job, 0, 1e9, "N", "do piece N alone, as in a Slurm array; 0: all"},
      {0},
  };
  const fd_args args = {"evaluate", "SUITE CHECKPOINT [section.key=value ...] [options]",
                        "Runs the linear probe (teacher, student, untrained network, k-mers) and fine-tuning (pretrained, "
                        "untrained) on every task of a\n"
                        "suite, with several seeds, and prints mean and standard deviation beside the paper's numbers. SUITE is "
                        "genomic-benchmarks, gue,\n"
                        "local, or a .tsv file like those in configs/suites. Started again, it goes on where it stopped.",
                        table};
  FD_TRY(fd_args_parse(&args, argc, argv, e->words, FD_LIST_MAX, &e->word_count, &helped));
  if (helped) e->word_count = 0;
  if (!helped && e->word_count < 2)
    return fd_fail(FD_USAGE, "findna evaluate: give SUITE and CHECKPOINT; see findna evaluate --help");
  return FD_OK;
}

fd_status fd_command_evaluate(fd_comm *comm, int argc, char **argv) {
  fd_evaluation *e;
  FD_TRY(fd_alloc(&e, 1, sizeof *e, "an evaluation"));
  e->comm = comm, e->data = "datasets", e->output = "runs/evaluation", e->seeds = 3;
  fd_status status = read_options(e, argc, argv);
  if (status == FD_OK && e->word_count) status = evaluate(e);
  fd_suite_free(&e->suite);
  free(e);
  return status;
}
