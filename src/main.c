/* The program: brings the world up, runs one subcommand, and is the only place that ends the job. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/args.h"
#include "base/file.h"
#include "base/lapack.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/version.h"
#include "commands/command.h"
#include "mpi/world.h"

typedef struct command {
  const char *name;
  fd_status (*run)(fd_comm *comm, int argc, char **argv);
  const char *help;
} command;

static const command commands[] = {
#define COMMAND(name, help) {#name, fd_command_##name, help},
#include "commands/commands.def"
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static fd_status print_help(void) {
  printf(
      "findna: pretrains self-supervised DNA models with MPI ranks, and uses them\n\nusage: findna COMMAND "
      "[arguments]\n\ncommands:\n");
  for (int i = 0; i < COMMANDS; i++) printf("  %-10s %s\n", commands[i].name, commands[i].help);
  printf("\n'findna COMMAND --help' shows a command's options. Exit codes are in docs/exit-codes.md.\n");
  return FD_OK;
}

static fd_status run(fd_comm *comm, int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "--help", *names[COMMANDS];
  if (argc > 2 && !strcmp(name, "help")) { /* findna help COMMAND */
    argv[1] = argv[2], argv[2] = "--help";
    name = argv[1], argc = 3;
  }
  if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) return comm->rank ? FD_OK : print_help();
  if (!strcmp(name, "--version") || !strcmp(name, "version"))
    return comm->rank ? FD_OK : (printf("findna %s\n", fd_version()), FD_OK);
  for (int i = 0; i < COMMANDS; i++) {
    names[i] = commands[i].name;
    if (!strcmp(name, names[i])) return commands[i].run(comm, argc - 1, argv + 1);
  }
  const char *near = fd_nearest(name, names, COMMANDS);
  return fd_fail(FD_USAGE, "no command '%s'%s%s%s; see findna --help", name, near ? " (did you mean '" : "", near ? near : "",
                 near ? "'?)" : "");
}

/* The commands that look for a request to stop; the others end at once. */
static int stops_in_order(int argc, char **argv) {
  static const char *const known[] = {"prepare", "pretrain", "finetune", "evaluate", "embed", "score"};
  for (size_t i = 0; argc > 1 && i < sizeof known / sizeof *known; i++)
    if (!strcmp(argv[1], known[i])) return 1;
  return 0;
}

/* Whether several processes of it must know each other; the others may run in any, a shell inside a job step say. */
static int takes_ranks(int argc, char **argv) {
  static const char *const known[] = {"prepare", "pretrain", "probe", "finetune", "evaluate", "embed", "score"};
  int net = 0, found = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return 0;
    net |= !strcmp(argv[i], "--net");
  }
  for (size_t i = 0; argc > 1 && i < sizeof known / sizeof *known; i++) found |= !strcmp(argv[1], known[i]);
  return found || net;
}

int main(int argc, char **argv) {
  fd_comm *comm = NULL;
  fd_open_standard();
  fd_lapack_forbid_threads();
  fd_signals_install(stops_in_order(argc, argv));
  fd_status status = fd_world_start(&comm, &argc, &argv, takes_ranks(argc, argv));
  if (status != FD_OK) return status;
  status = run(comm, argc, argv);
  if (status == FD_OK && (fflush(stdout) || ferror(stdout))) status = fd_fail(FD_IO, "cannot write to standard output");
  /* A rank that failed alone must not wait in MPI_Finalize for peers that wait for it. Stops were agreed by all ranks. */
  if (status != FD_OK && status != FD_RETRY && status != FD_STOPPED) {
    if (status == FD_USAGE && comm->rank) sleep(5); /* the root, which says what is wrong, ends the job */
    fflush(stdout);                                 /* what a command has found out before; the end of a job drops it */
    comm->ops->abort(comm, status);
  }
  comm->ops->finish(comm);
  return status;
}
