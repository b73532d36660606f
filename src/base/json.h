/* JSON by jansson, checked: lack of memory is distinguished from bad input, and values that are built are never silently
 * incomplete. jansson reports only some lack of memory; the rest is detected after fd_json_watch_memory (base/json_memory.h). */
#ifndef FD_BASE_JSON_H
#define FD_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

/* Parses a text; `name` is for messages. FD_DATA with name:line:column, also for a duplicate key, or FD_MEMORY. */
fd_status fd_json_parse(json_t **root, const char *text, size_t bytes, const char *name) FD_MUST_CHECK;

/* The same for an object in which a key may be there several times, and whose last value counts, as in Python. */
fd_status fd_json_parse_last(json_t **root, const char *text, size_t bytes, const char *name) FD_MUST_CHECK;

/* The same for arbitrary text: *root is NULL, with FD_OK, when it is not JSON. */
fd_status fd_json_try(json_t **root, const char *text, size_t bytes, const char *name) FD_MUST_CHECK;

/* Add a new value and take ownership of it. After a failure (no memory, a text that is not UTF-8, a number that is not finite:
 * jansson's value is then NULL) the whole object or list is NULL, which these functions and json_pack propagate up to
 * fd_json_text. */
void fd_json_append(json_t **list, json_t *value);
void fd_json_set(json_t **object, const char *key, json_t *value);

/* Adds a number unless it is NAN: a value that is undefined is absent. */
void fd_json_set_defined(json_t **object, const char *key, double value);

/* The text of any value, released with free(), or NULL. */
char *fd_json_dump(const json_t *value, size_t flags);

/* FD_OK unless `root` is NULL: FD_MEMORY when memory was exhausted, else FD_DATA for a text that is not UTF-8 or a number that is
 * not finite. Called immediately after building: the reason is in errno. */
fd_status fd_json_built(const json_t *root, const char *name) FD_MUST_CHECK;

/* The text of a built value, released with free(). A NULL root fails as in fd_json_built. */
fd_status fd_json_text(char **text, const json_t *root, size_t flags, const char *name) FD_MUST_CHECK;

/* Called by jansson's allocator when it has no memory: the call in progress on this thread then fails with FD_MEMORY. */
void fd_json_lacked_memory(void);

/* Whether a text is UTF-8, as JSON requires; FD_MEMORY when there is no memory for the check. */
fd_status fd_json_is_utf8(const char *text, int *good) FD_MUST_CHECK;

#endif
