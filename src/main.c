/* The program: starts MPI, runs one subcommand, and is the only place that ends the job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/args.h"
#include "base/file.h"
#include "base/guard.h"
#include "base/help.h"
#include "base/json_memory.h"
#include "base/lapack.h"
#include "base/path.h"
#include "base/signals.h"
#include "base/version.h"
#include "commands/command.h"
#include "mpi/world.h"

enum { STOPS = 1 };
typedef enum ranks { SHARED, ONE, FIRST } ranks;

typedef struct command {
  const char *name;
  int flags;
  ranks ranks;
  fd_status (*run)(fd_comm *comm, int argc, char **argv);
  const char *help;
} command;

static const command commands[] = {
#define COMMAND(name, flags, ranks, help) {#name, flags, ranks, fd_command_##name, help},
#include "commands/commands.def"
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* Exit codes with their meanings, for --help=man and `findna help exit-codes`. */
static void print_exit_codes(const char *format) {
  static const struct {
    int code;
    const char *meaning;
  } outcomes[] = {
#define STATUS(name, code, meaning) {code, meaning},
#include "base/status.def"
#undef STATUS
  };
  for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) printf(format, outcomes[i].code, outcomes[i].meaning);
}

static const char about[] = "pretrains self-supervised DNA models with MPI ranks, and uses them";

static void print_page(void) {
  fd_help_page(stdout, "findna", 1, "findna", about);
  printf(".SH SYNOPSIS\n.B findna\n.I COMMAND\n[arguments]\n.SH COMMANDS\n");
  for (int i = 0; i < COMMANDS; i++) printf(".TP\n.BR findna\\-%s (1)\n%s\n", commands[i].name, commands[i].help);
  printf(".SH EXIT STATUS\n");
  print_exit_codes(".TP\n.B %d\n%s\n");
  printf(".SH SEE ALSO\n.BR findna.yaml (5)\n");
}

static fd_status print_help(fd_help_form form) {
  if (form == FD_HELP_MAN) print_page();
  if (form == FD_HELP_WORDS)
    for (int i = 0; i < COMMANDS; i++) printf("%s\t\t%s\n", commands[i].name, commands[i].help);
  if (form != FD_HELP_TEXT) return FD_OK;
  printf("findna: %s\n\nusage: findna COMMAND [arguments]\n\ncommands:\n", about);
  for (int i = 0; i < COMMANDS; i++) printf("  %-10s %s\n", commands[i].name, commands[i].help);
  printf(
      "\n'findna COMMAND --help' shows a command's options, 'findna help exit-codes' what its exit codes mean.\nAfter '--' no "
      "word is an option.\n");
  return FD_OK;
}

/* The command that argv[1] names, or NULL. */
static const command *find(int argc, char **argv) {
  for (const command *c = commands; argc > 1 && c < commands + COMMANDS; c++)
    if (!strcmp(argv[1], c->name)) return c;
  return NULL;
}

/* Whether an option is given; those behind -- are words. */
static int has_option(int argc, char **argv, const char *option) {
  for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
    if (!strcmp(argv[i], option)) return 1;
  return 0;
}

/* Whether only help is wanted, for which one process is enough. */
static int asks_help(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
    if (!strncmp(argv[i], "--help", 6)) return 1;
  return has_option(argc, argv, "-h");
}

/* What the processes of the job do; doctor --net measures the ranks. */
static ranks ranks_of(const command *c, int argc, char **argv) { return has_option(argc, argv, "--net") ? SHARED : c->ranks; }

/* Runs a command in those processes that take part in it. */
static fd_status run_command(const command *c, fd_comm *comm, int argc, char **argv) {
  const ranks ranks = ranks_of(c, argc, argv);
  const int helps = asks_help(argc, argv);
  if (ranks == ONE && comm->size > 1 && !helps)
    return fd_fail(FD_USAGE, "findna %s: takes one process, not %d; start it without mpirun or srun, or by launch/run -n 1",
                   c->name, comm->size);
  if (ranks != SHARED && comm->rank) return FD_OK;
  return c->run(comm, argc - 1, argv + 1);
}

static fd_status run(fd_comm *comm, int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "--help", *names[COMMANDS];
  fd_help_form form;
  int helped;
  if (argc > 2 && !strcmp(name, "help") && !strcmp(argv[2], "exit-codes"))
    return comm->rank ? FD_OK : (print_exit_codes("%3d  %s\n"), FD_OK);
  if (argc > 2 && !strcmp(name, "help")) { /* findna help COMMAND */
    argv[1] = argv[2], argv[2] = "--help";
    name = argv[1], argc = 3;
  }
  FD_TRY(fd_help_asked(strcmp(name, "help") ? name : "--help", &helped, &form));
  if (helped) return comm->rank ? FD_OK : print_help(form);
  if (!strcmp(name, "--version") || !strcmp(name, "version"))
    return comm->rank ? FD_OK : (printf("findna %s\n", fd_version()), FD_OK);
  const command *c = find(argc, argv);
  if (c) return run_command(c, comm, argc, argv);
  for (int i = 0; i < COMMANDS; i++) names[i] = commands[i].name;
  const char *near = fd_nearest(name, names, COMMANDS);
  return fd_fail(FD_USAGE, "no command '%s'%s%s%s; see findna --help", name, near ? " (did you mean '" : "", near ? near : "",
                 near ? "'?)" : "");
}

/* Seconds for the other ranks to stop, and for the exit handlers of libraries. */
enum { STOP_SECONDS = 5, EXIT_SECONDS = 10 };

int main(int argc, char **argv) {
  fd_comm *comm = NULL;
  const command *c = asks_help(argc, argv) ? NULL : find(argc, argv);
  fd_open_standard();
  fd_json_watch_memory();
  fd_lapack_forbid_threads();
  fd_signals_install(c && c->flags & STOPS);
  fd_status status = fd_guard_start();
  if (status == FD_OK) status = fd_world_start(&comm, &argc, &argv, c && ranks_of(c, argc, argv) == SHARED);
  if (status != FD_OK) return status;
  fd_comm_phase(comm, -1, argc > 1 ? argv[1] : "help");
  char **words = NULL;
  status = fd_comm_same_program(comm);
  if (status == FD_OK) status = fd_comm_same_arguments(comm, argc, argv);
  if (status == FD_OK) status = fd_comm_agree(comm, fd_path_expand_words(&words, argc, argv));
  if (status == FD_OK) status = fd_comm_same_arguments(comm, argc, words); /* HOME may differ */
  if (status == FD_OK) status = run(comm, argc, words);
  if (status == FD_OK && (fflush(stdout) || ferror(stdout))) status = fd_fail(FD_IO, "cannot write to standard output");
  /* A rank that fails by itself must not wait in MPI_Finalize for peers that wait for it. A stop request reaches all ranks. */
  if (status != FD_OK && status != FD_RETRY && status != FD_STOPPED) {
    if (status == FD_USAGE && comm->rank) sleep(5); /* the root reports the error and ends the job */
    fflush(stdout);                                 /* earlier output, which an abort would drop */
    comm->ops->abort(comm, status);
  }
  free(words);
  fd_guard_hold(); /* the shutdown has its own time limit */
  if (status == FD_RETRY || status == FD_STOPPED) {
    fd_signals_end_with(status);
    fd_guard_limit(STOP_SECONDS, status, "the other ranks have not stopped");
  }
  comm->ops->finish(comm);
  fd_guard_limit(EXIT_SECONDS, status, "the end of the program hangs");
  return status;
}
