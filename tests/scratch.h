/* A temporary folder of a test program, for cmocka's group setup and teardown. */
#ifndef FD_TESTS_SCRATCH_H
#define FD_TESTS_SCRATCH_H

#include "base/output.h"

static char folder[] = "/tmp/findna-test-XXXXXX";

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  return fd_remove_folder(folder);
}

#endif
