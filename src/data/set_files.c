/* The files of a dataset beside its shards (contigs.tsv, tables): listed with their hashes in the manifest, and verified. */
#include "data/set_files.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "data/shards.h"

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

static fd_status verify_file(const char *folder, const json_t *item, const char *manifest) {
  const char *name = json_string_value(json_object_get(item, "file")),
             *sha256 = json_string_value(json_object_get(item, "sha256"));
  const json_t *size = json_object_get(item, "bytes");
  char path[FD_PATH_MAX], hex[FD_SHA256_HEX];
  uint64_t bytes;
  if (!name || !*name || *name == '.' || strchr(name, '/') || !sha256 || !json_is_integer(size))
    return fd_fail(FD_DATA, "%s: files: expected file (a plain name), bytes and sha256 of each", manifest);
  FD_TRY(fd_path(path, folder, name, NULL));
  FD_TRY(fd_sha256_file(path, hex, &bytes));
  if ((json_int_t)bytes == json_integer_value(size) && !strcmp(hex, sha256)) return FD_OK;
  return fd_fail(FD_DATA,
                 "%s: has %" PRIu64 " bytes with SHA-256 %.12s... (the manifest says %lld bytes, %.12s...): cut off or changed",
                 path, bytes, hex, (long long)json_integer_value(size), sha256);
}

fd_status fd_set_files_verify(const char *folder) {
  char path[FD_PATH_MAX], *text;
  size_t bytes;
  json_t *root;
  FD_TRY(fd_path(path, folder, "manifest.json", NULL));
  FD_TRY(fd_read_file(path, FD_MANIFEST_JSON_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&root, text, bytes, path);
  free(text);
  FD_TRY(status);
  const json_t *files = json_object_get(root, "files");
  for (size_t i = 0; i < json_array_size(files); i++) { /* all of them: each that is missing is reported */
    fd_status one = verify_file(folder, json_array_get(files, i), path);
    if (status == FD_OK) status = one;
  }
  json_decref(root);
  return status;
}
