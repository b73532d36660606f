/* findna report FOLDER: makes report.html of a run, or of an evaluation. */
#include "base/args.h"
#include "base/file.h"
#include "base/log.h"
#include "commands/command.h"
#include "output/report.h"

fd_status fd_command_report(fd_comm *comm, int argc, char **argv) {
  const char *folder = NULL, *output = NULL;
  char path[FD_PATH_MAX], results[FD_PATH_MAX];
  int count, helped;
  const fd_arg table[] = {
      {"output", FD_ARG_TEXT, &output, 0, 0, "FILE", "where the report goes; without it FOLDER/report.html"},
      {0},
  };
  const fd_args args = {
      "report", "FOLDER [options]",
      "Makes one self-contained HTML file of a run: held-out loss beside what counting gets, the collapse monitor, training "
      "curves,\n"
      "probes with their baselines, config and environment. It can be made while the run goes on, and again later. Of the "
      "output\n"
      "folder of 'findna evaluate': each task's scores beside the baselines and the paper's.",
      table};
  if (comm->rank) return FD_OK;
  FD_TRY(fd_args_parse(&args, argc, argv, &folder, 1, &count, &helped));
  if (helped) return FD_OK;
  if (!count) return fd_fail(FD_USAGE, "findna report: which FOLDER? For example: findna report runs/demo");
  if (!output) {
    FD_TRY(fd_path(path, folder, "report.html", NULL));
    output = path;
  }
  FD_TRY(fd_path(results, folder, "results.json", NULL));
  FD_TRY(fd_exists(results) ? fd_report_write_suite(folder, output) : fd_report_write(folder, output));
  fd_info("wrote %s", output);
  return FD_OK;
}
