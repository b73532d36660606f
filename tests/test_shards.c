/* Shards: written content reads back, and the same content has the same bytes; files that HDF5 can open but that are not valid
 * shards are refused with the reason, even if their hashes agree. */
#include "files.h"

#include <hdf5.h>

#include "data/shards.h"
#include "device/tensors.h"

enum { WINDOWS = 40, LENGTH = 25 };

static uint8_t symbols[WINDOWS * LENGTH];
static char path[FD_PATH_MAX];

static void write_good(const char *name) {
  static const fd_shard_contig contigs[2] = {{"chr1", 4}, {"chr2", 4}};
  static uint16_t contig[WINDOWS];
  static int64_t start[WINDOWS];
  for (int i = 0; i < WINDOWS * LENGTH; i++) symbols[i] = (uint8_t)(i * 7 % 13 % FD_SYMBOLS);
  for (int i = 0; i < WINDOWS; i++) contig[i] = i > 20, start[i] = (int64_t)i << 33;
  fd_shard shard = {WINDOWS, LENGTH, 2, "train", "GRCh38", "0123", contigs, symbols, contig, start, NULL};
  assert_ok(fd_path(path, folder, name, NULL));
  fd_shard_entry entry = {0};
  char hex[FD_SHA256_HEX];
  uint64_t bytes;
  assert_ok(fd_shard_write(path, &shard, &entry));
  assert_ok(fd_sha256_file(path, hex, &bytes));
  assert_string_equal(entry.sha256, hex);
  assert_int_equal(entry.bytes, bytes);
}

/* Writes a manifest of these shards. */
static void put_manifest(int format, int window, fd_shard_entry *entry, int shards) {
  char text[2048], to[FD_PATH_MAX];
  fd_manifest m = {.window = window, .shards = shards, .shard = entry};
  assert_ok(fd_dataset_id(&m, m.dataset_id));
  int n = snprintf(text, sizeof text, "{\"format\": \"%s\", \"window\": %d, \"dataset_id\": \"%s\", \"shards\": [",
                   fd_manifest_formats[format], window, m.dataset_id);
  for (const fd_shard_entry *e = entry; e < entry + shards; e++)
    n += snprintf(text + n, sizeof text - (size_t)n,
                  "%s{\"file\": \"%s\", \"split\": \"%s\", \"windows\": %d, \"bytes\": %llu, \"sha256\": \"%s\"}",
                  e > entry ? ", " : "", e->file, e->split, (int)e->windows, (unsigned long long)e->bytes, e->sha256);
  n += snprintf(text + n, sizeof text - (size_t)n, "]}");
  assert_ok(fd_path(to, folder, "manifest.json", NULL));
  assert_ok(fd_write_file(to, text, (size_t)n));
}

/* Writes a manifest that matches the file at `path`. */
static void write_manifest(const char *file) {
  fd_shard_entry entry = {.split = "train", .windows = WINDOWS};
  snprintf(entry.file, sizeof entry.file, "%s", file);
  assert_ok(fd_sha256_file(path, entry.sha256, &entry.bytes));
  put_manifest(FD_NO_RECORDS, LENGTH, &entry, 1);
}

static fd_status load_split(const char *split, fd_windows *windows) {
  fd_manifest m;
  assert_ok(fd_manifest_read(folder, &m));
  assert_ok(fd_manifest_verify(&m, fd_comm_self()));
  fd_status status = fd_windows_load(&m, split, windows);
  fd_manifest_free(&m);
  return status;
}

static fd_status load(fd_windows *windows) { return load_split("train", windows); }

static void written_and_read(void **state) {
  (void)state;
  fd_windows windows;
  char first[FD_SHA256_HEX], second[FD_SHA256_HEX];
  uint64_t bytes;
  write_good("a.h5");
  assert_ok(fd_sha256_file(path, first, &bytes));
  sleep(1); /* a time stamp in the file would differ */
  write_good("b.h5");
  assert_ok(fd_sha256_file(path, second, &bytes));
  assert_string_equal(first, second);
  write_manifest("b.h5");
  assert_ok(load(&windows));
  assert_int_equal(windows.count, WINDOWS);
  assert_int_equal(windows.length, LENGTH);
  assert_memory_equal(windows.symbols, symbols, sizeof symbols);
  fd_windows_free(&windows);
}

