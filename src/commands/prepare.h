/* The parts of findna prepare, shared by its files. */
#ifndef FD_COMMANDS_PREPARE_H
#define FD_COMMANDS_PREPARE_H

#include "base/args.h"
#include "base/file.h"
#include "comm/comm.h"
#include "data/ingest.h"

/* The new folder's name without '/' at its end. */
fd_status fd_prepare_output(const char *given, char output[FD_PATH_MAX]) FD_MUST_CHECK;

/* The command where --table is given: its options, with their defaults, and what reads them. */
enum { FD_PREPARE_ARGS = 16 };
typedef struct fd_prepare_form {
  fd_ingest_table options;
  const char *by, *known; /* the column of either rule */
  fd_arg table[FD_PREPARE_ARGS];
  fd_args args;
} fd_prepare_form;
void fd_prepare_table_form(fd_prepare_form *form);

fd_status fd_prepare_table(fd_comm *comm, int argc, char **argv, fd_prepare_form *form) FD_MUST_CHECK;

#endif
