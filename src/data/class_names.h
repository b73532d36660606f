/* The names of a task's classes: class i is name[i]. Those of rows are in the alphabet's order. */
#ifndef FD_DATA_CLASS_NAMES_H
#define FD_DATA_CLASS_NAMES_H

#include <stddef.h>

#include "base/error.h"
#include "base/hash.h"

/* All of them together have at most so many bytes, and are at most so many. */
enum { FD_CLASS_NAMES_BYTES = 16 << 20, FD_CLASS_NAMES_MAX = 65536 };

typedef struct fd_class_names {
  int count; /* 0: classes are numbers and have no names */
  char **name;
  size_t room, bytes; /* room: of the list; bytes: of their text */
} fd_class_names;

/* Whether a label is a name and no number (nan and inf are numbers: what is missing is no class), and not empty. */
int fd_class_names_is_name(const char *text);

/* Takes the distinct texts of `count` (any order, borrowed) as names. FD_DATA for one with a comma or a control character, which
 * could not be written down as a list; `where` names the file. */
fd_status fd_class_names_of(fd_class_names *names, const char *where, const char *const *text, int count) FD_MUST_CHECK;

/* The class of a name among those of rows, or -1. */
int fd_class_names_find(const fd_class_names *names, const char *text);

/* As a file: a line a name. *text is released with free(). */
fd_status fd_class_names_text(const fd_class_names *names, char **text, size_t *bytes) FD_MUST_CHECK;

/* The other way round; any text that fd_class_names_text does not write is FD_DATA. `path` is for messages. */
fd_status fd_class_names_read(fd_class_names *names, const char *text, size_t bytes, const char *path) FD_MUST_CHECK;

/* SHA-256 of that text: names and their order; "" of none. */
fd_status fd_class_names_hash(const fd_class_names *names, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

/* Adds a name behind the others; the first one is put to zeroed names. FD_DATA as above; `where` is for messages. */
fd_status fd_class_names_add(fd_class_names *names, const char *where, const char *text) FD_MUST_CHECK;

/* Names with commas between, as older versions kept them. */
fd_status fd_class_names_split(fd_class_names *names, const char *text) FD_MUST_CHECK;

/* For a line of a message: the names, or the first of many and their number. */
void fd_class_names_show(const fd_class_names *names, char *text, size_t room);

/* Where two lists, of which both have names, differ: "class 3 is 'a', not 'b'" to `what` [room]; 0 when they do not. */
int fd_class_names_differ(const fd_class_names *a, const fd_class_names *b, char *what, size_t room);

void fd_class_names_free(fd_class_names *names);

#endif
