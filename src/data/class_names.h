/* The names of a task's classes: class i is name[i]. Names taken from rows are in alphabetical order. */
#ifndef FD_DATA_CLASS_NAMES_H
#define FD_DATA_CLASS_NAMES_H

#include <stddef.h>

#include "base/error.h"
#include "base/hash.h"

/* Limits of a list: total bytes, and number of names. */
enum { FD_CLASS_NAMES_BYTES = 16 << 20, FD_CLASS_NAMES_MAX = 65536 };

typedef struct fd_class_names {
  int count; /* 0: classes are numbers and have no names */
  char **name;
  size_t room, bytes; /* room: capacity of the list; bytes: of all names */
} fd_class_names;

/* Whether a label is a name: not empty, not a number and not a missing value (nan and inf count as numbers). */
int fd_class_names_is_name(const char *text);

/* FD_DATA for a text that a list could not store: with a comma or a control character, or not UTF-8; `where` is for the message.
 */
fd_status fd_class_names_check(const char *where, const char *text) FD_MUST_CHECK;

/* Makes names of the distinct texts among `count` (any order, borrowed), sorted. Each must pass fd_class_names_check. */
fd_status fd_class_names_of(fd_class_names *names, const char *where, const char *const *text, int count) FD_MUST_CHECK;

/* The class of a name in a sorted list (fd_class_names_of), or -1. */
int fd_class_names_find(const fd_class_names *names, const char *text);

/* The names as the content of a file, one per line. Release *text with free(). */
fd_status fd_class_names_text(const fd_class_names *names, char **text, size_t *bytes) FD_MUST_CHECK;

/* Parses such content; anything that fd_class_names_text does not write is FD_DATA. `path` is for messages. */
fd_status fd_class_names_read(fd_class_names *names, const char *text, size_t bytes, const char *path) FD_MUST_CHECK;

/* SHA-256 of that content, so of the names and their order; "" without names. */
fd_status fd_class_names_hash(const fd_class_names *names, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* Appends a name; `names` is zeroed before the first one. FD_DATA as above; `where` is for messages. */
fd_status fd_class_names_add(fd_class_names *names, const char *where, const char *text) FD_MUST_CHECK;

/* Parses comma-separated names, as older versions stored them. */
fd_status fd_class_names_split(fd_class_names *names, const char *text) FD_MUST_CHECK;

/* The names for a message: all, or the first of many and their number. */
void fd_class_names_show(const fd_class_names *names, char *text, size_t room);

/* Whether two lists of names differ; if so, writes the first difference to `what` [room]: "class 3 is 'a', not 'b'". */
int fd_class_names_differ(const fd_class_names *a, const fd_class_names *b, char *what, size_t room);

void fd_class_names_free(fd_class_names *names);

#endif
