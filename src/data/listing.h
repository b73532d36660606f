/* The entries of a task's folder: each is used, or reported as left out. */
#ifndef FD_DATA_LISTING_H
#define FD_DATA_LISTING_H

#include <dirent.h>

#include "base/error.h"

/* The names in a folder, in alphabetical order, without those that begin with a dot. */
typedef struct fd_listing {
  const char *path; /* borrowed */
  int count;
  struct dirent **entry;
} fd_listing;

fd_status fd_listing_open(fd_listing *listing, const char *path) FD_MUST_CHECK;
void fd_listing_close(fd_listing *listing);

int fd_is_folder(const char *path);

/* Where the extension of a FASTA file (.fa, .fasta, .fna) or a table (.csv, .tsv) begins, compressed or not; NULL for other
 * names. */
const char *fd_fasta_ending(const char *name);
const char *fd_table_ending(const char *name);

/* Whether an entry may hold rows: a folder, a table, sequences, or an archive. */
int fd_listing_may_hold_rows(const fd_listing *listing, int entry);

/* Reports an entry that the task does not use: FD_DATA, with what was expected, if it may hold rows; else (a README, an index) a
 * warning. */
fd_status fd_listing_leave_out(const fd_listing *listing, int entry, const char *expected) FD_MUST_CHECK;

#endif
