/* Sorts, finds, joins and splits names of classes. */
#include "data/class_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"

enum { NAMES_MAX = 65536 };

/* What programs write for a value that is missing, beside nothing and NaN. */
static int is_missing(const char *text) {
  static const char *const words[] = {"NA", "<NA>", "N/A", "NULL"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(text, words[i])) return 1;
  return 0;
}

int fd_class_names_is_name(const char *text) {
  char *end;
  if (is_missing(text)) return 0;
  (void)strtod(text, &end);
  while (*end == ' ') end++;
  return *end != '\0';
}

static fd_status check(const char *where, const char *text) {
  int utf8;
  FD_TRY(fd_json_is_utf8(text, &utf8)); /* what is not could not be written to the files that keep names */
  if (!utf8) return fd_fail(FD_DATA, "%s: a label is no UTF-8: names of classes are", where);
  for (const char *at = text; *at; at++)
    if (*at == ',' || (unsigned char)*at < 0x20 || *at == 0x7f)
      return fd_fail(FD_DATA, "%s: the label '%.40s' has a comma or a control character: names of classes have none", where,
                     text);
  return FD_OK;
}

static int compare(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static fd_status add(fd_class_names *names, size_t *capacity, const char *text, size_t length) {
  FD_TRY(fd_grow(&names->name, capacity, (size_t)names->count + 1, sizeof *names->name, "names of classes"));
  if (!(names->name[names->count] = strndup(text, length))) return fd_fail(FD_MEMORY, "no memory for the name of a class");
  names->count++;
  return FD_OK;
}

fd_status fd_class_names_of(fd_class_names *names, const char *where, const char *const *text, int count) {
  const char **sorted;
  size_t capacity = 0;
  *names = (fd_class_names){0};
  FD_TRY(fd_alloc(&sorted, (size_t)count, sizeof *sorted, "names of classes"));
  fd_status status = FD_OK;
  for (int i = 0; i < count; i++) sorted[i] = text[i];
  qsort(sorted, (size_t)count, sizeof *sorted, compare);
  for (int i = 0; i < count; i++) {
    if (i && !strcmp(sorted[i], sorted[i - 1])) continue;
    if (names->count == NAMES_MAX)
      FD_GO(fd_fail(FD_DATA, "%s: more than %d different labels: are they names of classes?", where, NAMES_MAX));
    FD_GO(check(where, sorted[i]));
    FD_GO(add(names, &capacity, sorted[i], strlen(sorted[i])));
  }
done:
  free(sorted);
  if (status != FD_OK) fd_class_names_free(names);
  return status;
}

int fd_class_names_find(const fd_class_names *names, const char *text) {
  if (!names->count) return -1;
  char **found = bsearch(&text, names->name, (size_t)names->count, sizeof *names->name, compare);
  return found ? (int)(found - names->name) : -1;
}

fd_status fd_class_names_join(const fd_class_names *names, char *text, size_t room) {
  size_t used = 0;
  *text = '\0';
  for (int i = 0; i < names->count; i++) {
    size_t length = strlen(names->name[i]) + (i > 0);
    if (used + length >= room)
      return fd_fail(FD_DATA, "the names of %d classes are longer than %zu bytes together; shorten them, or number the classes",
                     names->count, room - 1);
    snprintf(text + used, room - used, "%s%s", i ? "," : "", names->name[i]);
    used += length;
  }
  return FD_OK;
}

fd_status fd_class_names_split(fd_class_names *names, const char *text) {
  size_t capacity = 0;
  fd_status status = FD_OK;
  *names = (fd_class_names){0};
  for (const char *at = text; *at && status == FD_OK;) {
    size_t length = strcspn(at, ",");
    status = add(names, &capacity, at, length);
    at += length + (at[length] == ',');
  }
  if (status != FD_OK) fd_class_names_free(names);
  return status;
}

void fd_class_names_free(fd_class_names *names) {
  for (int i = 0; i < names->count; i++) free(names->name[i]);
  free(names->name);
  *names = (fd_class_names){0};
}