/* Writes the shard and its manifest: with records of these lengths, the beginnings of the rows of `symbols`, or with windows. */
static fd_shard_entry write_records(const int32_t *own, int with) {
  static const fd_shard_contig names[1] = {{"r", 1}};
  static uint16_t contig[WINDOWS];
  static int64_t start[WINDOWS];
  static uint8_t letters[WINDOWS * (LENGTH + 1)];
  size_t n = 0;
  for (int i = 0; i < WINDOWS; i++)
    for (int k = 0; k < own[i]; k++) letters[n++] = symbols[i * LENGTH + k % LENGTH];
  const fd_shard shard = {WINDOWS, LENGTH,           1, "train", "", "0123", names, with ? letters : symbols, contig,
                          start,   with ? own : NULL};
  fd_shard_entry entry = {.split = "train", .file = "r.h5"};
  assert_ok(fd_path(path, folder, "r.h5", NULL));
  assert_ok(fd_shard_write(path, &shard, &entry));
  put_manifest(FD_PACKED_RECORDS, LENGTH, &entry, 1);
  return entry;
}

static void set_text(hid_t file, const char *name, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
  if (H5Aexists(file, name) > 0) H5Adelete(file, name);
  H5Tset_size(type, strlen(text) + 1);
  hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Awrite(attribute, type, text) >= 0);
  H5Aclose(attribute);
  H5Sclose(space);
  H5Tclose(type);
}

/* Replaces or adds a dataset of `count` values, in chunks as large as allowed; `values` NULL: without storage. */
static void put_values(hid_t file, const char *name, hid_t type, hsize_t count, const void *values) {
  const hsize_t chunk = count < 4096 ? count : 4096;
  hid_t space = H5Screate_simple(1, &count, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
  if (H5Lexists(file, name, H5P_DEFAULT) > 0) H5Ldelete(file, name, H5P_DEFAULT);
  assert_true(H5Pset_chunk(create, 1, &chunk) >= 0 && H5Pset_fletcher32(create) >= 0);
  hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
  assert_true(set >= 0 && (!values || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0));
  H5Dclose(set);
  H5Pclose(create);
  H5Sclose(space);
}

/* Writes records as older versions did: rows padded with N, and their lengths separately. */
static void write_padded(const int32_t *own) {
  fd_shard_entry entry = write_records(own, 0);
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  set_text(file, "format", "findna-shard 2");
  put_values(file, "length", H5T_STD_I32LE, WINDOWS, own);
  H5Fclose(file);
  assert_ok(fd_sha256_file(path, entry.sha256, &entry.bytes));
  put_manifest(FD_PADDED_RECORDS, LENGTH, &entry, 1);
}

static void check_records(const int32_t *own) {
  fd_windows windows;
  assert_ok(load(&windows));
  assert_int_equal(windows.count, WINDOWS);
  for (int i = 0; i < WINDOWS; i++) {
    assert_int_equal(fd_windows_length(&windows, i), own[i]);
    assert_memory_equal(fd_windows_at(&windows, i), symbols + i * LENGTH, (size_t)own[i]);
  }
  fd_windows_free(&windows);
}

static void records(void **state) {
  (void)state;
  int32_t own[WINDOWS];
  fd_windows windows;
  for (int i = 0; i < WINDOWS; i++) own[i] = 1 + i * 5 % LENGTH;
  for (int i = 0; i < WINDOWS * LENGTH; i++) symbols[i] = i % LENGTH < own[i / LENGTH] ? (uint8_t)(i % 4) : FD_N;
  write_records(own, 1);
  check_records(own);
  write_padded(own);
  check_records(own);
  static const int32_t wrong[] = {0, -1, LENGTH + 1};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    own[7] = wrong[i];
    write_records(own, 1);
    assert_int_equal(load(&windows), FD_DATA);
  }
  write_records(own, 0); /* a shard of windows, declared as records in the manifest */
  assert_int_equal(load(&windows), FD_DATA);
}

