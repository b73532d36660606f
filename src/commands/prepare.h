/* Shared by the files of findna prepare. */
#ifndef FD_COMMANDS_PREPARE_H
#define FD_COMMANDS_PREPARE_H

#include "base/args.h"
#include "base/file.h"
#include "comm/comm.h"
#include "data/ingest.h"

/* Copies the name of the new folder without trailing slashes, or the target of a link to none. FD_USAGE if it names no folder. */
fd_status fd_prepare_output(const char *given, char output[FD_PATH_MAX]) FD_MUST_CHECK;

/* The form of the command with --table: its options with their defaults, and the table that parses them. */
enum { FD_PREPARE_ARGS = 16 };
typedef struct fd_prepare_form {
  fd_ingest_table options;
  const char *by, *known; /* the columns of --by and --known */
  fd_arg table[FD_PREPARE_ARGS];
  fd_args args;
} fd_prepare_form;
void fd_prepare_table_form(fd_prepare_form *form);

fd_status fd_prepare_table(fd_comm *comm, int argc, char **argv, fd_prepare_form *form) FD_MUST_CHECK;

#endif
