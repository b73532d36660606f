/* The last message of the program, for tests of what it says: after fd_log_to(keep), `said` holds it. */
#ifndef FD_TESTS_SAID_H
#define FD_TESTS_SAID_H

#include <stdio.h>

#include "base/log.h"

static char said[4096];

static void keep(const char *level, const char *text) {
  (void)level;
  snprintf(said, sizeof said, "%s", text);
}

#endif
