/* Tests matrices in three formats: all hold the same values, names and bounds; without a commit there is no file. */
#include "check.h"
#include "draws.h"

#include <hdf5.h>
#include <unistd.h>

#include "base/file.h"
#include "output/matrix.h"
#include "scratch.h"

enum { ITEMS = 7, WIDTH = 5 };
static const int64_t lengths[ITEMS] = {3, 1, 4, 1, 5, 9, 2};
static const char *const names[ITEMS] = {"chr1:1-3", "b", "a longer name than the others", "d", "\xce\xb1", "f", "g"};

/* Random bits as finite floats, including denormals and -0. */
static float value_of(int64_t row, int column) {
  uint32_t word[4];
  float value;
  fd_philox(word, drawn_key(5), (uint64_t)row, (uint64_t)column);
  if ((word[0] >> 23 & 255) == 255) word[0] &= 0x807fffff;
  memcpy(&value, word, sizeof value);
  return row == 2 && column == 1 ? -0.0f : value;
}

static int64_t rows_of(int many) {
  int64_t rows = 0;
  for (int i = 0; i < ITEMS; i++) rows += many ? lengths[i] : 1;
  return rows;
}

/* Kinds of items: one row; many rows; many rows with spans, whose number is not known in advance. */
enum { ONE, MANY, SPANS };
/* The span of row r of an item; the first row's is empty. */
static int64_t span_of(int64_t r, int part) { return part ? (r ? 6 : 0) : r ? 6 * (r - 1) : 0; }

static void write_matrix(const char *path, int many, int commit) {
  const fd_note notes[] = {{"pooling", "mean"}, {"empty", ""}};
  const fd_matrix_info info = {.items = ITEMS,
                               .rows = many == SPANS ? -1 : rows_of(many),
                               .width = WIDTH,
                               .many = many != ONE,
                               .spans = many == SPANS,
                               .notes = 2,
                               .note = notes};
  fd_matrix *m;
  float values[16 * WIDTH];
  int64_t spans[16 * 2], row = 0;
  assert_ok(fd_matrix_begin(&m, path, &info));
  for (int i = 0; i < ITEMS; i++) {
    int64_t n = many ? lengths[i] : 1;
    for (int64_t r = 0; r < n; r++, row++)
      for (int c = 0; c < WIDTH; c++) values[r * WIDTH + c] = value_of(row, c);
    for (int64_t r = 0; r < n; r++) spans[2 * r] = span_of(r, 0), spans[2 * r + 1] = span_of(r, 1);
    assert_ok(fd_matrix_append(m, names[i], n, values, many == SPANS ? spans : NULL));
  }
  if (commit) assert_ok(fd_matrix_commit(m));
  fd_matrix_end(&m);
}

static void check_values(const float *found, int64_t rows) {
  for (int64_t r = 0; r < rows; r++)
    for (int c = 0; c < WIDTH; c++) {
      float want = value_of(r, c);
      assert_memory_equal(&found[r * WIDTH + c], &want, sizeof want);
    }
}

static void check_h5_spans(hid_t file) {
  int64_t span[64][2];
  hid_t set = H5Dopen2(file, "span", H5P_DEFAULT), space = H5Dget_space(set);
  hsize_t shape[2];
  assert_int_equal(H5Sget_simple_extent_dims(space, shape, NULL), 2);
  assert_true(shape[0] == (hsize_t)rows_of(SPANS) && shape[1] == 2);
  assert_true(H5Dread(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, span) >= 0);
  for (int i = 0, row = 0; i < ITEMS; i++)
    for (int64_t r = 0; r < lengths[i]; r++, row++) assert_true(span[row][0] == span_of(r, 0) && span[row][1] == span_of(r, 1));
  H5Sclose(space);
  H5Dclose(set);
}

