/* What lies in the folder of a task: every name is used, or said to be left out. */
#ifndef FD_DATA_FOLDER_H
#define FD_DATA_FOLDER_H

#include <dirent.h>

#include "base/error.h"

/* The names in a folder, in the alphabet's order, without those that begin with a dot. */
typedef struct fd_folder {
  const char *path; /* borrowed */
  int count;
  struct dirent **entry;
} fd_folder;

fd_status fd_folder_open(fd_folder *folder, const char *path) FD_MUST_CHECK;
void fd_folder_close(fd_folder *folder);

int fd_is_folder(const char *path);

/* Where the ending of a FASTA file (.fa, .fasta, .fna) or a table (.csv, .tsv) begins, packed or not; NULL: it is none. */
const char *fd_fasta_ending(const char *name);
const char *fd_table_ending(const char *name);

/* Of a name that the task has no use for: FD_DATA when it may hold rows (a folder, a table, sequences, an archive), with what was
 * expected here; else (a README, an index) a warning. */
fd_status fd_folder_leave_out(const fd_folder *folder, int entry, const char *expected) FD_MUST_CHECK;

#endif
