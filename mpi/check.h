/* The result of an MPI call as a status. */
#ifndef FD_MPI_CHECK_H
#define FD_MPI_CHECK_H

#include <mpi.h>

#include "base/error.h"

/* FD_OK, or FD_LOST with a message: `what` failed, and MPI's reason. */
static inline fd_status fd_mpi_check(int code, const char *what) {
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (code == MPI_SUCCESS) return FD_OK;
  MPI_Error_string(code, text, &length);
  return fd_fail(FD_LOST, "%s failed: %.*s", what, length, text);
}

#endif
