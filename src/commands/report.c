/* findna report RUN_FOLDER: makes report.html of a run. */
#include "base/args.h"
#include "base/file.h"
#include "base/log.h"
#include "commands/command.h"
#include "output/report.h"

fd_status fd_command_report(fd_comm *comm, int argc, char **argv) {
  const char *folder = NULL, *output = NULL;
  char path[FD_PATH_MAX];
  int count, helped;
  const fd_arg table[] = {
      {"output", FD_ARG_TEXT, &output, 0, 0, "FILE", "where the report goes; without it RUN_FOLDER/report.html"},
      {0},
  };
  const fd_args args = {
      "report", "RUN_FOLDER [options]",
      "Makes one self-contained HTML file of a run: held-out loss beside what counting gets, the collapse monitor, training "
      "curves,\n"
      "probes with their baselines, config and environment. It can be made while the run goes on, and again later.",
      table};
  if (comm->rank) return FD_OK;
  FD_TRY(fd_args_parse(&args, argc, argv, &folder, 1, &count, &helped));
  if (helped) return FD_OK;
  if (!count) return fd_fail(FD_USAGE, "findna report: which RUN_FOLDER? For example: findna report runs/demo");
  if (!output) {
    FD_TRY(fd_path(path, folder, "report.html", NULL));
    output = path;
  }
  FD_TRY(fd_report_write(folder, output));
  fd_info("wrote %s", output);
  return FD_OK;
}
