/* Command-line options of a subcommand, parsed by one table that also generates its --help. */
#ifndef FD_BASE_ARGS_H
#define FD_BASE_ARGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum fd_arg_kind { FD_ARG_FLAG, FD_ARG_INT, FD_ARG_REAL, FD_ARG_TEXT, FD_ARG_LIST, FD_ARG_CHOICE } fd_arg_kind;

enum { FD_LIST_MAX = 1024 };

/* A comma-separated or repeated option: the texts are borrowed from argv, whose words are cut at the commas in place. */
typedef struct fd_list {
  int count;
  const char *item[FD_LIST_MAX];
} fd_list;

/* One option. `value` points to an int (FLAG), int64_t (INT), double (REAL), const char * (TEXT) or fd_list (LIST) that holds
 * the default; INT and REAL are checked against [min, max]. A CHOICE is an int, the index of a word in `placeholder` ("a|b|c"),
 * whose default may be -1: none. */
typedef struct fd_arg {
  const char *name; /* without the leading "--" */
  fd_arg_kind kind;
  void *value;
  double min, max;
  const char *placeholder; /* shown in --help: N, FILE, ... */
  const char *help;
} fd_arg;

/* The arguments of a subcommand: `usage` is the text after "findna NAME", `about` a paragraph of description. The table ends with
 * a NULL name, whose value is NULL or points to another fd_args: an alternative form of the subcommand with other options, which
 * --help also shows. */
typedef struct fd_args {
  const char *command, *usage, *about;
  const fd_arg *table;
} fd_args;

/* Fills the values from argv[1..]; the rest, in order, goes to positional[0..*count-1] (borrowed). FD_USAGE: an unknown option
 * (the message suggests the nearest known one), a bad value, or a single-valued option given twice. --help prints the help
 * (base/help.h) and sets *helped to 1. After "--" all words are positional, also those that begin with "--". */
fd_status fd_args_parse(const fd_args *args, int argc, char **argv, const char **positional, int max, int *count,
                        int *helped) FD_MUST_CHECK;

/* The next form of a subcommand, or NULL. */
const fd_args *fd_args_next(const fd_args *args);

/* Copies word number `index` of a CHOICE's "a|b|c" to out[size]. Returns 0 past the last word. */
int fd_args_word(const fd_arg *a, int index, char *out, size_t size);

/* Whether argv contains an option: for rejecting options that have no effect together with others instead of ignoring them. */
int fd_args_given(const fd_args *args, int argc, char *const *argv, const char *name);

/* The name nearest to `word` by edit distance, or NULL when none is near: for "did you mean ...?". */
const char *fd_nearest(const char *word, const char *const *names, int count);

#endif
