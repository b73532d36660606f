/* Lists the files of a dataset beside its shards (contigs.tsv, tables) with their hashes, for the manifest. */
#include "data/set_files.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"

static int is_beside_shards(const struct dirent *entry) {
  static const char *const others[] = {"manifest.json", "prepare.lock"};
  const char *end = strrchr(entry->d_name, '.');
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (!strcmp(entry->d_name, others[i])) return 0;
  return *entry->d_name != '.' && (!end || strcmp(end, ".h5"));
}

static fd_status add_file(const char *folder, const char *name, json_t **list) {
  char path[FD_PATH_MAX], hex[FD_SHA256_HEX];
  uint64_t bytes;
  FD_TRY(fd_path(path, folder, name, NULL));
  FD_TRY(fd_sha256_file(path, hex, &bytes));
  fd_json_append(list, json_pack("{s:s, s:I, s:s}", "file", name, "bytes", (json_int_t)bytes, "sha256", hex));
  return FD_OK;
}

fd_status fd_set_files_list(const char *folder, json_t **list) {
  struct dirent **entry;
  fd_status status = FD_OK;
  int count = scandir(folder, &entry, is_beside_shards, alphasort);
  *list = json_array();
  if (count < 0) return fd_fail_errno("cannot read folder", folder);
  for (int i = 0; i < count; i++) {
    if (status == FD_OK) status = add_file(folder, entry[i]->d_name, list);
    free(entry[i]);
  }
  free(entry);
  return status;
}