/* A split has the rows of its shards in the order of the manifest, whatever shards lie between them. */
static void several_shards(void **state) {
  (void)state;
  enum { SHARDS = 4 };
  static const char *const files[SHARDS] = {"d.h5", "v.h5", "b.h5", "a.h5"}, *const splits[2] = {"train", "val"};
  static const fd_shard_contig names[1] = {{"r", 1}};
  static const int rows[SHARDS] = {7, 4, 1, 9};
  static uint16_t contig[WINDOWS];
  static int64_t start[WINDOWS];
  int32_t own[WINDOWS];
  for (int i = 0; i < WINDOWS * LENGTH; i++) symbols[i] = (uint8_t)(i * 7 % 31 % FD_SYMBOLS);
  for (int packed = 0; packed < 2; packed++) {
    fd_shard_entry entry[SHARDS];
    for (int i = 0; i < WINDOWS; i++) own[i] = packed ? 1 + i * 5 % LENGTH : LENGTH;
    const uint8_t *at = symbols, *from[WINDOWS];
    for (int k = 0, i = 0; k < SHARDS; k++) {
      const fd_shard shard = {rows[k], LENGTH, 1, splits[k == 1], "", "0123", names, at, contig, start, packed ? own + i : NULL};
      assert_ok(fd_path(path, folder, files[k], NULL));
      assert_ok(fd_shard_write(path, &shard, &entry[k]));
      snprintf(entry[k].file, sizeof entry[k].file, "%s", files[k]);
      snprintf(entry[k].split, sizeof entry[k].split, "%s", splits[k == 1]);
      for (int r = 0; r < rows[k]; r++, at += own[i++]) from[i] = at;
    }
    put_manifest(packed ? FD_PACKED_RECORDS : FD_NO_RECORDS, LENGTH, entry, SHARDS);
    for (int s = 0; s < 2; s++) {
      fd_windows windows;
      int64_t row = 0;
      assert_ok(load_split(splits[s], &windows));
      for (int k = 0, i = 0; k < SHARDS; i += rows[k++])
        for (int r = 0; r < rows[k] && (k == 1) == s; r++, row++) {
          assert_int_equal(fd_windows_length(&windows, row), own[i + r]);
          assert_memory_equal(fd_windows_at(&windows, row), from[i + r], (size_t)own[i + r]);
        }
      assert_int_equal(windows.count, row);
      fd_windows_free(&windows);
    }
  }
}

/* A window that is larger than a chunk otherwise is. */
static void long_windows(void **state) {
  (void)state;
  enum { LONG = 200001 };
  static const fd_shard_contig names[1] = {{"r", 1}};
  static const uint16_t contig[2];
  static const int64_t start[2];
  uint8_t *whole = malloc(2 * LONG);
  for (int i = 0; i < 2 * LONG; i++) whole[i] = (uint8_t)(i % 7 % FD_SYMBOLS);
  const fd_shard shard = {2, LONG, 1, "train", "", "0123", names, whole, contig, start, NULL};
  fd_shard_entry entry = {.split = "train", .file = "long.h5"};
  fd_windows windows;
  assert_ok(fd_path(path, folder, "long.h5", NULL));
  assert_ok(fd_shard_write(path, &shard, &entry));
  put_manifest(FD_NO_RECORDS, LONG, &entry, 1);
  assert_ok(load(&windows));
  assert_memory_equal(windows.symbols, whole, 2 * LONG);
  fd_windows_free(&windows);
  free(whole);
}

/* What other programs read: positions, and the names of contigs, of which regions are a part. Names take 64 bytes, or more where
 * one is longer. */
static void positions(void **state) {
  (void)state;
  enum { CONTIGS = 3 };
  static uint8_t base[CONTIGS];
  const uint16_t contig[CONTIGS] = {0, 1, 2};
  const int64_t start[CONTIGS] = {5, (int64_t)1 << 40, 0};
  for (size_t longest = 62; longest <= 65; longest++) {
    char name[80] = "", got[CONTIGS][80];
    uint16_t contigs[CONTIGS];
    int64_t starts[CONTIGS];
    memset(name, 'n', longest);
    const fd_shard_contig names[CONTIGS] = {{name, longest}, {"chr1:101-200", 4}, {"x", 1}};
    const fd_shard shard = {CONTIGS, 1, CONTIGS, "val", "GRCh38", "0123", names, base, contig, start, NULL};
    fd_shard_entry entry;
    assert_ok(fd_path(path, folder, "p.h5", NULL));
    assert_ok(fd_shard_write(path, &shard, &entry));
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), attribute = H5Aopen(file, "contigs", H5P_DEFAULT),
          stored = H5Aget_type(attribute), type = H5Tcopy(H5T_C_S1);
    assert_int_equal(H5Tget_size(stored), longest < 64 ? 64 : longest + 1);
    H5Tset_size(type, sizeof *got);
    assert_true(H5Aread(attribute, type, got) >= 0);
    for (int i = 0; i < CONTIGS; i++)
      assert_true(strlen(got[i]) == names[i].length && !strncmp(got[i], names[i].name, names[i].length));
    H5Tclose(type);
    H5Tclose(stored);
    H5Aclose(attribute);
    hid_t set = H5Dopen2(file, "contig", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT, contigs) >= 0);
    H5Dclose(set);
    set = H5Dopen2(file, "start", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, starts) >= 0);
    H5Dclose(set);
    H5Fclose(file);
    assert_memory_equal(contigs, contig, sizeof contig);
    assert_memory_equal(starts, start, sizeof start);
  }
}

