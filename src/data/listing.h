/* What lies in the folder of a task: every name is used, or said to be left out. */
#ifndef FD_DATA_LISTING_H
#define FD_DATA_LISTING_H

#include <dirent.h>

#include "base/error.h"

/* The names in a folder, in the alphabet's order, without those that begin with a dot. */
typedef struct fd_listing {
  const char *path; /* borrowed */
  int count;
  struct dirent **entry;
} fd_listing;

fd_status fd_listing_open(fd_listing *listing, const char *path) FD_MUST_CHECK;
void fd_listing_close(fd_listing *listing);

int fd_is_folder(const char *path);

/* Where the ending of a FASTA file (.fa, .fasta, .fna) or a table (.csv, .tsv) begins, packed or not; NULL: it is none. */
const char *fd_fasta_ending(const char *name);
const char *fd_table_ending(const char *name);

/* Of a name that the task has no use for: FD_DATA when it may hold rows (a folder, a table, sequences, an archive), with what was
 * expected here; else (a README, an index) a warning. */
fd_status fd_listing_leave_out(const fd_listing *listing, int entry, const char *expected) FD_MUST_CHECK;

#endif
