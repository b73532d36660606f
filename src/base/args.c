/* Command-line options from a table. */
#include "base/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/help.h"

enum { SEEN_MAX = 128 }; /* options per command, at most */

static int edit_distance(const char *a, const char *b) {
  enum { MAX = 63 };
  int row[MAX + 1], m = (int)strlen(a), n = (int)strlen(b);
  if (m > MAX || n > MAX) return MAX;
  for (int j = 0; j <= n; j++) row[j] = j;
  for (int i = 1; i <= m; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      int best = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[n];
}

const char *fd_nearest(const char *word, const char *const *names, int count) {
  const char *best = NULL;
  int length = (int)strlen(word), best_distance = length / 3 + 2;
  for (int i = 0; i < count; i++) {
    if (abs(length - (int)strlen(names[i])) >= best_distance) continue; /* the distance is at least that */
    int distance = edit_distance(word, names[i]);
    if (distance < best_distance) best_distance = distance, best = names[i];
  }
  return best;
}

const fd_args *fd_args_next(const fd_args *args) {
  const fd_arg *a = args->table;
  while (a->name) a++;
  return a->value;
}

int fd_args_word(const fd_arg *a, int index, char *out, size_t size) {
  const char *at = a->placeholder;
  for (; index > 0 && at; index--) at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL;
  if (at) snprintf(out, size, "%.*s", (int)strcspn(at, "|"), at);
  return at != NULL;
}

static fd_status unknown_option(const fd_args *args, const char *word, int length) {
  char name[128];
  const char *names[128];
  int count = 0;
  for (const fd_arg *a = args->table; a->name && count < 128; a++) names[count++] = a->name;
  snprintf(name, sizeof name, "%.*s", length, word);
  const char *near = fd_nearest(name, names, count);
  if (strchr(name, '.'))
    return fd_fail(FD_USAGE, "findna %s: unknown option --%s; keys of a config file are given without '--': %s=VALUE",
                   args->command, name, name);
  return fd_fail(FD_USAGE, "findna %s: unknown option --%s%s%s%s; see findna %s --help", args->command, name,
                 near ? " (did you mean --" : "", near ? near : "", near ? "?)" : "", args->command);
}

static fd_status set_number(const fd_args *args, const fd_arg *a, const char *text) {
  char *end;
  errno = 0;
  double number = a->kind == FD_ARG_INT ? (double)strtoll(text, &end, 10) : strtod(text, &end);
  if (end == text || *end || errno || !(number >= a->min && number <= a->max))
    return fd_fail(FD_USAGE, "findna %s: --%s %s: expected %s from %.15g to %.15g", args->command, a->name, text,
                   a->kind == FD_ARG_INT ? "a whole number" : "a number", a->min, a->max);
  if (a->kind == FD_ARG_INT) *(int64_t *)a->value = strtoll(text, &end, 10);
  else *(double *)a->value = number;
  return FD_OK;
}

static fd_status add_items(const fd_args *args, const fd_arg *a, char *text) {
  fd_list *list = a->value;
  int before = list->count;
  for (char *item = strtok(text, ","); item; item = strtok(NULL, ",")) {
    if (list->count == FD_LIST_MAX)
      return fd_fail(FD_USAGE, "findna %s: --%s takes at most %d items", args->command, a->name, FD_LIST_MAX);
    list->item[list->count++] = item;
  }
  if (list->count == before)
    return fd_fail(FD_USAGE, "findna %s: --%s has no item; expected names separated by commas, or leave it out", args->command,
                   a->name);
  return FD_OK;
}

static fd_status set_choice(const fd_args *args, const fd_arg *a, const char *text) {
  char word[32], next[32], expected[256] = "";
  for (int i = 0; fd_args_word(a, i, word, sizeof word); i++) {
    if (!strcmp(text, word)) {
      *(int *)a->value = i;
      return FD_OK;
    }
    size_t used = strlen(expected);
    snprintf(expected + used, sizeof expected - used, "%s%s",
             !i                                          ? ""
             : fd_args_word(a, i + 1, next, sizeof next) ? ", "
                                                         : " or ",
             word);
  }
  return fd_fail(FD_USAGE, "findna %s: --%s %s: expected %s", args->command, a->name, text, expected);
}

static fd_status set_value(const fd_args *args, const fd_arg *a, char *text) {
  switch (a->kind) {
    case FD_ARG_INT:
    case FD_ARG_REAL: return set_number(args, a, text);
    case FD_ARG_TEXT: *(const char **)a->value = text; return FD_OK;
    case FD_ARG_CHOICE: return set_choice(args, a, text);
    case FD_ARG_LIST: return add_items(args, a, text);
    case FD_ARG_FLAG: break;
  }
  return FD_OK;
}

/* The option that a word names, or NULL. *text: its value if written in the same word (--name=value), else NULL. */
static const fd_arg *find(const fd_args *args, const char *word, const char **text) {
  size_t length = strcspn(word + 2, "=");
  *text = word[2 + length] ? word + 2 + length + 1 : NULL;
  for (const fd_arg *a = args->table; a->name; a++)
    if (strlen(a->name) == length && !strncmp(a->name, word + 2, length)) return a;
  return NULL;
}

int fd_args_given(const fd_args *args, int argc, char *const *argv, const char *name) {
  for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
    const char *text;
    const fd_arg *a = strncmp(argv[i], "--", 2) ? NULL : find(args, argv[i], &text);
    if (!a) continue;
    if (!strcmp(a->name, name)) return 1;
    i += a->kind != FD_ARG_FLAG && !text; /* its value may look like an option */
  }
  return 0;
}