/* Replaces "windows" by one of another type, shape or storage. */
static void replace_windows(hid_t file, hid_t type, hsize_t rows, hsize_t columns, int fletcher, int fill) {
  hsize_t shape[2] = {rows, columns}, chunk[2] = {rows < 8 ? rows : 8, columns};
  hid_t space = H5Screate_simple(2, shape, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
  if (fletcher >= 0) H5Pset_chunk(create, 2, chunk);
  if (fletcher == 1) H5Pset_fletcher32(create);
  H5Ldelete(file, "windows", H5P_DEFAULT);
  hid_t set = H5Dcreate2(file, "windows", type, space, H5P_DEFAULT, create, H5P_DEFAULT);
  uint8_t *data = malloc(rows * columns);
  memset(data, fill, rows * columns);
  assert_true(H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
  free(data);
  H5Dclose(set);
  H5Pclose(create);
  H5Sclose(space);
}

/* Replaces "windows" by one without values, whose chunks are larger than it may ever be. */
static void large_chunks(hid_t file) {
  const hsize_t shape[2] = {WINDOWS, LENGTH}, most[2] = {H5S_UNLIMITED, LENGTH}, chunk[2] = {1 << 24, LENGTH};
  hid_t space = H5Screate_simple(2, shape, most), create = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(create, 2, chunk);
  H5Pset_fletcher32(create);
  H5Ldelete(file, "windows", H5P_DEFAULT);
  H5Dclose(H5Dcreate2(file, "windows", H5T_STD_U8LE, space, H5P_DEFAULT, create, H5P_DEFAULT));
  H5Pclose(create);
  H5Sclose(space);
}

static void damage(hid_t file, int kind) {
  switch (kind) {
    case 0: set_text(file, "format", "findna-shard 2"); break;
    case 1: H5Adelete(file, "format"); break;
    case 2: set_text(file, "window", "26"); break;
    case 3: set_text(file, "split", "val"); break;
    case 4: H5Ldelete(file, "windows", H5P_DEFAULT); break;
    case 5: replace_windows(file, H5T_STD_U16LE, WINDOWS, LENGTH, 1, 1); break;
    case 6: replace_windows(file, H5T_STD_I8LE, WINDOWS, LENGTH, 1, 1); break;
    case 7: replace_windows(file, H5T_STD_U8LE, WINDOWS - 1, LENGTH, 1, 1); break;
    case 8: replace_windows(file, H5T_STD_U8LE, WINDOWS, LENGTH + 1, 1, 1); break;
    case 9: replace_windows(file, H5T_STD_U8LE, WINDOWS, LENGTH, 0, 1); break;   /* without checksums */
    case 10: replace_windows(file, H5T_STD_U8LE, WINDOWS, LENGTH, -1, 1); break; /* contiguous */
    case 11: replace_windows(file, H5T_STD_U8LE, WINDOWS, LENGTH, 1, 5); break;  /* an invalid symbol */
    case 12:
      H5Ldelete(file, "windows", H5P_DEFAULT);
      H5Lcreate_external("/dev/null", "windows", file, "windows", H5P_DEFAULT, H5P_DEFAULT);
      break;
    case 13: large_chunks(file); break;
    case 14: replace_windows(file, H5T_STD_U8LE, WINDOWS, LENGTH, 1, 4); break; /* a valid one, as a control */
  }
}

static void wrong_content(void **state) {
  (void)state;
  enum { KINDS = 15 };
  for (int kind = 0; kind < KINDS; kind++) {
    fd_windows windows;
    write_good("c.h5");
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, access);
    assert_true(file >= 0);
    damage(file, kind);
    H5Fclose(file);
    H5Pclose(access);
    write_manifest("c.h5");
    fd_status status = load(&windows);
    if (status != (kind == KINDS - 1 ? FD_OK : FD_DATA)) fail_msg("kind %d: status %d", kind, (int)status);
    fd_windows_free(&windows);
  }
}

/* A shard is replaced by another valid shard, or removed, after its manifest was read. */
static void replaced_after_the_manifest(void **state) {
  (void)state;
  fd_windows windows;
  fd_manifest m;
  char other[FD_PATH_MAX];
  write_good("e.h5");
  memcpy(other, path, sizeof other);
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  replace_windows(file, H5T_STD_U8LE, WINDOWS, LENGTH, 1, 2);
  H5Fclose(file);
  write_good("f.h5");
  write_manifest("f.h5");
  assert_ok(fd_manifest_read(folder, &m));
  assert_ok(fd_manifest_verify(&m, fd_comm_self()));
  assert_int_equal(rename(other, path), 0);
  assert_int_equal(fd_windows_load(&m, "train", &windows), FD_DATA);
  m.shard[0].bytes = 0;
  assert_int_equal(fd_windows_load(&m, "train", &windows), FD_DATA);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(fd_windows_load(&m, "train", &windows), FD_MISSING);
  fd_manifest_free(&m);
}

/* More windows than the file has bytes are refused before memory is allocated for them. */
static void more_windows_than_bytes(void **state) {
  (void)state;
  fd_windows windows;
  fd_manifest m;
  write_good("g.h5");
  write_manifest("g.h5");
  assert_ok(fd_manifest_read(folder, &m));
  m.shard[0].windows = (int64_t)1 << 40;
  assert_int_equal(fd_windows_load(&m, "train", &windows), FD_DATA);
  fd_manifest_free(&m);
}

/* So are more letters of records, which a dataset without storage may claim. */
static void more_letters_than_bytes(void **state) {
  (void)state;
  enum { LONG = 1 << 20 };
  int32_t own[WINDOWS];
  fd_windows windows;
  for (int i = 0; i < WINDOWS; i++) own[i] = 1;
  fd_shard_entry entry = write_records(own, 1);
  for (int i = 0; i < WINDOWS; i++) own[i] = LONG;
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, access);
  set_text(file, "window", "1048576");
  put_values(file, "length", H5T_STD_I32LE, WINDOWS, own);
  put_values(file, "letters", H5T_STD_U8LE, (hsize_t)WINDOWS * LONG, NULL);
  H5Fclose(file);
  H5Pclose(access);
  assert_ok(fd_sha256_file(path, entry.sha256, &entry.bytes));
  put_manifest(FD_PACKED_RECORDS, LONG, &entry, 1);
  assert_int_equal(load(&windows), FD_DATA);
}