static void check_h5(const char *path, int many) {
  float found[64 * WIDTH];
  int64_t start[ITEMS + 1], rows = rows_of(many), bound = 0;
  char *ids[ITEMS], note[16] = "";
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), set = H5Dopen2(file, "embedding", H5P_DEFAULT);
  assert_true(file >= 0 && set >= 0);
  hid_t space = H5Dget_space(set);
  hsize_t shape[2];
  assert_int_equal(H5Sget_simple_extent_dims(space, shape, NULL), 2);
  assert_true(shape[0] == (hsize_t)rows && shape[1] == WIDTH);
  assert_true(H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, found) >= 0);
  check_values(found, rows);
  H5Sclose(space);
  H5Dclose(set);
  set = H5Dopen2(file, "id", H5P_DEFAULT);
  hid_t type = H5Dget_type(set);
  assert_true(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, ids) >= 0);
  for (int i = 0; i < ITEMS; i++) {
    assert_string_equal(ids[i], names[i]);
    H5free_memory(ids[i]);
  }
  H5Tclose(type);
  H5Dclose(set);
  assert_int_equal(H5Lexists(file, "start", H5P_DEFAULT) > 0, many != ONE);
  assert_int_equal(H5Lexists(file, "span", H5P_DEFAULT) > 0, many == SPANS);
  if (many == SPANS) check_h5_spans(file);
  if (many) {
    set = H5Dopen2(file, "start", H5P_DEFAULT);
    assert_true(H5Dread(set, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, start) >= 0);
    for (int i = 0; i < ITEMS; bound += lengths[i++]) assert_true(start[i] == bound);
    assert_true(start[ITEMS] == bound);
    H5Dclose(set);
  }
  hid_t attribute = H5Aopen(file, "pooling", H5P_DEFAULT);
  type = H5Aget_type(attribute);
  assert_true(H5Tget_size(type) < sizeof note && H5Aread(attribute, type, note) >= 0);
  assert_string_equal(note, "mean");
  H5Tclose(type);
  H5Aclose(attribute);
  H5Fclose(file);
}

static void check_npy(const char *path, int many) {
  char *text, shape[64], ids[FD_PATH_MAX];
  size_t bytes;
  int64_t rows = rows_of(many);
  assert_ok(fd_read_file(path, 1 << 20, &text, &bytes));
  assert_int_equal(bytes, 128 + (size_t)rows * WIDTH * sizeof(float));
  assert_memory_equal(text, "\x93NUMPY\x01\x00\x76\x00", 10); /* 0x76 = 118: the header's length */
  snprintf(shape, sizeof shape, "'shape': (%d, %d)", (int)rows, WIDTH);
  assert_non_null(strstr(text + 10, shape));
  assert_true(text[127] == '\n');
  float *found = malloc(bytes);
  memcpy(found, text + 128, bytes - 128);
  check_values(found, rows);
  free(found);
  free(text);
  snprintf(ids, sizeof ids, "%s.ids.txt", path);
  assert_ok(fd_read_file(ids, 1 << 20, &text, &bytes));
  const char *expected[] = {"chr1:1-3\nb\n", "chr1:1-3\t3\nb\t1\n", "chr1:1-3\t0\t0\nchr1:1-3\t0\t6\nchr1:1-3\t6\t6\nb\t0\t0\n"};
  assert_true(!strncmp(text, expected[many], strlen(expected[many])));
  free(text);
}

static void check_tsv(const char *path, int many) {
  char *text;
  size_t bytes;
  int64_t row = 0;
  float found[64 * WIDTH];
  assert_ok(fd_read_file(path, 1 << 20, &text, &bytes));
  char *rest = text, *line = strsep(&rest, "\n");
  const char *expected[] = {"id\te0\te1", "id\tposition\te0\te1", "id\tposition\tbegin\tlength\te0\te1"};
  assert_true(!strncmp(line, expected[many], strlen(expected[many])));
  while ((line = strsep(&rest, "\n")) && *line) {
    strsep(&line, "\t");
    int64_t r = many ? strtoll(strsep(&line, "\t"), NULL, 10) - 1 : 0;
    for (int part = 0; part < 2 && many == SPANS; part++) assert_true(strtoll(strsep(&line, "\t"), NULL, 10) == span_of(r, part));
    for (int c = 0; c < WIDTH; c++) found[row * WIDTH + c] = strtof(strsep(&line, "\t"), NULL);
    row++;
  }
  assert_true(row == rows_of(many));
  check_values(found, row);
  free(text);
}

static void formats_hold_the_same(void **state) {
  (void)state;
  assert_int_equal(chdir(folder), 0);
  for (int many = ONE; many <= SPANS; many++) {
    write_matrix("m.h5", many, 1);
    check_h5("m.h5", many);
    write_matrix("m.npy", many, 1);
    check_npy("m.npy", many);
    write_matrix("m.tsv", many, 1);
    check_tsv("m.tsv", many);
  }
}

static void no_file_before_the_commit(void **state) {
  (void)state;
  static const char *const paths[] = {"n.h5", "n.npy", "n.tsv"};
  assert_int_equal(chdir(folder), 0);
  for (int i = 0; i < 3; i++) {
    write_matrix(paths[i], 1, 0);
    assert_false(fd_exists(paths[i]));
  }
  assert_int_equal(system("test -z \"$(ls -A | grep tmp-)\""), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(formats_hold_the_same),
      cmocka_unit_test(no_file_before_the_commit),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
