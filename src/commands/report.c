/* findna report FOLDER ...: writes an HTML page of a run, of an evaluation, or of a comparison of several runs. */
#include "base/args.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "commands/command.h"
#include "output/report.h"
#include "output/tensorboard.h"

/* The page of one folder: of an evaluation if it holds results.json, else of a run. */
static fd_status report_one(const char *folder, const char *output) {
  char path[FD_PATH_MAX], results[FD_PATH_MAX];
  if (!output) {
    FD_TRY(fd_path(path, folder, "report.html", NULL));
    output = path;
  }
  FD_TRY(fd_path(results, folder, "results.json", NULL));
  FD_TRY(fd_is_absent(results) ? fd_report_write(folder, output) : fd_report_write_suite(folder, output));
  fd_info("wrote %s", output);
  return FD_OK;
}

/* The page must not overwrite a file that it is made from. */
static fd_status check_output(const char *folder, const char *output) {
  static const char *const names[] = {"metrics.jsonl", "config.used.yaml", "environment.json", "finetune.json",
                                      "probe.json",    "results.json",     "speed.json"};
  char path[FD_PATH_MAX];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    FD_TRY(fd_path(path, folder, names[i], NULL));
    FD_TRY(fd_check_output(output, path));
  }
  return FD_OK;
}

static fd_status report_several(const char *const *folders, int count, const char *output) {
  char metrics[FD_PATH_MAX], results[FD_PATH_MAX];
  for (int i = 0; i < count; i++) {
    FD_TRY(fd_path(metrics, folders[i], "metrics.jsonl", NULL));
    FD_TRY(fd_path(results, folders[i], "results.json", NULL));
    if (fd_is_absent(metrics) && !fd_is_absent(results))
      return fd_fail(FD_USAGE, "%s: is an evaluation, which has a page of its own: findna report %s", folders[i], folders[i]);
  }
  if (!output) output = "comparison.html";
  FD_TRY(fd_report_write_comparison(folders, count, output));
  fd_info("wrote %s", output);
  return FD_OK;
}

/* The name of the events file is fixed: a new one replaces the old one, which TensorBoard would otherwise show as well. */
static fd_status write_events(const char *folder) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_path(path, folder, "metrics.jsonl", NULL));
  if (fd_is_absent(path)) return fd_fail(FD_MISSING, "%s: no such file; --tensorboard is for run folders", path);
  FD_TRY(fd_path(path, folder, "tensorboard", NULL));
  FD_TRY(fd_make_folder(path));
  FD_TRY(fd_path(path, folder, "tensorboard", "events.out.tfevents.0.findna"));
  FD_TRY(fd_tensorboard_write(folder, path));
  fd_info("wrote %s", path);
  return FD_OK;
}

fd_status fd_command_report(fd_comm *comm, int argc, char **argv) {
  const char *folders[FD_REPORT_COMPARED], *output = NULL;
  int count, helped, tensorboard = 0;
  const fd_arg table[] = {
      {"output", FD_ARG_TEXT, &output, 0, 0, "FILE",
       "path of the page (default: FOLDER/report.html; for several runs comparison.html)"},
      {"tensorboard", FD_ARG_FLAG, &tensorboard, 0, 0, NULL,
       "also write the metrics for TensorBoard: FOLDER/tensorboard/events.out.tfevents.0.findna"},
      {0},
  };
  const fd_args args = {
      "report", "FOLDER [FOLDER ...] [options]",
      "Writes one self-contained HTML file of a run, an evaluation, or several runs. The page of a run has held-out loss\n"
      "with count-based baselines, the collapse monitor, training curves, probes with their baselines, config and\n"
      "environment; it can be made while the run is going on, and again later. The page of an output folder of 'findna\n"
      "evaluate' has each task's scores with the baselines and the paper's numbers. The page of several runs has their\n"
      "results, the differences between their configs, and their curves in the same charts.",
      table};
  (void)comm;
  FD_TRY(fd_args_parse(&args, argc, argv, folders, FD_REPORT_COMPARED, &count, &helped));
  if (helped) return FD_OK;
  if (!count) return fd_fail(FD_USAGE, "findna report: which FOLDER? For example: findna report runs/demo");
  FD_TRY(fd_check_output_place(output));
  for (int i = 0; i < count; i++) FD_TRY(check_output(folders[i], output));
  for (int i = 0; i < count && tensorboard; i++) FD_TRY(write_events(folders[i]));
  return count == 1 ? report_one(folders[0], output) : report_several(folders, count, output);
}
