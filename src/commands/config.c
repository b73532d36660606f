/* findna config: prints all options with defaults and help, or the resolved form of a config file. */
#include <stdio.h>
#include <string.h>

#include "base/args.h"
#include "base/help.h"
#include "base/path.h"
#include "commands/command.h"
#include "config/config.h"

enum { MARKDOWN, MAN, WORDS };

static void print_markdown(const fd_config *defaults) {
  printf(
      "# Options\n\nEvery option of a config file, made by `findna config --as markdown`. On the command line of `findna "
      "pretrain` an option is written\n"
      "`section.key=value`; frozen options define the result and may not differ at a resume, free ones may.\n");
  fd_config_print(stdout, defaults, FD_CONFIG_MARKDOWN);
}

static void print_page(const fd_config *defaults) {
  fd_help_page(stdout, "findna.yaml", 5, "findna.yaml", "options of a run of findna");
  printf(
      ".SH DESCRIPTION\nA config file is YAML: sections of options. On the command line an option is written\n"
      ".IR section.key = value ;\nit overrides the file. Frozen options define the result and may not differ at a resume, free "
      "ones may.\n.SH OPTIONS\n");
  fd_config_print(stdout, defaults, FD_CONFIG_MAN);
  printf(".SH SEE ALSO\n.BR findna (1),\n.BR findna\\-config (1)\n");
}

fd_status fd_command_config(fd_comm *comm, int argc, char **argv) {
  const char *words[FD_LIST_MAX];
  int count, helped, form = -1;
  fd_config config;
  const fd_arg table[] = {
      {"as", FD_ARG_CHOICE, &form, 0, 0, "markdown|man|words",
       "print all options as a documentation page, as the manual page findna.yaml(5), or as words for completion"},
      {0},
  };
  const fd_args args = {
      "config", "[CONFIG] [section.key=value ...] [options]",
      "Prints all options with defaults and help, or a resolved config. Without arguments these are all options, as YAML.\n"
      "With CONFIG (a YAML file or the name of one in configs/) or with overrides they are the options that a run would\n"
      "use.",
      table};
  (void)comm;
  FD_TRY(fd_args_parse(&args, argc, argv, words, FD_LIST_MAX, &count, &helped));
  if (helped) return FD_OK;
  if (form >= 0 && count) return fd_fail(FD_USAGE, "findna config: --as describes the options; it takes no CONFIG");
  fd_config_defaults(&config);
  if (form == MARKDOWN) print_markdown(&config);
  if (form == MAN) print_page(&config);
  if (form == WORDS) fd_config_print(stdout, &config, FD_CONFIG_WORDS);
  if (form >= 0) return FD_OK;
  int file = count && !strchr(words[0], '=');
  if (count) FD_TRY(fd_config_load(&config, file ? words[0] : NULL, (char *const *)(words + file), count - file));
  FD_TRY(fd_path_check_printable("run.folder", config.run.folder));
  fd_config_print(stdout, &config, count ? FD_CONFIG_YAML : FD_CONFIG_YAML_HELP);
  return FD_OK;
}
