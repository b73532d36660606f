/* Resolves paths that a user gives: `~` to the home folder, symlinks to their targets; checks whether an output file can be
 * written. */
#ifndef FD_BASE_PATH_H
#define FD_BASE_PATH_H

#include "base/file.h"

/* Whether a path is `~` or begins with `~/`. */
int fd_path_is_home(const char *given);

/* Expands `~` and `~/...` to $HOME, since shells leave them as they are after `=` and in files. `~name` is FD_USAGE (a file whose
 * name begins with `~` is ./~name), a missing HOME FD_CONFIG. */
fd_status fd_path_expand(char out[FD_PATH_MAX], const char *given) FD_MUST_CHECK;

/* The same for every word of a command line, and for the part after the `=` of a word (--output=~/x, data.shards=~/x): `out` is a
 * new command line of `count` words, ended by NULL, released with free(). */
fd_status fd_path_expand_words(char ***out, int count, char *const *words) FD_MUST_CHECK;

/* The target of a chain of symlinks, which need not exist; a path that is no symlink is copied as it is. FD_PERMISSION: a symlink
 * that another user created in a world-writable folder. */
fd_status fd_path_resolve(char out[FD_PATH_MAX], const char *path) FD_MUST_CHECK;

/* Whether a path is a folder or below it, after links; 0 if one of them does not exist. */
int fd_path_is_inside(const char *path, const char *folder);

/* FD_CONFIG when a path contains characters that are escaped where names are printed (base/printable.h): job scripts read it
 * there. `what`: of which setting or option it is the value. */
fd_status fd_path_check_printable(const char *what, const char *path) FD_MUST_CHECK;

/* Whether an output file can be created, checked before long work: FD_MISSING when its folder does not exist, FD_BUSY when the
 * path exists and is not a regular file. NULL is allowed. */
fd_status fd_check_output_place(const char *output) FD_MUST_CHECK;

/* FD_BUSY when writing `output` would replace the file `input`, or when it lies in the folder `input` or below it (but for .json,
 * which no input is). NULL is allowed. */
fd_status fd_check_output(const char *output, const char *input) FD_MUST_CHECK;

/* FD_USAGE when two outputs are the same file, however their names are written. NULL is allowed. */
fd_status fd_check_outputs_differ(const char *a, const char *b) FD_MUST_CHECK;

#endif
