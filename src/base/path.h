/* Where a name that a user gave leads: the home behind `~`, the file behind a link, and whether a file can be written there. */
#ifndef FD_BASE_PATH_H
#define FD_BASE_PATH_H

#include "base/file.h"

/* Whether a path is `~` or begins with `~/`. */
int fd_path_is_home(const char *given);

/* A path as a user writes it: `~` and `~/...` are $HOME and what is in it, since shells leave them as they are behind `=` and in
 * files. `~name` is FD_USAGE; a file whose name begins with `~` is ./~name. */
fd_status fd_path_expand(char out[FD_PATH_MAX], const char *given) FD_MUST_CHECK;

/* The same of every word of a command line, and of what stands behind the `=` of a word (--output=~/x, data.shards=~/x): `out` is
 * a new command line of `count` words, ended by NULL, released with free(). */
fd_status fd_path_expand_words(char ***out, int count, char *const *words) FD_MUST_CHECK;

/* The name behind a chain of links, which need not exist; a path that is no link is itself. FD_PERMISSION: a link that another
 * user laid in a folder that everybody can write to. */
fd_status fd_path_resolve(char out[FD_PATH_MAX], const char *path) FD_MUST_CHECK;

/* Whether a file can be made there, asked before long work: FD_MISSING when its folder is not there, FD_BUSY when it is there and
 * is no plain file. NULL is fine. */
fd_status fd_check_output_place(const char *output) FD_MUST_CHECK;

/* FD_BUSY when writing `output` would replace the file `input`. */
fd_status fd_check_output(const char *output, const char *input) FD_MUST_CHECK;

#endif
