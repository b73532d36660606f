/* The temporary folder of an ingest: takes it with a lock, and renames it to the output. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/lock.h"
#include "base/output.h"
#include "data/ingest_parts.h"
#include "data/set_files.h"

static const char lock_name[] = "prepare.lock";

/* Rank 0: takes the temporary folder with a lock, and removes all other files from it. */
static fd_status take_folder(const char *temporary, int *lock) {
  char path[FD_PATH_MAX];
  struct stat info;
  fd_status status = FD_OK;
  FD_TRY(fd_path(path, temporary, lock_name, NULL));
  /* An empty folder is of a prepare that ended before it took the lock. */
  if (!lstat(temporary, &info) && (!S_ISDIR(info.st_mode) || (!fd_exists(path) && rmdir(temporary))))
    return fd_fail(FD_BUSY, "%s: is in the way, and is not of an earlier findna prepare; move it", temporary);
  FD_TRY(fd_make_folder(temporary));
  FD_TRY(fd_lock(path, lock));
  /* Makes the lock durable before the shards: it marks the folder as prepare's, after a power loss, too. */
  FD_TRY(fd_sync_folder(temporary));
  DIR *folder = opendir(temporary);
  if (!folder) return fd_fail_errno("cannot open folder", temporary);
  for (struct dirent *entry; status == FD_OK && (errno = 0, entry = readdir(folder));) { /* files of a run that was killed */
    if (entry->d_name[0] == '.' || !strcmp(entry->d_name, lock_name)) continue;
    status = fd_path(path, temporary, entry->d_name, NULL);
    if (status == FD_OK && unlink(path)) status = fd_fail_errno("cannot remove", path);
  }
  if (status == FD_OK && errno) status = fd_fail_errno("cannot read folder", temporary);
  closedir(folder);
  return status;
}

fd_status fd_ingest_take(const char *output, fd_comm *comm, char temporary[FD_TEMPORARY_MAX], int *lock) {
  fd_status status = FD_OK;
  *lock = -1;
  snprintf(temporary, FD_TEMPORARY_MAX, "%s.tmp-prepare", output);
  if (comm->rank == 0 && fd_exists(output))
    status = fd_fail(FD_BUSY, "%s: exists already; give another folder, or remove it", output);
  if (comm->rank == 0 && status == FD_OK) status = take_folder(temporary, lock);
  return fd_comm_agree(comm, status);
}

static fd_status write_manifest(const char *temporary, json_t *manifest) {
  char path[FD_PATH_MAX], *text = NULL;
  json_t *files = NULL;
  fd_status status = fd_set_files_list(temporary, &files);
  fd_json_set(&manifest, "files", files);
  if (status == FD_OK) status = fd_json_text(&text, manifest, JSON_SORT_KEYS | JSON_INDENT(1), "the manifest");
  if (status == FD_OK) status = fd_path(path, temporary, "manifest.json", NULL);
  if (status == FD_OK) status = fd_write_file(path, text, strlen(text));
  json_decref(manifest);
  free(text);
  return status;
}

fd_status fd_ingest_commit(const char *temporary, const char *output, json_t *manifest) {
  char path[FD_PATH_MAX];
  fd_status status = write_manifest(temporary, manifest);
  if (status == FD_OK) status = fd_sync_folder(temporary);
  if (status == FD_OK) status = fd_commit_rename(temporary, output);
  /* Also if the rename succeeded and its sync failed. */
  if (fd_path(path, output, lock_name, NULL) == FD_OK) unlink(path);
  return status;
}

void fd_ingest_leave(const char *temporary, int lock, fd_status status) {
  if (lock >= 0 && status != FD_OK && fd_remove_folder(temporary) != FD_OK)
    (void)fd_fail(status, "%s: could not be removed", temporary);
  if (lock >= 0) close(lock);
}
