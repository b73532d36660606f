/* Shards in HDF5: written, read, and described. */
#include "data/shards.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/guard.h"
#include "base/h5.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/printable.h"
#include "device/tensors.h"

static const char *const shard_formats[FD_SHARD_FORMATS] = {"findna-shard 1", "findna-shard 2", "findna-shard 3"};
enum {
  CHUNK_BYTES = 1 << 16,
  CONTIG_ROOM = 64 /* minimum; frozen, as part of the hash */
};

/* --- writing ---------------------------------------------------------------------------------------------------- */

/* Writes an attribute: one text (count 0), or `count` texts of the same size. */
static int write_attribute(hid_t file, const char *name, hsize_t count, size_t size, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1), space = count ? H5Screate_simple(1, &count, NULL) : H5Screate(H5S_SCALAR);
  int good = type >= 0 && space >= 0 && H5Tset_size(type, size) >= 0;
  hid_t attribute = good ? H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT) : -1;
  good = attribute >= 0 && H5Awrite(attribute, type, text) >= 0;
  if (attribute >= 0) good = H5Aclose(attribute) >= 0 && good;
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  return good;
}

static int write_text(hid_t file, const char *name, const char *text) {
  return write_attribute(file, name, 0, strlen(text) + 1, text);
}

/* Writes texts of a fixed length, each terminated by a NUL. The rest of a record's name after its contig stays after the NUL:
 * it has always been in the files, and so in their hashes. */
static int write_contigs(hid_t file, const fd_shard *s) {
  size_t room = CONTIG_ROOM;
  char *names;
  for (int i = 0; i < s->contigs; i++)
    if (strlen(s->contig_name[i].name) >= room) room = strlen(s->contig_name[i].name) + 1;
  if (fd_alloc(&names, (size_t)s->contigs, room, "names of contigs") != FD_OK) return 0;
  for (int i = 0; i < s->contigs; i++) {
    const fd_shard_contig *c = &s->contig_name[i];
    memcpy(names + (size_t)i * room, c->name, strlen(c->name));
    names[(size_t)i * room + c->length] = '\0';
  }
  int good = write_attribute(file, "contigs", (hsize_t)s->contigs, room, names);
  free(names);
  return good;
}

