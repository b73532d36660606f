/* Lists the folder of a task, and reports entries that are not used. */
#include "data/listing.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "data/stream.h"

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

fd_status fd_listing_open(fd_listing *f, const char *path) {
  *f = (fd_listing){.path = path};
  int count = scandir(path, &f->entry, is_visible, alphasort);
  if (count < 0) return fd_fail_errno("cannot open folder", path);
  f->count = count;
  return FD_OK;
}

void fd_listing_close(fd_listing *f) {
  for (int i = 0; i < f->count; i++) free(f->entry[i]);
  free(f->entry);
  *f = (fd_listing){0};
}

int fd_is_folder(const char *path) {
  struct stat info;
  return !stat(path, &info) && S_ISDIR(info.st_mode);
}

/* Where one of the extensions begins; NULL: the name has none of them. */
static const char *ending_of(const char *name, const char *const *endings) {
  const char *at = NULL;
  for (; *endings && !at; endings++) at = fd_ending(name, *endings);
  return at;
}

const char *fd_fasta_ending(const char *name) {
  static const char *const endings[] = {".fa", ".fasta", ".fna", NULL};
  return ending_of(name, endings);
}

const char *fd_table_ending(const char *name) {
  static const char *const endings[] = {".csv", ".tsv", NULL};
  return ending_of(name, endings);
}

static int may_hold_rows(const char *path) {
  static const char *const endings[] = {".fas", ".fsa", ".ffn", ".frn", ".mfa", ".fq",  ".fastq", ".2bit",    ".bed", ".seq",
                                        ".bz2", ".zst", ".zip", ".7z",  ".tar", ".tgz", ".xlsx",  ".parquet", ".xls", NULL};
  return fd_is_folder(path) || fd_fasta_ending(path) || fd_table_ending(path) || ending_of(path, endings);
}

int fd_listing_may_hold_rows(const fd_listing *f, int entry) {
  char path[FD_PATH_MAX];
  return fd_path(path, f->path, f->entry[entry]->d_name, NULL) == FD_OK && may_hold_rows(path);
}

fd_status fd_listing_leave_out(const fd_listing *f, int entry, const char *expected) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_path(path, f->path, f->entry[entry]->d_name, NULL));
  if (may_hold_rows(path))
    return fd_fail(FD_DATA, "%s: would be left out; expected %s, and nothing else that may hold rows: rename it, or move it away",
                   path, expected);
  if (fd_log_is_root()) fd_warn("%s: is passed over: it is not part of the task", path); /* not once per rank */
  return FD_OK;
}
