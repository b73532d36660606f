/* The subcommands: each has one line in commands.def and one file. */
#ifndef FD_COMMANDS_COMMAND_H
#define FD_COMMANDS_COMMAND_H

#include "comm/comm.h"

/* argv[0] is the subcommand's name. Returns the exit code as a status. */
#define COMMAND(name, flags, ranks, help) fd_status fd_command_##name(fd_comm *comm, int argc, char **argv);
#include "commands/commands.def"
#undef COMMAND

#endif
