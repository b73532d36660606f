/* The program's help in three forms: text for a terminal, man pages, and words for shell completion. All are generated from the
 * tables that the program itself parses options with, so that they cannot be out of date. */
#ifndef FD_BASE_HELP_H
#define FD_BASE_HELP_H

#include <stdio.h>

#include "base/args.h"

/* `--help` and `--help=text`; `--help=man`: a man page (man(7)); `--help=words`: one line per possible next word with
 * tab-separated fields: the word, the placeholder of its value (empty: none), its help. */
typedef enum fd_help_form { FD_HELP_TEXT, FD_HELP_MAN, FD_HELP_WORDS } fd_help_form;

/* Whether `word` requests help, and in which form. -h and --help request text; an unknown form after "--help=" is FD_USAGE. */
fd_status fd_help_asked(const char *word, int *asked, fd_help_form *form) FD_MUST_CHECK;

/* The options of a subcommand with their defaults, to standard output. */
void fd_help_print(const fd_args *args, fd_help_form form);

/* Prints text of a man page with roff's special characters escaped and each newline replaced by `line`. */
void fd_help_roff(FILE *out, const char *text, const char *line);

/* Prints the head of a man page: title, section, and the NAME section with a one-line description. */
void fd_help_page(FILE *out, const char *title, int section, const char *name, const char *about);

#endif
