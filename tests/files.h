/* Files in a test's scratch folder, and capture of standard output. */
#ifndef FD_TESTS_FILES_H
#define FD_TESTS_FILES_H

#include "check.h"
#include "scratch.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/output.h"

/* A path below the test's folder; valid for the next 31 calls. */
static inline const char *below(const char *a, const char *b) {
  static char buffer[32][FD_PATH_MAX];
  static int next;
  char *out = buffer[next++ % 32];
  assert_ok(fd_path(out, folder, a, b));
  return out;
}

static inline void put(const char *path, const char *text) { assert_ok(fd_write_file(path, text, strlen(text))); }

static inline char *get(const char *path) {
  char *text;
  size_t bytes;
  assert_ok(fd_read_file(path, 64 << 20, &text, &bytes));
  return text;
}

static inline int count_of(const char *text, const char *part) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
  return n;
}

/* Captures what is written to standard output between the two calls. */
static int old_stdout;

static inline void capture_begin(void) {
  fflush(stdout);
  old_stdout = dup(STDOUT_FILENO);
  int fd = open(below("stdout", NULL), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(fd, STDOUT_FILENO);
  close(fd);
}

static inline char *capture_end(void) {
  fflush(stdout);
  dup2(old_stdout, STDOUT_FILENO);
  close(old_stdout);
  return get(below("stdout", NULL));
}

#endif
