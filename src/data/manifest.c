/* The manifest of a folder of shards: read, checked, and compared with the files that it lists. */
#include "data/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

const char *const fd_manifest_formats[FD_SHARD_FORMATS] = {"findna-shards 1", "findna-shards 2", "findna-shards 3"};
enum { MANIFEST_MAX = 1 << 26, WINDOW_MAX = 1 << 30 };

/* Whether a shard may have this name: in the folder itself, not hidden, without control characters. */
static int is_plain_name(const char *file, size_t room) {
  if (!*file || *file == '.' || strchr(file, '/') || strlen(file) >= room) return 0;
  for (; *file; file++)
    if ((unsigned char)*file < 0x20 || *file == 0x7f) return 0;
  return 1;
}

static int is_split(const char *name) { return !strcmp(name, "train") || !strcmp(name, "val") || !strcmp(name, "test"); }

/* The least bytes of a window (one per symbol) or of a record in a shard: no filter compresses them. */
static int64_t least_bytes(const fd_manifest *m) {
  return m->records == FD_PACKED_RECORDS ? 1 + (int64_t)sizeof(int32_t) : m->window;
}

/* Reads what entries of the lists of shards and of files have in common. */
static fd_status read_file(const char *path, const char *list, const json_t *value, size_t index, fd_shard_entry *e) {
  const char *file = json_string_value(json_object_get(value, "file")),
             *hash = json_string_value(json_object_get(value, "sha256"));
  json_int_t bytes = json_integer_value(json_object_get(value, "bytes"));
  if (!file || !fd_is_hex(hash) || bytes < 1)
    return fd_fail(FD_DATA, "%s: %s %zu: expected file, bytes and sha256", path, list, index);
  if (!is_plain_name(file, sizeof e->file))
    return fd_fail(FD_DATA, "%s: %s %zu: '%.80s' is not a plain file name", path, list, index, file);
  snprintf(e->file, sizeof e->file, "%s", file);
  snprintf(e->sha256, sizeof e->sha256, "%s", hash);
  e->bytes = (uint64_t)bytes;
  return FD_OK;
}

static fd_status read_entry(const char *path, const json_t *value, size_t index, const fd_manifest *m, fd_shard_entry *e) {
  const char *split = json_string_value(json_object_get(value, "split"));
  json_int_t windows = json_integer_value(json_object_get(value, "windows"));
  int64_t symbols = windows;
  if (!split || windows < 1)
    return fd_fail(FD_DATA, "%s: shard %zu: expected file, split, windows, bytes and sha256", path, index);
  if (!is_split(split)) return fd_fail(FD_DATA, "%s: shard %zu: split '%.40s' (expected train, val or test)", path, index, split);
  FD_TRY(read_file(path, "shard", value, index, e));
  if (!fd_multiply_size(&symbols, least_bytes(m)) || (uint64_t)symbols > e->bytes)
    return fd_fail(FD_DATA, "%s: shard %zu: %" PRId64 " %s %d nucleotides do not fit into its %" PRIu64 " bytes", path, index,
                   (int64_t)windows, m->records ? "records of up to" : "windows of", m->window, e->bytes);
  snprintf(e->split, sizeof e->split, "%s", split);
  e->windows = windows;
  return FD_OK;
}

static int by_file(const void *a, const void *b) {
  return strcmp((*(const fd_shard_entry *const *)a)->file, (*(const fd_shard_entry *const *)b)->file);
}

/* Checks that each file is listed once, be it a shard or a file beside them. */
static fd_status check_names(const char *path, const fd_manifest *m) {
  const fd_shard_entry **sorted;
  int beside = m->files > 0 ? m->files : 0, count = m->shards + beside;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&sorted, (size_t)count, sizeof *sorted, "manifest"));
  for (int i = 0; i < count; i++) sorted[i] = i < m->shards ? &m->shard[i] : &m->beside[i - m->shards];
  qsort(sorted, (size_t)count, sizeof *sorted, by_file);
  for (int i = 1; i < count; i++)
    if (!strcmp(sorted[i - 1]->file, sorted[i]->file))
      FD_GO(fd_fail(FD_DATA, "%s: the file '%s' is there twice", path, sorted[i]->file));
