/* Sorts, finds, writes and reads names of classes. */
#include "data/class_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/fields.h"

int fd_class_names_is_name(const char *text) {
  char *end;
  if (fd_is_missing(text)) return 0;
  (void)strtod(text, &end);
  while (*end == ' ') end++;
  return *end != '\0';
}

fd_status fd_class_names_check(const char *where, const char *text) {
  int utf8;
  FD_TRY(fd_json_is_utf8(text, &utf8)); /* required by the files that store names */
  if (!utf8) return fd_fail(FD_DATA, "%s: a label is no UTF-8, as names of classes must be", where);
  for (const char *at = text; *at; at++)
    if (*at == ',' || (unsigned char)*at < 0x20 || *at == 0x7f)
      return fd_fail(FD_DATA, "%s: the label '%.40s' has a comma or a control character, which names of classes must not have",
                     where, text);
  return FD_OK;
}

static int compare(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static fd_status add(fd_class_names *names, const char *text, size_t length) {
  FD_TRY(fd_grow(&names->name, &names->room, (size_t)names->count + 1, sizeof *names->name, "names of classes"));
  if (!(names->name[names->count] = strndup(text, length))) return fd_fail(FD_MEMORY, "no memory for the name of a class");
  names->count++;
  names->bytes += length + 1;
  return FD_OK;
}

fd_status fd_class_names_add(fd_class_names *names, const char *where, const char *text) {
  size_t length = strlen(text);
  FD_TRY(fd_class_names_check(where, text));
  if (!length) return fd_fail(FD_DATA, "%s: the name of class %d is empty", where, names->count);
  if (names->count == FD_CLASS_NAMES_MAX || names->bytes + length >= FD_CLASS_NAMES_BYTES)
    return fd_fail(FD_DATA, "%s: more than %d different labels, or %d bytes of them: are they names of classes?", where,
                   FD_CLASS_NAMES_MAX, FD_CLASS_NAMES_BYTES);
  return add(names, text, length);
}

fd_status fd_class_names_of(fd_class_names *names, const char *where, const char *const *text, int count) {
  const char **sorted;
  *names = (fd_class_names){0};
  FD_TRY(fd_alloc(&sorted, (size_t)count, sizeof *sorted, "names of classes"));
  fd_status status = FD_OK;
  for (int i = 0; i < count; i++) sorted[i] = text[i];
  qsort(sorted, (size_t)count, sizeof *sorted, compare);
  for (int i = 0; i < count; i++) {
    if (i && !strcmp(sorted[i], sorted[i - 1])) continue;
    FD_GO(fd_class_names_add(names, where, sorted[i]));
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

fd_status fd_class_names_text(const fd_class_names *names, char **text, size_t *bytes) {
  FILE *out;
  FD_TRY(fd_text_open(&out, text, bytes));
  for (int i = 0; i < names->count; i++) fprintf(out, "%s\n", names->name[i]);
  return fd_text_close(out, text);
}

fd_status fd_class_names_read(fd_class_names *names, const char *text, size_t bytes, const char *path) {
  fd_status status = FD_OK;
  char *copy = NULL, *rest;
  *names = (fd_class_names){0};
  if (!bytes || text[bytes - 1] != '\n' || memchr(text, '\0', bytes))
    return fd_fail(FD_DATA, "%s: expected the names of classes, a line each", path);
  FD_TRY(fd_alloc(&copy, bytes, 1, "names of classes"));
  memcpy(copy, text, bytes - 1);
  rest = copy;
  for (char *line; status == FD_OK && (line = strsep(&rest, "\n"));) status = fd_class_names_add(names, path, line);
  free(copy);
  if (status != FD_OK) fd_class_names_free(names);
  return status;
}

fd_status fd_class_names_hash(const fd_class_names *names, char hex[FD_SHA256_HEX]) {
  unsigned char digest[FD_SHA256_BYTES];
  char *text;
  size_t bytes;
  *hex = '\0';
  if (!names->count) return FD_OK;
  FD_TRY(fd_class_names_text(names, &text, &bytes));
  fd_status status = fd_sha256_of(text, bytes, digest);
  free(text);
  if (status == FD_OK) fd_hex(hex, digest);
  return status;
}

fd_status fd_class_names_split(fd_class_names *names, const char *text) {
  fd_status status = FD_OK;
  *names = (fd_class_names){0};
  for (const char *at = text; *at && status == FD_OK;) {
    size_t length = strcspn(at, ",");
    status = add(names, at, length);
    at += length + (at[length] == ',');
  }
  if (status != FD_OK) fd_class_names_free(names);
  return status;
}

void fd_class_names_show(const fd_class_names *names, char *text, size_t room) {
  size_t used = 0, end = 32; /* room for the ellipsis and the count */
  *text = '\0';
  for (int i = 0; i < names->count; i++) {
    if (used + strlen(names->name[i]) + end >= room) {
      snprintf(text + used, room - used, "%s... (%d)", i ? "," : "", names->count);
      return;
    }
    used += (size_t)snprintf(text + used, room - used, "%s%s", i ? "," : "", names->name[i]);
  }
}

int fd_class_names_differ(const fd_class_names *a, const fd_class_names *b, char *what, size_t room) {
  int least = a->count < b->count ? a->count : b->count;
  for (int i = 0; i < least; i++)
    if (strcmp(a->name[i], b->name[i]))
      return snprintf(what, room, "class %d is '%.80s', not '%.80s'", i, b->name[i], a->name[i]), 1;
  if (a->count == b->count) return 0;
  return snprintf(what, room, "there are %d classes, not %d", b->count, a->count), 1;
}

void fd_class_names_free(fd_class_names *names) {
  for (int i = 0; i < names->count; i++) free(names->name[i]);
  free(names->name);
  *names = (fd_class_names){0};
}
