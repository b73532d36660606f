/* Shards in HDF5, and the manifest that names them. */
#include "data/shards.h"

#include <hdf5.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "device/tensors.h"

static const char shard_format[] = "findna-shard 1", manifest_format[] = "findna-shards 1";
enum { MANIFEST_MAX = 1 << 26, CHUNK_BYTES = 1 << 16, SHARDS_MAX = 1 << 20 };

/* libhdf5 prints stacks of its own and loads plugins from the environment: neither is wanted. */
static void quiet_hdf5(void) {
  H5open();
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  H5PLset_loading_state(0);
}

/* --- the manifest ----------------------------------------------------------------------------------------------- */

static fd_status read_entry(const char *path, const json_t *value, size_t index, fd_shard_entry *e) {
  const char *file = json_string_value(json_object_get(value, "file")),
             *split = json_string_value(json_object_get(value, "split"));
  const char *hash = json_string_value(json_object_get(value, "sha256"));
  json_int_t windows = json_integer_value(json_object_get(value, "windows")),
             bytes = json_integer_value(json_object_get(value, "bytes"));
  if (!file || !split || !hash || strlen(hash) != FD_SHA256_HEX - 1 || windows < 1 || bytes < 1 ||
      strlen(split) >= sizeof e->split)
    return fd_fail(FD_DATA, "%s: shard %zu: expected file, split, windows, bytes and sha256", path, index);
  if (!*file || *file == '.' || strchr(file, '/') || strlen(file) >= sizeof e->file)
    return fd_fail(FD_DATA, "%s: shard %zu: '%.80s' is not a plain file name", path, index, file);
  snprintf(e->file, sizeof e->file, "%s", file);
  snprintf(e->split, sizeof e->split, "%s", split);
  snprintf(e->sha256, sizeof e->sha256, "%s", hash);
  e->windows = windows;
  e->bytes = (uint64_t)bytes;
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

static fd_status read_shards(const char *path, const json_t *root, fd_manifest *m) {
  const json_t *shards = json_object_get(root, "shards");
  const char *format = json_string_value(json_object_get(root, "format")),
             *id = json_string_value(json_object_get(root, "dataset_id"));
  size_t count = json_array_size(shards);
  char hex[FD_SHA256_HEX];
  if (!format || strcmp(format, manifest_format))
    return fd_fail(FD_DATA, "%s: format '%.40s' (expected '%s')", path, format ? format : "(none)", manifest_format);
  m->window = (int)json_integer_value(json_object_get(root, "window"));
  if (m->window < 1 || !count || count > SHARDS_MAX || !id)
    return fd_fail(FD_DATA, "%s: expected window, dataset_id and at least one shard", path);
  FD_TRY(fd_alloc(&m->shard, count, sizeof *m->shard, "manifest"));
  for (size_t i = 0; i < count; i++) {
    FD_TRY(read_entry(path, json_array_get(shards, i), i, &m->shard[i]));
    m->shards = (int)i + 1;
  }
  FD_TRY(fd_dataset_id(m, hex));
  if (strcmp(hex, id))
    return fd_fail(FD_DATA, "%s: dataset_id is not that of the shards it lists: the manifest was changed by hand", path);
  memcpy(m->dataset_id, hex, sizeof hex);
  return FD_OK;
}

fd_status fd_manifest_read(const char *folder, fd_manifest *m) {
  char path[FD_PATH_MAX], *text = NULL;
  size_t bytes;
  json_error_t error;
  memset(m, 0, sizeof *m);
  FD_TRY(fd_path(m->folder, folder, NULL, NULL));
  FD_TRY(fd_path(path, folder, "manifest.json", NULL));
  FD_TRY(fd_read_file(path, MANIFEST_MAX, &text, &bytes));
  json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
  free(text);
  fd_status status =
      root ? read_shards(path, root, m) : fd_fail(FD_DATA, "%s:%d:%d: not JSON: %s", path, error.line, error.column, error.text);
  json_decref(root);
  if (status != FD_OK) fd_manifest_free(m);
  return status;
}

void fd_manifest_free(fd_manifest *m) {
  free(m->shard);
  m->shard = NULL;
  m->shards = 0;
}

static fd_status verify_shard(const fd_manifest *m, const fd_shard_entry *e) {
  char path[FD_PATH_MAX], hex[FD_SHA256_HEX];
  uint64_t bytes;
  FD_TRY(fd_path(path, m->folder, e->file, NULL));
  FD_TRY(fd_file_size(path, &bytes));
  if (bytes != e->bytes)
    return fd_fail(FD_DATA,
                   "%s: has %" PRIu64 " bytes (the manifest says %" PRIu64 "); prepare the shards again or copy them again", path,
                   bytes, e->bytes);
  FD_TRY(fd_sha256_file(path, hex, &bytes));
  if (strcmp(hex, e->sha256))
    return fd_fail(FD_DATA, "%s: its SHA-256 is %.12s... (the manifest says %.12s...): damaged, or replaced since the manifest",
                   path, hex, e->sha256);
  return FD_OK;
}

fd_status fd_manifest_verify(const fd_manifest *m, fd_comm *comm) {
  fd_status status = FD_OK;
  for (int i = comm->rank; i < m->shards; i += comm->size) {
    fd_status one = verify_shard(m, &m->shard[i]);
    if (status == FD_OK) status = one;
  }
  return fd_comm_agree(comm, status);
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static int write_text(hid_t file, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  H5Tset_size(type, strlen(text) + 1);
  hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  int good = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  return good;
}

static int write_contigs(hid_t file, const fd_shard *s) {
  hsize_t count = (hsize_t)s->contigs;
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, &count, NULL);
  H5Tset_size(type, FD_CONTIG_NAME);
  hid_t attribute = H5Acreate2(file, "contigs", type, space, H5P_DEFAULT, H5P_DEFAULT);
  int good = attribute >= 0 && H5Awrite(attribute, type, s->contig_name) >= 0;
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
  return good;
}

static int write_dataset(hid_t file, const char *name, hid_t stored, hid_t memory, int rank, const hsize_t *shape,
                         const void *data) {
  hsize_t chunk[2] = {shape[0], rank == 2 ? shape[1] : 1}, row = (rank == 2 ? shape[1] : 1) * H5Tget_size(stored),
          rows = CHUNK_BYTES / row;
  if (rows < 1) rows = 1;
  if (chunk[0] > rows) chunk[0] = rows;
  hid_t space = H5Screate_simple(rank, shape, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
  int good = H5Pset_chunk(create, rank, chunk) >= 0 && H5Pset_fletcher32(create) >= 0 && H5Pset_obj_track_times(create, 0) >= 0;
  hid_t set = good ? H5Dcreate2(file, name, stored, space, H5P_DEFAULT, create, H5P_DEFAULT) : -1;
  good = set >= 0 && H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
  if (set >= 0) good = H5Dclose(set) >= 0 && good;
  H5Pclose(create);
  H5Sclose(space);
  return good;
}

static int write_shard(const char *path, const fd_shard *s) {
  hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  H5Pset_obj_track_times(create, 0);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
  hsize_t shape[2] = {(hsize_t)s->count, (hsize_t)s->length};
  char window[16];
  snprintf(window, sizeof window, "%d", s->length);
  int good = file >= 0 && write_text(file, "format", shard_format) && write_text(file, "split", s->split) &&
             write_text(file, "window", window) && write_text(file, "assembly", s->assembly) &&
             write_text(file, "source_sha256", s->source_sha256) && write_contigs(file, s) &&
             write_dataset(file, "windows", H5T_STD_U8LE, H5T_NATIVE_UINT8, 2, shape, s->symbols) &&
             write_dataset(file, "contig", H5T_STD_U16LE, H5T_NATIVE_UINT16, 1, shape, s->contig) &&
             write_dataset(file, "start", H5T_STD_I64LE, H5T_NATIVE_INT64, 1, shape, s->start);
  if (file >= 0) good = H5Fclose(file) >= 0 && good;
  H5Pclose(create);
  H5Pclose(access);
  return good;
}

fd_status fd_shard_write(const char *path, const fd_shard *shard) {
  char temporary[FD_PATH_MAX + 16];
  snprintf(temporary, sizeof temporary, "%s.tmp-h5", path);
  quiet_hdf5();
  fd_status status =
      write_shard(temporary, shard) ? FD_OK : fd_fail(FD_IO, "%s: HDF5 could not write the shard (disk full?)", path);
  if (status == FD_OK) status = fd_sync_file(temporary);
  if (status == FD_OK) status = fd_commit_rename(temporary, path);
  if (status != FD_OK) unlink(temporary);
  return status;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* An open shard whose parts have been checked. */
typedef struct reader {
  hid_t file;
  const char *path;
} reader;

/* A fixed-length text attribute, "" when absent. */
static void read_text(hid_t file, const char *name, char *text, size_t room) {
  memset(text, 0, room);
  if (H5Aexists(file, name) <= 0) return;
  hid_t attribute = H5Aopen(file, name, H5P_DEFAULT), type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  if (H5Tget_class(type) == H5T_STRING && !H5Tis_variable_str(type) && H5Tget_size(type) < room &&
      H5Sget_simple_extent_npoints(space) == 1)
    H5Aread(attribute, type, text);
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(attribute);
  text[room - 1] = '\0';
}

/* Refuses what a shard never has: links out of the file, filters other than Fletcher32, virtual data. */
static fd_status check_storage(const reader *r, const char *name, hid_t set) {
  H5L_info_t link;
  if (H5Lget_info(r->file, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
    return fd_fail(FD_DATA, "%s: dataset %s: links are not allowed in shards", r->path, name);
  hid_t create = H5Dget_create_plist(set);
  unsigned flags;
  size_t values = 0;
  int good = H5Pget_layout(create) == H5D_CHUNKED && H5Pget_nfilters(create) == 1 &&
             H5Pget_filter2(create, 0, &flags, &values, NULL, 0, NULL, NULL) == H5Z_FILTER_FLETCHER32;
  H5Pclose(create);
  return good ? FD_OK
              : fd_fail(FD_DATA, "%s: dataset %s: expected chunks with the Fletcher32 checksum and no other filter", r->path,
                        name);
}

/* Reads a whole dataset of this type and shape into `to`. */
static fd_status read_dataset(const reader *r, const char *name, hid_t stored, hid_t memory, int rank, hsize_t rows,
                              hsize_t columns, void *to) {
  hsize_t shape[2] = {0, 0};
  hid_t set = H5Lexists(r->file, name, H5P_DEFAULT) > 0 ? H5Dopen2(r->file, name, H5P_DEFAULT) : -1;
  if (set < 0) return fd_fail(FD_DATA, "%s: has no dataset '%s'", r->path, name);
  fd_status status = check_storage(r, name, set);
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  if (status == FD_OK && H5Tequal(type, stored) <= 0)
    status = fd_fail(FD_DATA, "%s: dataset %s: has another type than expected (windows: uint8, contig: uint16, start: int64)",
                     r->path, name);
  int dims = H5Sget_simple_extent_ndims(space);
  if (status == FD_OK && (dims != rank || H5Sget_simple_extent_dims(space, shape, NULL) < 0 || shape[0] != rows ||
                          (rank == 2 && shape[1] != columns)))
    status = fd_fail(FD_DATA, "%s: dataset %s: shape [%" PRIu64 ", %" PRIu64 "] (expected [%" PRIu64 ", %" PRIu64 "])", r->path,
                     name, (uint64_t)shape[0], (uint64_t)shape[1], (uint64_t)rows, (uint64_t)columns);
  if (status == FD_OK && H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, to) < 0)
    status = fd_fail(FD_DATA, "%s: dataset %s: cannot be read: its checksum is wrong or it is cut off", r->path, name);
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(set);
  return status;
}

static fd_status open_shard(const char *path, reader *r) {
  quiet_hdf5();
  r->path = path;
  r->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
  return r->file >= 0 ? FD_OK : fd_fail(FD_DATA, "%s: is not an HDF5 file, or is damaged", path);
}

static fd_status check_attributes(const reader *r, int window, const char *split) {
  char format[32], length[16], found[16];
  read_text(r->file, "format", format, sizeof format);
  read_text(r->file, "window", length, sizeof length);
  read_text(r->file, "split", found, sizeof found);
  if (strcmp(format, shard_format))
    return fd_fail(FD_DATA, "%s: attribute format is '%s' (expected '%s')", r->path, format, shard_format);
  if (atoi(length) != window)
    return fd_fail(FD_DATA, "%s: attribute window is '%s' (the manifest says %d)", r->path, length, window);
  if (strcmp(found, split))
    return fd_fail(FD_DATA, "%s: attribute split is '%s' (the manifest says '%s')", r->path, found, split);
  return FD_OK;
}

static fd_status load_shard(const fd_manifest *m, const fd_shard_entry *e, uint8_t *symbols) {
  char path[FD_PATH_MAX];
  reader r;
  FD_TRY(fd_path(path, m->folder, e->file, NULL));
  FD_TRY(open_shard(path, &r));
  fd_status status = check_attributes(&r, m->window, e->split);
  if (status == FD_OK)
    status = read_dataset(&r, "windows", H5T_STD_U8LE, H5T_NATIVE_UINT8, 2, (hsize_t)e->windows, (hsize_t)m->window, symbols);
  H5Fclose(r.file);
  for (int64_t i = 0; status == FD_OK && i < e->windows * m->window; i++)
    if (symbols[i] >= FD_SYMBOLS)
      status = fd_fail(FD_DATA, "%s: window %" PRId64 " has the symbol %d (expected 0 to 4)", path, i / m->window, symbols[i]);
  return status;
}

fd_status fd_windows_load(const fd_manifest *m, const char *split, fd_windows *w) {
  *w = (fd_windows){.length = m->window};
  for (int i = 0; i < m->shards; i++)
    if (!strcmp(m->shard[i].split, split)) w->count += m->shard[i].windows;
  FD_TRY(fd_alloc(&w->symbols, (size_t)w->count, (size_t)m->window, "windows in memory"));
  fd_status status = FD_OK;
  uint8_t *at = w->symbols;
  for (int i = 0; i < m->shards && status == FD_OK; i++) {
    const fd_shard_entry *e = &m->shard[i];
    if (strcmp(e->split, split)) continue;
    status = load_shard(m, e, at);
    at += e->windows * m->window;
  }
  if (status != FD_OK) fd_windows_free(w);
  return status;
}

void fd_windows_free(fd_windows *w) {
  free(w->symbols);
  w->symbols = NULL;
  w->count = 0;
}

fd_status fd_shard_print(const char *path) {
  char text[5][128];
  static const char *const names[5] = {"format", "split", "window", "assembly", "source_sha256"};
  reader r;
  uint64_t bytes;
  char hex[FD_SHA256_HEX];
  FD_TRY(fd_sha256_file(path, hex, &bytes));
  FD_TRY(open_shard(path, &r));
  fd_print("%s: %" PRIu64 " bytes, sha256 %s\n", path, bytes, hex);
  for (int i = 0; i < 5; i++) {
    read_text(r.file, names[i], text[i], sizeof text[i]);
    fd_print("  %-14s %s\n", names[i], text[i]);
  }
  hid_t set = H5Lexists(r.file, "windows", H5P_DEFAULT) > 0 ? H5Dopen2(r.file, "windows", H5P_DEFAULT) : -1;
  hsize_t shape[2] = {0, 0};
  fd_status status = set >= 0 ? FD_OK : fd_fail(FD_DATA, "%s: has no dataset 'windows'", path);
  if (set >= 0) {
    hid_t space = H5Dget_space(set);
    if (H5Sget_simple_extent_ndims(space) == 2) H5Sget_simple_extent_dims(space, shape, NULL);
    printf("  windows        %" PRIu64 " of %" PRIu64 " nucleotides\n", (uint64_t)shape[0], (uint64_t)shape[1]);
    H5Sclose(space);
    H5Dclose(set);
  }
  H5Fclose(r.file);
  return status;
}