done:
  free(sorted);
  return status;
}

/* Reads the list of the files beside the shards, which manifests of earlier versions lack. */
static fd_status read_beside(const char *path, const json_t *root, fd_manifest *m) {
  const json_t *files = json_object_get(root, "files");
  size_t count = json_array_size(files);
  m->files = files ? 0 : -1;
  if (files && !json_is_array(files)) return fd_fail(FD_DATA, "%s: files is no list; expected that of the tables", path);
  if (!count) return FD_OK;
  if (count > FD_BESIDE_MAX)
    return fd_fail(FD_DATA, "%s: files lists %zu tables; a folder of shards has at most %d", path, count, FD_BESIDE_MAX);
  FD_TRY(fd_alloc(&m->beside, count, sizeof *m->beside, "manifest"));
  for (size_t i = 0; i < count; i++) {
    FD_TRY(read_file(path, "file", json_array_get(files, i), i, &m->beside[i]));
    m->files = (int)i + 1;
  }
  return FD_OK;
}

fd_status fd_dataset_id(const fd_manifest *m, char hex[FD_SHA256_HEX]) {
  unsigned char digest[FD_SHA256_BYTES];
  fd_sha256 *hash;
  char line[512];
  FD_TRY(fd_sha256_begin(&hash));
  fd_sha256_add(hash, line, (size_t)snprintf(line, sizeof line, "window %d\n", m->window));
  for (int i = 0; i < m->shards; i++) {
    const fd_shard_entry *e = &m->shard[i];
    fd_sha256_add(hash, line, (size_t)snprintf(line, sizeof line, "%s %" PRId64 " %s\n", e->split, e->windows, e->sha256));
  }
  FD_TRY(fd_sha256_end(&hash, digest));
  fd_hex(hex, digest);
  return FD_OK;
}

/* Checks that the sum of all symbols does not overflow. */
static fd_status check_sum(const char *path, const fd_manifest *m) {
  int64_t symbols = 0;
  for (int i = 0; i < m->shards; i++) {
    int64_t of_shard = m->shard[i].windows;
    if (!fd_multiply_size(&of_shard, m->window) || !fd_add_size(&symbols, of_shard))
      return fd_fail(FD_DATA, "%s: the windows of its %d shards are more than can be counted", path, m->shards);
  }
  return FD_OK;
}

static fd_status read_shards(const char *path, const json_t *root, fd_manifest *m) {
  const json_t *shards = json_object_get(root, "shards");
  const char *format = json_string_value(json_object_get(root, "format")),
             *id = json_string_value(json_object_get(root, "dataset_id"));
  size_t count = json_array_size(shards);
  char hex[FD_SHA256_HEX];
  m->records = FD_NO_RECORDS;
  while (m->records < FD_SHARD_FORMATS && (!format || strcmp(format, fd_manifest_formats[m->records]))) m->records++;
  if (m->records == FD_SHARD_FORMATS)
    return fd_fail(FD_DATA, "%s: format '%.40s' (expected '%s' of windows, or '%s' of records)", path, format ? format : "(none)",
                   fd_manifest_formats[FD_NO_RECORDS], fd_manifest_formats[FD_PACKED_RECORDS]);
  json_int_t window = json_integer_value(json_object_get(root, "window"));
  if (window < 1 || window > WINDOW_MAX || !count || count > FD_SHARDS_MAX || !id)
    return fd_fail(FD_DATA, "%s: expected window (1 to %d), dataset_id and at least one shard", path, WINDOW_MAX);
  m->window = (int)window;
  FD_TRY(fd_alloc(&m->shard, count, sizeof *m->shard, "manifest"));
  for (size_t i = 0; i < count; i++) {
    FD_TRY(read_entry(path, json_array_get(shards, i), i, m, &m->shard[i]));
    m->shards = (int)i + 1;
  }
  FD_TRY(check_sum(path, m));
  FD_TRY(fd_dataset_id(m, hex));
  if (strcmp(hex, id))
    return fd_fail(FD_DATA, "%s: dataset_id is not that of the shards it lists: the manifest was changed by hand", path);
  memcpy(m->dataset_id, hex, sizeof hex);
  FD_TRY(read_beside(path, root, m));
  return check_names(path, m);
}