/* libhdf5 itself leaks memory on damaged files: suppressed for the leak checker. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:libhdf5"; }

static char *described(void) {
  capture_begin();
  fd_status status = fd_shard_print(path);
  char *said = capture_end();
  assert_ok(status);
  return said;
}

/* A description has the attributes and the shape; a text that is longer than any of ours is left out. */
static void descriptions(void **state) {
  (void)state;
  char long_text[160];
  write_good("a.h5");
  char *said = described();
  assert_non_null(strstr(said,
                         "  format         findna-shard 1\n  split          train\n  window         25\n"
                         "  assembly       GRCh38\n  source_sha256  0123\n  windows        40 of 25 nucleotides\n"));
  free(said);
  memset(long_text, 'x', sizeof long_text), long_text[sizeof long_text - 1] = '\0';
  hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
  set_text(file, "assembly", long_text);
  H5Fclose(file);
  said = described();
  assert_non_null(strstr(said, "  assembly       \n  source_sha256  0123\n"));
  free(said);
}

/* Any flipped bit of a shard whose hash agrees never causes a crash. */
static void flipped_bits(void **state) {
  (void)state;
  char *text;
  size_t bytes;
  write_good("d.h5");
  assert_ok(fd_read_file(path, 1 << 20, &text, &bytes));
  for (size_t k = 0; k < 400; k++) {
    fd_windows windows;
    size_t at = k * 2654435761u % bytes;
    text[at] ^= (char)(1 << k % 8);
    assert_ok(fd_write_file(path, text, bytes));
    text[at] ^= (char)(1 << k % 8);
    write_manifest("d.h5");
    fd_status status = load(&windows);
    assert_true(status == FD_OK || status == FD_DATA || status == FD_MEMORY);
    if (status == FD_OK) assert_memory_equal(windows.symbols, symbols, sizeof symbols);
    fd_windows_free(&windows);
  }
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(written_and_read),
      cmocka_unit_test(records),
      cmocka_unit_test(several_shards),
      cmocka_unit_test(long_windows),
      cmocka_unit_test(positions),
      cmocka_unit_test(descriptions),
      cmocka_unit_test(wrong_content),
      cmocka_unit_test(replaced_after_the_manifest),
      cmocka_unit_test(more_windows_than_bytes),
      cmocka_unit_test(more_letters_than_bytes),
      cmocka_unit_test(flipped_bits),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
