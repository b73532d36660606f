/* The help of the program in its forms: text for a terminal, pages for man, and words for the completion of shells. All are made
 * from the tables that the program itself reads, so that none of them can be out of date. */
#ifndef FD_BASE_HELP_H
#define FD_BASE_HELP_H

#include <stdio.h>

#include "base/args.h"

/* `--help` and `--help=text`; `--help=man`: a page of man(7); `--help=words`: a line for each word that may come next, its fields
 * separated by tabs: the word, the placeholder of its value (empty: none), its help. */
typedef enum fd_help_form { FD_HELP_TEXT, FD_HELP_MAN, FD_HELP_WORDS } fd_help_form;

/* Whether `word` asks for help, and in which form. -h and --help ask for text; another form after "--help=" is FD_USAGE. */
fd_status fd_help_asked(const char *word, int *asked, fd_help_form *form) FD_MUST_CHECK;

/* The options of a subcommand with their defaults, to standard output. */
void fd_help_print(const fd_args *args, fd_help_form form);

/* Text in a page of man: characters that roff would obey are escaped; in place of a new line, `line` is printed. */
void fd_help_roff(FILE *out, const char *text, const char *line);

/* The head of a page: its title, its section, what the program is called there, and a line about it. */
void fd_help_page(FILE *out, const char *title, int section, const char *name, const char *about);

#endif
