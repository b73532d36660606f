/* Signs units of work of an evaluation, so that results of other weights, settings or rows are never reported under a unit's
 * name. */
#ifndef FD_COMMANDS_EVALUATE_SIGN_H
#define FD_COMMANDS_EVALUATE_SIGN_H

#include "commands/evaluate.h"

/* What the words of the command line of a unit say of its results: a setting or an option; a file, or a folder of rows, by its
 * content; a config by its content without comments; a checkpoint by its state_id; a place, on which results do not depend. */
typedef enum fd_unit_word { FD_UNIT_TEXT, FD_UNIT_FILES, FD_UNIT_CONFIG, FD_UNIT_MODEL, FD_UNIT_PLACE } fd_unit_word;

/* The command line of a unit: its words, each allocated separately. */
enum { FD_UNIT_WORDS_MAX = 64 };
typedef struct fd_unit_line {
  int count;
  char *word[FD_UNIT_WORDS_MAX];
  fd_unit_word kind[FD_UNIT_WORDS_MAX];
} fd_unit_line;

fd_status fd_unit_line_add(fd_unit_line *line, fd_unit_word kind, const char *text) FD_MUST_CHECK;
void fd_unit_line_free(fd_unit_line *line);

/* Writes what the unit's results depend on to command.txt in its folder. FD_BUSY if results in `file`, or a checkpoint, are there
 * already and were signed with another content, which the message describes, or have no signature, or a damaged one. */
fd_status fd_evaluation_sign(fd_evaluation *e, const fd_evaluation_unit *unit, const fd_unit_line *line, const char *folder,
                             const char *file) FD_MUST_CHECK;

/* Compares the signature of the unit's folder: `what` describes the difference, of which a missing signature is one, and is empty
 * if there is none. Files that are gone cannot be compared. */
fd_status fd_evaluation_compare(fd_evaluation *e, const fd_evaluation_unit *unit, const fd_unit_line *line, const char *folder,
                                char what[FD_EVALUATION_WHAT]) FD_MUST_CHECK;

/* Releases the hashes of contents that the evaluation keeps. */
void fd_evaluation_free_contents(fd_evaluation *e);

#endif