static int write_dataset(hid_t file, const char *name, hid_t stored, hid_t memory, int rank, const hsize_t *shape,
                         const void *data) {
  hsize_t chunk[2] = {shape[0], rank == 2 ? shape[1] : 1}, row = (rank == 2 ? shape[1] : 1) * H5Tget_size(stored),
          rows = CHUNK_BYTES / row;
  if (rows < 1) rows = 1;
  if (chunk[0] > rows) chunk[0] = rows;
  hid_t space = H5Screate_simple(rank, shape, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
  int good = space >= 0 && create >= 0 && H5Pset_chunk(create, rank, chunk) >= 0 && H5Pset_fletcher32(create) >= 0 &&
             H5Pset_obj_track_times(create, 0) >= 0;
  hid_t set = good ? H5Dcreate2(file, name, stored, space, H5P_DEFAULT, create, H5P_DEFAULT) : -1;
  good = set >= 0 && H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
  if (set >= 0) good = H5Dclose(set) >= 0 && good;
  if (create >= 0) H5Pclose(create);
  if (space >= 0) H5Sclose(space);
  return good;
}

static int fill_shard(hid_t file, const fd_shard *s) {
  hsize_t shape[2] = {(hsize_t)s->count, (hsize_t)s->length}, letters = 0;
  char window[16];
  snprintf(window, sizeof window, "%d", s->length);
  for (int64_t i = 0; s->own && i < s->count; i++) letters += (hsize_t)s->own[i];
  return write_text(file, "format", shard_formats[s->own ? FD_PACKED_RECORDS : FD_NO_RECORDS]) &&
         write_text(file, "split", s->split) && write_text(file, "window", window) && write_text(file, "assembly", s->assembly) &&
         write_text(file, "source_sha256", s->source_sha256) && write_contigs(file, s) &&
         (s->own ? write_dataset(file, "letters", H5T_STD_U8LE, H5T_NATIVE_UINT8, 1, &letters, s->symbols)
                 : write_dataset(file, "windows", H5T_STD_U8LE, H5T_NATIVE_UINT8, 2, shape, s->symbols)) &&
         write_dataset(file, "contig", H5T_STD_U16LE, H5T_NATIVE_UINT16, 1, shape, s->contig) &&
         write_dataset(file, "start", H5T_STD_I64LE, H5T_NATIVE_INT64, 1, shape, s->start) &&
         (!s->own || write_dataset(file, "length", H5T_STD_I32LE, H5T_NATIVE_INT32, 1, shape, s->own));
}

/* Makes the shard's file in memory: HDF5 cannot run into a full disk, and the hash is of the intended bytes. */
static fd_status make_shard(const char *path, const fd_shard *s, fd_h5_image *image) {
  *image = (fd_h5_image){0};
  FD_TRY(fd_h5_start());
  hid_t create = H5Pcreate(H5P_FILE_CREATE);
  hid_t file = create >= 0 && H5Pset_obj_track_times(create, 0) >= 0 ? fd_h5_create_image(create, image) : -1;
  int good = file >= 0 && fill_shard(file, s);
  if (file >= 0) good = H5Fclose(file) >= 0 && good;
  if (create >= 0) H5Pclose(create);
  return good ? fd_h5_image_size(image, path) : fd_h5_fail(FD_IO, path, "make the shard");
}

fd_status fd_shard_write(const char *path, const fd_shard *shard, fd_shard_entry *entry) {
  fd_h5_image image;
  unsigned char digest[FD_SHA256_BYTES];
  fd_status status = make_shard(path, shard, &image);
  if (status == FD_OK) status = fd_sha256_of(image.bytes, image.size, digest);
  if (status == FD_OK) status = fd_write_file(path, image.bytes, image.size);
  if (status == FD_OK) {
    fd_hex(entry->sha256, digest);
    entry->bytes = image.size;
    entry->windows = shard->count;
  }
  free(image.bytes);
  return status;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* An open shard. */
typedef struct reader {
  hid_t file;
  const char *path;
} reader;

/* Reads a fixed-length text attribute, "" if absent. */
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
  for (char *at = text; *at; at++)
    if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?'; /* control characters must not reach the terminal */
}

/* Opens a dataset of this file. Links could lead to any file, and are not followed. */
static fd_status open_dataset(const reader *r, const char *name, hid_t *set) {
  H5L_info_t link;
  if (H5Lexists(r->file, name, H5P_DEFAULT) <= 0) return fd_fail(FD_DATA, "%s: has no dataset '%s'", r->path, name);
  if (H5Lget_info(r->file, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
    return fd_fail(FD_DATA, "%s: dataset %s: links are not allowed in shards", r->path, name);
  *set = H5Dopen2(r->file, name, H5P_DEFAULT);
  return *set >= 0 ? FD_OK : fd_fail(FD_DATA, "%s: has no dataset '%s'", r->path, name);
}

/* Refuses storage that a shard never has: filters other than Fletcher32, data in other files, and chunks larger than all
 * values, for which the library would allocate memory. */
static fd_status check_storage(const reader *r, const char *name, hid_t set, int rank, int64_t values) {
  hid_t create = H5Dget_create_plist(set);
  hsize_t chunk[2] = {0, 0};
  unsigned flags;
  size_t none = 0;
  int64_t in_chunk = 1;
  int good = H5Pget_layout(create) == H5D_CHUNKED && H5Pget_nfilters(create) == 1 &&
             H5Pget_filter2(create, 0, &flags, &none, NULL, 0, NULL, NULL) == H5Z_FILTER_FLETCHER32;
  int bounded = good && H5Pget_chunk(create, rank, chunk) == rank;
  for (int i = 0; i < rank && bounded; i++) bounded = chunk[i] <= INT64_MAX && fd_multiply_size(&in_chunk, (int64_t)chunk[i]);
  H5Pclose(create);
  if (!good)
    return fd_fail(FD_DATA, "%s: dataset %s: expected chunks with the Fletcher32 checksum and no other filter", r->path, name);
  if (!bounded || in_chunk > values)
    return fd_fail(FD_DATA, "%s: dataset %s: its chunks are larger than its %" PRId64 " values", r->path, name, values);
  return FD_OK;
}

/* Reads a whole dataset of this type and shape into `to`. */
static fd_status read_dataset(const reader *r, const char *name, hid_t stored, hid_t memory, int rank, hsize_t rows,
                              hsize_t columns, void *to) {
  hsize_t shape[2] = {0, 0};
  hid_t set;
  FD_TRY(open_dataset(r, name, &set));
  fd_status status = FD_OK;
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  if (H5Tequal(type, stored) <= 0)
    status = fd_fail(
        FD_DATA,
        "%s: dataset %s: has another type than expected (windows, letters: uint8, contig: uint16, start: int64, length: int32)",
        r->path, name);
  int dims = H5Sget_simple_extent_ndims(space);
  if (status == FD_OK && (dims != rank || H5Sget_simple_extent_dims(space, shape, NULL) < 0 || shape[0] != rows ||
                          (rank == 2 && shape[1] != columns)))
    status = fd_fail(FD_DATA, "%s: dataset %s: shape [%" PRIu64 ", %" PRIu64 "] (expected [%" PRIu64 ", %" PRIu64 "])", r->path,
                     name, (uint64_t)shape[0], (uint64_t)shape[1], (uint64_t)rows, (uint64_t)columns);
  if (status == FD_OK) status = check_storage(r, name, set, rank, (int64_t)(rows * columns));
  if (status == FD_OK && H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, to) < 0)
    status = fd_fail(FD_DATA, "%s: dataset %s: cannot be read: its checksum is wrong or it is cut off", r->path, name);
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(set);
  return status;
}

static fd_status open_shard(const char *path, reader *r) {
  FD_TRY(fd_h5_start());
  r->path = path;
  hid_t access = fd_h5_access();
  r->file = access >= 0 ? H5Fopen(path, H5F_ACC_RDONLY, access) : -1;
  if (access >= 0) H5Pclose(access);
  return r->file >= 0 ? FD_OK : fd_h5_damaged(path, "open it: not an HDF5 file, or damaged");
}

/* Opens a file in memory, which must stay valid while it is open; `path` is for messages. */
static fd_status open_image(const char *path, char *image, size_t bytes, reader *r) {
  *r = (reader){-1, path};
  FD_TRY(fd_h5_start());
  return fd_h5_open_image(&r->file, path, image, bytes);
}

static fd_status check_attributes(const reader *r, int window, int records, const char *split) {
  char format[32], length[16], found[16], expected[16];
  read_text(r->file, "format", format, sizeof format);
  read_text(r->file, "window", length, sizeof length);
  read_text(r->file, "split", found, sizeof found);
  if (strcmp(format, shard_formats[records]))
    return fd_fail(FD_DATA, "%s: attribute format is '%s' (expected '%s')", r->path, format, shard_formats[records]);
  snprintf(expected, sizeof expected, "%d", window);
  if (strcmp(length, expected))
    return fd_fail(FD_DATA, "%s: attribute window is '%s' (the manifest says %d)", r->path, length, window);
  if (strcmp(found, split))
    return fd_fail(FD_DATA, "%s: attribute split is '%s' (the manifest says '%s')", r->path, found, split);
  return FD_OK;
}

static fd_status read_lengths(const fd_manifest *m, const fd_shard_entry *e, const reader *r, int32_t *own) {
  FD_TRY(read_dataset(r, "length", H5T_STD_I32LE, H5T_NATIVE_INT32, 1, (hsize_t)e->windows, 1, own));
  for (int64_t i = 0; i < e->windows; i++)
    if (own[i] < 1 || own[i] > m->window)
      return fd_fail(FD_DATA, "%s: record %" PRId64 " has the length %d (expected 1 to %d)", r->path, i, own[i], m->window);
  return FD_OK;
}

/* `each`: symbols of a window, or 1 for letters of records. */
static fd_status check_symbols(const reader *r, const uint8_t *symbols, int64_t count, int64_t each) {
  for (int64_t i = 0; i < count; i++)
    if (symbols[i] >= FD_SYMBOLS)
      return fd_fail(FD_DATA, "%s: %s %" PRId64 " has the symbol %d (expected 0 to 4)", r->path, each > 1 ? "window" : "letter",
                     i / each, symbols[i]);
  return FD_OK;
}

static fd_status read_rows(const fd_manifest *m, const fd_shard_entry *e, const reader *r, uint8_t *symbols) {
  FD_TRY(read_dataset(r, "windows", H5T_STD_U8LE, H5T_NATIVE_UINT8, 2, (hsize_t)e->windows, (hsize_t)m->window, symbols));
  return check_symbols(r, symbols, e->windows * m->window, m->window);
}

/* Reads a shard's records as records first, first + 1, ..., with their letters in w->symbols from *at on; advances *at. */
static fd_status read_records(const fd_manifest *m, const fd_shard_entry *e, const reader *r, fd_windows *w, int64_t first,
                              int64_t *at) {
  int32_t *own = w->own + first;
  uint8_t *to = w->symbols + *at;
  int64_t letters = 0;
  FD_TRY(read_lengths(m, e, r, own));
  for (int64_t i = 0; i < e->windows; i++) w->start[first + i] = *at + letters, letters += own[i];
  *at += letters;
  if ((uint64_t)letters > e->bytes) /* the memory allocated for this shard */
    return fd_fail(FD_DATA, "%s: %" PRIu64 " bytes are too few for %" PRId64 " letters", r->path, e->bytes, letters);
  if (m->records == FD_PACKED_RECORDS) {
    FD_TRY(read_dataset(r, "letters", H5T_STD_U8LE, H5T_NATIVE_UINT8, 1, (hsize_t)letters, 1, to));
    return check_symbols(r, to, letters, 1);
  }
  FD_TRY(read_rows(m, e, r, to));
  for (int64_t i = 0; i < e->windows; i++) memmove(w->symbols + w->start[first + i], to + i * m->window, (size_t)own[i]);
  return FD_OK;
}

static fd_status load_shard(const fd_manifest *m, const fd_shard_entry *e, fd_windows *w, int64_t first, int64_t *at) {
  char path[FD_PATH_MAX], *image = NULL;
  size_t bytes;
  reader r = {-1, NULL};
  fd_status status;
  FD_GO(fd_manifest_read_shard(m, e, path, &image, &bytes));
  FD_GO(open_image(path, image, bytes, &r));
  FD_GO(check_attributes(&r, m->window, m->records, e->split));
  status = m->records ? read_records(m, e, &r, w, first, at) : read_rows(m, e, &r, w->symbols + first * m->window);
done:
  if (r.file >= 0) H5Fclose(r.file);
  free(image);
  return status;
}

/* Allocates memory for w->count windows, or for records in files of `bytes` bytes. */
static fd_status alloc_windows(const fd_manifest *m, uint64_t bytes, fd_windows *w) {
  if (!m->records) return fd_alloc(&w->symbols, (size_t)w->count, (size_t)m->window, "windows in memory");
  FD_TRY(fd_alloc(&w->symbols, (size_t)bytes, 1, "records in memory"));
  FD_TRY(fd_alloc(&w->own, (size_t)w->count, sizeof *w->own, "records in memory"));
  return fd_alloc(&w->start, (size_t)w->count, sizeof *w->start, "records in memory");
}

fd_status fd_windows_load(const fd_manifest *m, const char *split, fd_windows *w) {
  uint64_t bytes = 0;
  int64_t first = 0, at = 0;
  *w = (fd_windows){.length = m->window};
  for (int i = 0; i < m->shards; i++) {
    if (strcmp(m->shard[i].split, split)) continue;
    FD_TRY(fd_manifest_check_shard(m, &m->shard[i]));
    w->count += m->shard[i].windows, bytes += m->shard[i].bytes;
  }
  fd_status status = alloc_windows(m, bytes, w);
  for (int i = 0; i < m->shards && status == FD_OK; i++) {
    const fd_shard_entry *e = &m->shard[i];
    if (strcmp(e->split, split)) continue;
    status = fd_guard_go_on();
    if (status == FD_OK) status = load_shard(m, e, w, first, &at);
    first += e->windows;
  }
  if (status != FD_OK) fd_windows_free(w);
  return status;
}

void fd_windows_free(fd_windows *w) {
  free(w->symbols);
  free(w->own);
  free(w->start);
  w->symbols = NULL, w->own = NULL, w->start = NULL;
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
  hid_t set;
  hsize_t shape[2] = {0, 0};
  int records = !!strcmp(text[0], shard_formats[FD_NO_RECORDS]);
  fd_status status = open_dataset(&r, records ? "length" : "windows", &set);
  if (status == FD_OK) {
    hid_t space = H5Dget_space(set);
    if (H5Sget_simple_extent_ndims(space) == (records ? 1 : 2)) H5Sget_simple_extent_dims(space, shape, NULL);
    fd_print("  %-14s %" PRIu64 " of %s%s nucleotides\n", records ? "records" : "windows", (uint64_t)shape[0],
             records ? "up to " : "", text[2]);
    H5Sclose(space);
    H5Dclose(set);
  }
  H5Fclose(r.file);
  return status;
}
