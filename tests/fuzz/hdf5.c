/* Fuzz targets: shards and embeddings in HDF5. Flipped bytes of such files are mostly caught in the library, so the input is a
 * recipe: it describes each dataset, and the library makes the file. */
#include "fuzz.h"

#include <hdf5.h>
#include <string.h>

#include "base/hash.h"
#include "data/shards.h"
#include "output/matrix_show.h"

enum { SMALL = 4096 }; /* bytes written to a dataset at most */

typedef struct recipe {
  const uint8_t *at, *end;
} recipe;

/* The next choice out of `count`; the first one after the end of the recipe. */
static int next(recipe *r, int count) { return r->at < r->end ? *r->at++ % count : 0; }

static const hsize_t sizes[] = {
    4, 9, 1, 2, 3, 5, 36, 1000, (hsize_t)1 << 20, (hsize_t)1 << 31, (hsize_t)1 << 40, (hsize_t)1 << 62};
enum { SIZES = sizeof sizes / sizeof *sizes };

enum { WHOLE = 10 }; /* kind of a dataset of whole numbers */

static hid_t make_type(int kind) {
  if (kind == WHOLE) return H5Tcopy(H5T_STD_I32LE);
  const hid_t types[] = {H5T_STD_U8LE, H5T_IEEE_F32LE, H5T_STD_I64LE, H5T_IEEE_F64BE, H5T_STD_U16LE, H5T_C_S1};
  hid_t type = H5Tcopy(types[kind < 6 ? kind : 5]);
  if (kind >= 5) H5Tset_size(type, kind == 5 ? 8 : H5T_VARIABLE);
  return type;
}

/* Chunks, filters, and storage outside of the file. */
static hid_t make_storage(recipe *r, int dims) {
  hid_t how = H5Pcreate(H5P_DATASET_CREATE);
  hsize_t chunk[2] = {sizes[next(r, SIZES)], sizes[next(r, SIZES)]};
  int layout = next(r, 5), filter = next(r, 5);
  if (layout < 2 && dims) H5Pset_chunk(how, dims, chunk);
  if (layout == 3) H5Pset_layout(how, H5D_COMPACT);
  if (layout == 4) H5Pset_external(how, "/dev/null", 0, H5F_UNLIMITED); /* the values are written there */
  if (filter < 2) H5Pset_fletcher32(how);
  if (filter == 1) H5Pset_shuffle(how);
  if (filter == 3) H5Pset_deflate(how, 1);
  return how;
}

/* Fills a dataset with one byte or one whole number; texts of variable length are "name". Writes nothing if that were much: a
 * large chunk is written whole. */
static void fill(hid_t set, hid_t type, hid_t space, hid_t how, int dims, int value) {
  hsize_t chunk[2] = {1, 1};
  static char *names[SMALL / sizeof(char *)];
  static uint8_t bytes[SMALL];
  static int32_t whole[SMALL / sizeof(int32_t)];
  hssize_t points = H5Sget_simple_extent_npoints(space);
  size_t size = H5Tget_size(type);
  if (points < 1 || size > SMALL || (size_t)points > SMALL / size) return;
  if (H5Pget_layout(how) == H5D_CHUNKED) H5Pget_chunk(how, dims, chunk);
  if (chunk[0] > SMALL || chunk[1] > SMALL || chunk[0] * chunk[1] > SMALL) return;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) names[i] = (char *)"name";
  memset(bytes, value, sizeof bytes);
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) whole[i] = value;
  const void *values = H5Tis_variable_str(type) > 0        ? (void *)names
                       : H5Tequal(type, H5T_STD_I32LE) > 0 ? (void *)whole
                                                           : (void *)bytes;
  (void)!H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
}

static void make_dataset(hid_t file, const char *name, recipe *r) {
  int kind = next(r, WHOLE + 1), dims = 2 - next(r, 3);
  hsize_t shape[2] = {sizes[next(r, SIZES)], sizes[next(r, SIZES)]};
  if (kind == 7) return;
  if (kind == 8) (void)!H5Lcreate_soft("/windows", file, name, H5P_DEFAULT, H5P_DEFAULT);
  if (kind == 9) (void)!H5Lcreate_external("/dev/zero", "windows", file, name, H5P_DEFAULT, H5P_DEFAULT);
  if (kind > 7 && kind < WHOLE) return;
  hid_t type = make_type(kind), how = make_storage(r, dims);
  const hsize_t any[2] = {H5S_UNLIMITED, H5S_UNLIMITED}; /* which allows chunks larger than the shape */
  hid_t space = dims ? H5Screate_simple(dims, shape, next(r, 2) ? any : NULL) : H5Screate(H5S_SCALAR);
  hid_t set = space >= 0 ? H5Dcreate2(file, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT) : -1;
  int value = next(r, 8);
  if (set >= 0 && value < 6) fill(set, type, space, how, dims, value);
  if (set >= 0) H5Dclose(set);
  H5Pclose(how);
  if (space >= 0) H5Sclose(space);
  H5Tclose(type);
}

