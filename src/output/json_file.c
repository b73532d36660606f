/* Reads and writes JSON files of results. */
#include "output/json_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/output.h"

enum { BYTES_MAX = 16 << 20 }; /* parsed JSON takes up to 80 times the memory of its text */

fd_status fd_json_read(const char *path, json_t **object) {
  char *text;
  size_t bytes;
  *object = NULL;
  if (fd_is_absent(path)) return FD_OK;
  FD_TRY(fd_read_file(path, BYTES_MAX, &text, &bytes));
  fd_status status = fd_json_parse(object, text, bytes, path);
  free(text);
  FD_TRY(status);
  if (json_is_object(*object)) return FD_OK;
  json_decref(*object);
  *object = NULL;
  return fd_fail(FD_DATA, "%s: not a JSON object", path);
}

/* Joins each list of plain values into one line, in place; otherwise a curve of a hundred points would take a hundred lines. */
static void join_lists(char *text) {
  int quoted = 0, joining = 0;
  char *to = text;
  for (const char *at = text; *at; at++) {
    if (*at == '\\' && quoted) {
      *to++ = *at++;
      *to++ = *at;
      continue;
    }
    if (*at == '"') quoted = !quoted;
    if (*at == '[' && !quoted) joining = at[1 + strcspn(at + 1, "[]{}\"")] == ']';
    if (*at == ']' && !quoted) joining = 0;
    if (*at == '\n' && joining) {
      at += strspn(at + 1, " ");
      if (to[-1] == ',') *to++ = ' ';
      continue;
    }
    *to++ = *at;
  }
  *to = '\0';
}

fd_status fd_json_write(const char *path, const json_t *object) {
  char *text;
  FD_TRY(fd_json_text(&text, object, JSON_INDENT(2) | JSON_REAL_PRECISION(9), path));
  join_lists(text);
  fd_status status = fd_write_file(path, text, strlen(text));
  free(text);
  return status;
}