fd_status fd_manifest_read(const char *folder, fd_manifest *m) {
  char path[FD_PATH_MAX], *text = NULL;
  size_t bytes;
  json_t *root;
  memset(m, 0, sizeof *m);
  FD_TRY(fd_path(m->folder, folder, NULL, NULL));
  FD_TRY(fd_path(path, folder, "manifest.json", NULL));
  FD_TRY(fd_read_file(path, MANIFEST_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&root, text, bytes, path);
  free(text);
  if (status == FD_OK) status = read_shards(path, root, m);
  json_decref(root);
  if (status != FD_OK) fd_manifest_free(m);
  return status;
}

void fd_manifest_free(fd_manifest *m) {
  free(m->shard);
  free(m->beside);
  m->shard = m->beside = NULL;
  m->shards = m->files = 0;
}

fd_status fd_manifest_same(const fd_manifest *m, fd_comm *comm) {
  return fd_comm_same_text(
      comm, FD_DATA, "dataset_id", m->dataset_id,
      "each rank reads data.shards on its own host: copy the same shards to all hosts, or name a folder that they share");
}

static fd_status check_size(const char *path, const fd_shard_entry *e, uint64_t bytes) {
  if (bytes == e->bytes) return FD_OK;
  return fd_fail(FD_DATA, "%s: has %" PRIu64 " bytes (the manifest says %" PRIu64 "); prepare the folder again or copy it again",
                 path, bytes, e->bytes);
}

static fd_status check_hash(const char *path, const fd_shard_entry *e, const char *hex) {
  if (!strcmp(hex, e->sha256)) return FD_OK;
  return fd_fail(FD_DATA, "%s: its SHA-256 is %.12s... (the manifest says %.12s...): damaged, or replaced since the manifest",
                 path, hex, e->sha256);
}

static fd_status verify_file(const fd_manifest *m, const fd_shard_entry *e) {
  char path[FD_PATH_MAX], hex[FD_SHA256_HEX];
  uint64_t bytes;
  FD_TRY(fd_path(path, m->folder, e->file, NULL));
  FD_TRY(fd_file_size(path, &bytes));
  FD_TRY(check_size(path, e, bytes));
  FD_TRY(fd_sha256_file(path, hex, &bytes));
  return check_hash(path, e, hex);
}

fd_status fd_manifest_verify(const fd_manifest *m, fd_comm *comm) {
  fd_status status = FD_OK;
  for (int i = comm->local_rank; i < m->shards; i += comm->local_size) {
    fd_status one = verify_file(m, &m->shard[i]);
    if (status == FD_OK) status = one;
  }
  for (int i = comm->local_rank; i < m->files; i += comm->local_size) {
    fd_status one = verify_file(m, &m->beside[i]);
    if (status == FD_OK) status = one;
  }
  return fd_comm_agree(comm, status);
}

fd_status fd_manifest_check_shard(const fd_manifest *m, const fd_shard_entry *e) {
  char path[FD_PATH_MAX];
  uint64_t bytes;
  FD_TRY(fd_path(path, m->folder, e->file, NULL));
  FD_TRY(fd_file_size(path, &bytes));
  FD_TRY(check_size(path, e, bytes));
  if ((uint64_t)e->windows <= bytes / (uint64_t)least_bytes(m)) return FD_OK;
  return fd_fail(FD_DATA, "%s: %" PRIu64 " bytes are too few for the %" PRId64 " %s %d that the manifest says", path, bytes,
                 e->windows, m->records ? "records of up to" : "windows of", m->window);
}

fd_status fd_manifest_read_shard(const fd_manifest *m, const fd_shard_entry *e, char path[FD_PATH_MAX], char **bytes,
                                 size_t *size) {
  char hex[FD_SHA256_HEX];
  unsigned char digest[FD_SHA256_BYTES];
  FD_TRY(fd_path(path, m->folder, e->file, NULL));
  FD_TRY(fd_read_file(path, (size_t)e->bytes, bytes, size));
  FD_TRY(fd_sha256_of(*bytes, *size, digest));
  fd_hex(hex, digest);
  return check_hash(path, e, hex);
}
