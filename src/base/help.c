/* Prints the program's help as text, man pages and completion words. */
#include "base/help.h"

#include <ctype.h>
#include <string.h>

#include "base/version.h"

fd_status fd_help_asked(const char *word, int *asked, fd_help_form *form) {
  *asked = 1;
  *form = FD_HELP_TEXT;
  if (!strcmp(word, "--help") || !strcmp(word, "-h")) return FD_OK;
  *asked = !strncmp(word, "--help=", 7);
  if (!*asked || !strcmp(word + 7, "text")) return FD_OK;
  *form = !strcmp(word + 7, "man") ? FD_HELP_MAN : FD_HELP_WORDS;
  if (*form == FD_HELP_MAN || !strcmp(word + 7, "words")) return FD_OK;
  return fd_fail(FD_USAGE, "%s: expected --help, --help=text, --help=man or --help=words", word);
}

/* The default of an option, as text; empty: none. */
static void default_of(const fd_arg *a, char *out, size_t size) {
  *out = '\0';
  if (a->kind == FD_ARG_INT) snprintf(out, size, "%lld", (long long)*(int64_t *)a->value);
  if (a->kind == FD_ARG_REAL) snprintf(out, size, "%g", *(double *)a->value);
  if (a->kind == FD_ARG_CHOICE && *(int *)a->value >= 0) fd_args_word(a, *(int *)a->value, out, size);
  if (a->kind == FD_ARG_TEXT && *(const char **)a->value) snprintf(out, size, "%s", *(const char **)a->value);
}

static void print_text(const fd_args *args) {
  printf("usage: findna %s %s\n\n%s\n", args->command, args->usage, args->about);
  if (args->table->name) printf("\noptions:\n");
  for (const fd_arg *a = args->table; a->name; a++) {
    char left[64], value[64];
    default_of(a, value, sizeof value);
    snprintf(left, sizeof left, "--%s%s%s", a->name, a->kind == FD_ARG_FLAG ? "" : " ",
             a->kind == FD_ARG_FLAG ? "" : a->placeholder);
    printf("  %-26s %s%s%s%s\n", left, a->help, *value ? " (default " : "", value, *value ? ")" : "");
  }
  if (fd_args_next(args)) printf("\n"), print_text(fd_args_next(args));
}

void fd_help_roff(FILE *out, const char *text, const char *line) {
  int first = 1; /* a dot or an apostrophe at the beginning of a line starts a roff request */
  for (const char *c = text; *c; c++) {
    if (first && (*c == '.' || *c == '\'')) fputs("\\&", out);
    first = *c == '\n';
    if (*c == '\n') fputs(line, out);
    else if (*c == '\\') fputs("\\e", out);
    else if (*c == '-') fputs("\\-", out);
    else fputc(*c, out);
  }
}

void fd_help_page(FILE *out, const char *title, int section, const char *name, const char *about) {
  fputs(".TH ", out);
  for (const char *c = title; *c; c++) fputc(toupper((unsigned char)*c), out);
  fprintf(out, " %d \"\" \"findna %s\" \"findna\"\n.nh\n.SH NAME\n%s \\- ", section, fd_version(), name);
  fd_help_roff(out, about, " ");
  fputc('\n', out);
}

/* The text up to its first full stop or end of line: the description that man -k shows. */
static void first_sentence(const char *text, char *out, size_t size) {
  size_t n = 0;
  for (; text[n] && text[n] != '\n' && n + 1 < size; n++)
    if (n && text[n - 1] == '.' && text[n] == ' ') break;
  while (n && (text[n - 1] == '.' || text[n - 1] == ' ' || text[n - 1] == ':')) n--;
  snprintf(out, size, "%.*s", (int)n, text);
}

static void print_man_options(const fd_args *args) {
  char value[64];
  for (const fd_arg *a = args->table; a->name; a++) {
    printf(".TP\n.B \\-\\-");
    fd_help_roff(stdout, a->name, "");
    if (a->kind != FD_ARG_FLAG) printf(" \\fI"), fd_help_roff(stdout, a->placeholder, " "), printf("\\fR");
    printf("\n");
    fd_help_roff(stdout, a->help, " ");
    default_of(a, value, sizeof value);
    if (*value) printf(" (default "), fd_help_roff(stdout, value, " "), printf(")");
    printf("\n");
  }
}

static void print_man(const fd_args *args) {
  char name[64], about[256];
  snprintf(name, sizeof name, "findna-%s", args->command);
  first_sentence(args->about, about, sizeof about);
  fd_help_page(stdout, name, 1, name, about);
  printf(".SH SYNOPSIS\n");
  for (const fd_args *form = args; form; form = fd_args_next(form)) {
    printf("%s.B findna %s\n", form == args ? "" : ".br\n", form->command);
    fd_help_roff(stdout, form->usage, " ");
    printf("\n");
  }
  for (const fd_args *form = args; form; form = fd_args_next(form)) {
    printf(form == args ? ".SH DESCRIPTION\n" : ".SH ");
    if (form != args) fd_help_roff(stdout, form->usage, " "), printf("\n");
    fd_help_roff(stdout, form->about, "\n");
    printf("\n");
    if (form == args && form->table->name) printf(".SH OPTIONS\n");
    print_man_options(form);
  }
  printf(".SH SEE ALSO\n.BR findna (1),\n.BR findna.yaml (5)\n");
}

/* Whether an earlier form also has the option. */
static int is_named(const fd_args *args, const fd_args *end, const char *name) {
  for (; args != end; args = fd_args_next(args))
    for (const fd_arg *a = args->table; a->name; a++)
      if (!strcmp(a->name, name)) return 1;
  return 0;
}

static void print_words(const fd_args *args) {
  for (const fd_args *form = args; form; form = fd_args_next(form))
    for (const fd_arg *a = form->table; a->name; a++)
      if (!is_named(args, form, a->name))
        printf("--%s\t%s\t%s\n", a->name, a->kind == FD_ARG_FLAG ? "" : a->placeholder, a->help);
}

void fd_help_print(const fd_args *args, fd_help_form form) {
  if (form == FD_HELP_TEXT) print_text(args);
  if (form == FD_HELP_MAN) print_man(args);
  if (form == FD_HELP_WORDS) print_words(args);
}