static void make_text(hid_t file, const char *name, const char *text, recipe *r) {
  int kind = next(r, 6);
  hsize_t many = 3;
  char room[64] = "";
  hid_t type = H5Tcopy(H5T_C_S1), space = kind == 4 ? H5Screate_simple(1, &many, NULL) : H5Screate(H5S_SCALAR);
  H5Tset_size(type, kind == 3 ? 20000 : kind == 2 ? 1 : strlen(text) + 1);
  snprintf(room, sizeof room, "%s%s", text, kind == 1 ? "0" : "");
  hid_t attribute = kind == 5 ? -1 : H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0 && kind < 3) (void)!H5Awrite(attribute, type, room);
  if (attribute >= 0) H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

/* Makes a file with these texts and datasets; 0 if the library refuses the recipe. */
static int make_file(const char *path, const char *const texts[][2], const char *const *names, const uint8_t *data, size_t size) {
  recipe r = {data, data + size};
  H5open();
  /* Keeps half a MB for each open file in the library's free lists: ten times as fast. */
  (void)!H5set_free_list_limits(-1, -1, -1, -1, -1, -1);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  if (file < 0) return 0;
  for (; *names; names++) make_dataset(file, *names, &r);
  for (int i = 0; texts[i][0]; i++) make_text(file, texts[i][0], texts[i][1], &r);
  return H5Fclose(file) >= 0;
}

enum { WINDOWS = 4, WINDOW = 9 };

/* Writes a manifest that agrees with the shard. */
static void put_manifest(const char *path, int format) {
  fd_shard_entry entry = {.file = "shard.h5", .split = "train", .windows = WINDOWS};
  fd_manifest m = {.window = WINDOW, .shards = 1, .shard = &entry};
  char text[1024];
  EXPECT(fd_sha256_file(path, entry.sha256, &entry.bytes) == FD_OK && fd_dataset_id(&m, m.dataset_id) == FD_OK);
  int n = snprintf(text, sizeof text,
                   "{\"format\": \"%s\", \"window\": %d, \"dataset_id\": \"%s\", \"shards\": [{\"file\": \"shard.h5\", "
                   "\"split\": \"train\", \"windows\": %d, \"bytes\": %llu, \"sha256\": \"%s\"}]}",
                   fd_manifest_formats[format], WINDOW, m.dataset_id, WINDOWS, (unsigned long long)entry.bytes, entry.sha256);
  fuzz_file("manifest.json", text, (size_t)n);
}

/* Loads and shows a file made from the recipe. */
static void load(const char *const texts[][2], const char *const *names, int format, const uint8_t *data, size_t size) {
  const char *path = fuzz_file("shard.h5", "", 0);
  fd_manifest m;
  fd_windows windows;
  if (!make_file(path, texts, names, data, size)) return;
  put_manifest(path, format);
  if (fd_manifest_read(fuzz_files_folder(), &m) != FD_OK) return; /* the file is too small for its windows */
  EXPECT(fd_manifest_verify(&m, fd_comm_self()) == FD_OK);
  if (fd_windows_load(&m, "train", &windows) == FD_OK) {
    for (int i = 0; i < WINDOWS; i++) {
      EXPECT(fd_windows_length(&windows, i) >= 1 && fd_windows_length(&windows, i) <= WINDOW);
      for (int k = 0; k < fd_windows_length(&windows, i); k++) EXPECT(fd_windows_at(&windows, i)[k] <= 4);
    }
    fd_windows_free(&windows);
  }
  fd_manifest_free(&m);
  (void)!fd_shard_print(path);
}

void fuzz_shard(const uint8_t *data, size_t size) {
  static const char *const texts[][2] = {{"format", "findna-shard 1"}, {"window", "9"}, {"split", "train"}, {NULL, NULL}};
  static const char *const names[] = {"windows", "contig", "start", NULL};
  load(texts, names, FD_NO_RECORDS, data, size);
}

void fuzz_records(const uint8_t *data, size_t size) {
  static const char *const texts[][2] = {{"format", "findna-shard 3"}, {"window", "9"}, {"split", "train"}, {NULL, NULL}};
  static const char *const names[] = {"letters", "length", NULL};
  load(texts, names, FD_PACKED_RECORDS, data, size);
}

void fuzz_h5(const uint8_t *data, size_t size) {
  static const char *const texts[][2] = {{"format", "findna-embedding 1"}, {"pooling", "mean"}, {NULL, NULL}};
  static const char *const names[] = {"embedding", "id", "start", NULL};
  const char *path = fuzz_file("values.h5", "", 0);
  int is;
  if (make_file(path, texts, names, data, size) && fd_matrix_is_h5(path, &is) == FD_OK && is) (void)!fd_matrix_show(path);
}