/* Rejects a repeated option with a single value, as it is unclear which value is meant. Flags and lists may be repeated. */
static fd_status check_once(const fd_args *args, const fd_arg *a, unsigned char *seen) {
  size_t index = (size_t)(a - args->table);
  if (a->kind == FD_ARG_FLAG || a->kind == FD_ARG_LIST || index >= SEEN_MAX) return FD_OK;
  if (seen[index]++) return fd_fail(FD_USAGE, "findna %s: --%s is given twice; it takes one value", args->command, a->name);
  return FD_OK;
}

/* Takes a word that is no option. */
static fd_status add_word(const fd_args *args, const char *word, const char **positional, int max, int *count) {
  if (*count == max)
    return fd_fail(FD_USAGE, "findna %s: unexpected argument '%s': at most %d are taken; usage: findna %s %s", args->command,
                   word, max, args->command, args->usage);
  positional[(*count)++] = word;
  return FD_OK;
}

fd_status fd_args_parse(const fd_args *args, int argc, char **argv, const char **positional, int max, int *count, int *helped) {
  unsigned char seen[SEEN_MAX] = {0};
  fd_help_form form;
  int i = 1;
  *count = 0;
  *helped = 0;
  for (; i < argc && strcmp(argv[i], "--"); i++) {
    char *word = argv[i];
    FD_TRY(fd_help_asked(word, helped, &form));
    if (*helped) {
      fd_help_print(args, form);
      return FD_OK;
    }
    if (strncmp(word, "--", 2)) {
      FD_TRY(add_word(args, word, positional, max, count));
      continue;
    }
    const char *text;
    const fd_arg *a = find(args, word, &text);
    if (!a) return unknown_option(args, word + 2, (int)strcspn(word + 2, "="));
    FD_TRY(check_once(args, a, seen));
    if (a->kind == FD_ARG_FLAG) {
      if (text) return fd_fail(FD_USAGE, "findna %s: --%s takes no value", args->command, a->name);
      *(int *)a->value = 1;
      continue;
    }
    if (!text && i + 1 == argc)
      return fd_fail(FD_USAGE, "findna %s: --%s needs a value (%s)", args->command, a->name, a->placeholder);
    FD_TRY(set_value(args, a, text ? (char *)text : argv[++i]));
  }
  for (i++; i < argc; i++) FD_TRY(add_word(args, argv[i], positional, max, count)); /* after "--" */
  return FD_OK;
}
