/* JSON by jansson, checked: lack of memory is told from damage, and nothing is left out of what is built. */
#ifndef FD_BASE_JSON_H
#define FD_BASE_JSON_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

/* Parses a text; `name` is for messages. FD_DATA with name:line:column, or FD_MEMORY. A key that is there twice is damage. */
fd_status fd_json_parse(json_t **root, const char *text, size_t bytes, const char *name) FD_MUST_CHECK;

/* The same of what may be anything: NULL, and FD_OK, for what is not JSON. */
fd_status fd_json_try(json_t **root, const char *text, size_t bytes, const char *name) FD_MUST_CHECK;

/* Add a new value, which is taken over. A failure (no memory, a text that is not UTF-8, a number that is not finite: jansson's
 * value is NULL then) makes the whole object or list NULL, which these and json_pack pass on up to fd_json_text. */
void fd_json_append(json_t **list, json_t *value);
void fd_json_set(json_t **object, const char *key, json_t *value);

/* The text of any value, released with free(), or NULL. */
char *fd_json_dump(const json_t *value, size_t flags);

/* FD_OK when something was built; else why not. To be asked at once: the reason is in errno. */
fd_status fd_json_built(const json_t *root, const char *name) FD_MUST_CHECK;

/* The text of what was built, released with free(). NULL is as in fd_json_built. */
fd_status fd_json_text(char **text, const json_t *root, size_t flags, const char *name) FD_MUST_CHECK;

/* Whether a text is UTF-8, as all texts in JSON are; FD_MEMORY when that cannot be found out. */
fd_status fd_json_is_utf8(const char *text, int *good) FD_MUST_CHECK;

#endif
