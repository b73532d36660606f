/* The names of a task's classes, in the alphabet's order: class i is name[i]. */
#ifndef FD_DATA_CLASS_NAMES_H
#define FD_DATA_CLASS_NAMES_H

#include <stddef.h>

#include "base/error.h"

typedef struct fd_class_names {
  int count; /* 0: classes are numbers and have no names */
  char **name;
} fd_class_names;

/* Whether a label is a name and no number (nan and inf are numbers: what is missing is no class), and not empty. */
int fd_class_names_is_name(const char *text);

/* Takes the distinct texts of `count` (any order, borrowed) as names. FD_DATA for one with a comma or a control character, which
 * could not be written down as a list; `where` names the file. */
fd_status fd_class_names_of(fd_class_names *names, const char *where, const char *const *text, int count) FD_MUST_CHECK;

/* The class of a name, or -1. */
int fd_class_names_find(const fd_class_names *names, const char *text);

/* All names with commas between, into `room` bytes; FD_DATA when they are longer. */
fd_status fd_class_names_join(const fd_class_names *names, char *text, size_t room) FD_MUST_CHECK;

/* The other way round. */
fd_status fd_class_names_split(fd_class_names *names, const char *text) FD_MUST_CHECK;

void fd_class_names_free(fd_class_names *names);

#endif
