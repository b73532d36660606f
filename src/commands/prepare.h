/* The parts of findna prepare, shared by its files. */
#ifndef FD_COMMANDS_PREPARE_H
#define FD_COMMANDS_PREPARE_H

#include "base/file.h"
#include "comm/comm.h"

/* The new folder's name without '/' at its end. */
fd_status fd_prepare_output(const char *given, char output[FD_PATH_MAX]) FD_MUST_CHECK;

/* The command where --table is given. */
fd_status fd_prepare_table(fd_comm *comm, int argc, char **argv) FD_MUST_CHECK;

#endif
