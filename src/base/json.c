/* Parses and builds JSON, with checks for lack of memory. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Whether jansson ran out of memory since this was last 0. Its allocator (base/json_memory.c) takes no context, hence the global.
 */
static _Thread_local int lacking;

void fd_json_lacked_memory(void) { lacking = 1; }

/* *root is NULL with FD_MEMORY, or with FD_OK and a syntax error in *error. */
static fd_status load(json_t **root, const char *text, size_t bytes, size_t flags, const char *name, json_error_t *error) {
  lacking = 0;
  *root = json_loadb(text, bytes, flags, error);
  if (!lacking && (*root || json_error_code(error) != json_error_out_of_memory)) return FD_OK;
  json_decref(*root);
  *root = NULL;
  return fd_fail(FD_MEMORY, "%s: out of memory", name);
}

static fd_status parse(json_t **root, const char *text, size_t bytes, size_t flags, const char *name) {
  json_error_t error;
  FD_TRY(load(root, text, bytes, flags, name, &error));
  return *root ? FD_OK : fd_fail(FD_DATA, "%s:%d:%d: not JSON: %s", name, error.line, error.column, error.text);
}

fd_status fd_json_parse(json_t **root, const char *text, size_t bytes, const char *name) {
  return parse(root, text, bytes, JSON_REJECT_DUPLICATES, name);
}

fd_status fd_json_parse_last(json_t **root, const char *text, size_t bytes, const char *name) {
  return parse(root, text, bytes, 0, name);
}

fd_status fd_json_try(json_t **root, const char *text, size_t bytes, const char *name) {
  json_error_t error;
  return load(root, text, bytes, JSON_REJECT_DUPLICATES, name, &error);
}

void fd_json_append(json_t **list, json_t *value) {
  if (!*list) json_decref(value);
  else if (json_array_append_new(*list, value)) json_decref(*list), *list = NULL;
}

void fd_json_set(json_t **object, const char *key, json_t *value) {
  if (!*object) json_decref(value);
  else if (json_object_set_new(*object, key, value)) json_decref(*object), *object = NULL;
}

void fd_json_set_defined(json_t **object, const char *key, double value) {
  if (!isnan(value)) fd_json_set(object, key, json_real(value));
}

char *fd_json_dump(const json_t *value, size_t flags) {
  lacking = 0;
  char *text = json_dumps(value, flags | JSON_ENCODE_ANY);
  errno = 0;
  if (!lacking) return text;
  free(text);
  errno = ENOMEM;
  return NULL;
}

static fd_status failure(const char *name) {
  if (lacking || errno == ENOMEM) return fd_fail(FD_MEMORY, "%s: out of memory", name);
  return fd_fail(FD_DATA, "cannot write %s as JSON: a name is not UTF-8, or a number is not finite", name);
}

fd_status fd_json_built(const json_t *root, const char *name) { return root ? FD_OK : failure(name); }

fd_status fd_json_text(char **text, const json_t *root, size_t flags, const char *name) {
  *text = NULL;
  FD_TRY(fd_json_built(root, name));
  *text = fd_json_dump(root, flags);
  return *text ? FD_OK : failure(name);
}

fd_status fd_json_is_utf8(const char *text, int *good) {
  lacking = 0;
  json_t *copy = json_string(text);
  *good = copy != NULL;
  json_decref(copy);
  return !lacking ? FD_OK : fd_fail(FD_MEMORY, "out of memory for a text");
}
