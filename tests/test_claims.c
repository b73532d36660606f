/* Numbers and names that a file claims: counts are checked against the bytes of the file, sums and products that overflow are
 * refused, every name is unique, and values that are stored twice agree. The hashes of the edited files are corrected, so that no
 * other check refuses them. */
#include "files.h"

#include <hdf5.h>
#include <inttypes.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/memory.h"
#include "commands/command.h"
#include "data/shards.h"
#include "output/matrix_show.h"
#include "output/metrics.h"
#include "output/safetensors.h"
#include "tasks/suite.h"
#include "train/checkpoint_format.h"

/* `text` with `from` replaced once by `to`; the end when `from` is empty. */
static char *replaced(const char *text, const char *from, const char *to) {
  const char *at = *from ? strstr(text, from) : text + strlen(text);
  char *out = malloc(strlen(text) + strlen(to) + 1);
  if (!at) fail_msg("nothing to replace: %s", from);
  sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
  return out;
}

static void sizes(void **state) {
  (void)state;
  int64_t n = INT64_MAX - 5;
  assert_true(fd_add_size(&n, 5) && n == INT64_MAX);
  assert_false(fd_add_size(&n, 1));
  assert_false(fd_add_size(&n, -1));
  assert_true(n == INT64_MAX);
  n = (int64_t)1 << 31;
  assert_true(fd_multiply_size(&n, (int64_t)1 << 31) && n == (int64_t)1 << 62);
  assert_false(fd_multiply_size(&n, 2));
  assert_false(fd_multiply_size(&n, -1));
  assert_true(fd_multiply_size(&n, 0) && n == 0);
}

/* --- files that are not regular ------------------------------------------------------------------------------------------ */

static void irregular_files_are_refused(void **state) {
  (void)state;
  const char *paths[] = {below("fifo", NULL), below("socket", NULL), folder, "/dev/zero", "/dev/null"};
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  char hex[FD_SHA256_HEX], *text;
  uint64_t bytes;
  size_t size;
  fd_metrics_log log;
  fd_safetensors file;
  assert_int_equal(mkfifo(paths[0], 0600), 0);
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(name.sun_path, sizeof name.sun_path, "%s", paths[1]);
  assert_int_equal(bind(s, (struct sockaddr *)&name, sizeof name), 0);
  int is;
  alarm(20); /* a reader that waits ends the program */
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    assert_int_equal(fd_sha256_file(paths[i], hex, &bytes), FD_DATA);
    assert_int_equal(fd_read_file(paths[i], 1 << 20, &text, &size), FD_DATA);
    assert_int_equal(fd_metrics_read(paths[i], &log), FD_DATA);
    assert_int_equal(fd_safetensors_read(paths[i], &file), FD_DATA);
    assert_int_equal(fd_matrix_show(paths[i]), FD_DATA);
    assert_int_equal(fd_shard_print(paths[i]), FD_DATA);
    assert_ok(fd_matrix_is_one(paths[i], &is));
    assert_false(is);
    assert_ok(fd_begins_with(paths[i], "", 0, &is));
    assert_false(is);
  }
  alarm(0);
  close(s);
}

/* --- the MANIFEST of a checkpoint ---------------------------------------------------------------------------------------- */

typedef struct world {
  fd_config config, read;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  char run[FD_PATH_MAX], step[FD_PATH_MAX], *manifest;
} world;

/* A run of three steps of 64 windows. */
static void make_run(world *w) {
  fd_checkpointer *c;
  int durable;
  fd_config_defaults(&w->config);
  w->config.model.channels = 6, w->config.model.hidden = 8, w->config.model.track = 2, w->config.model.networks = 1;
  w->config.device.threads = 1;
  assert_ok(fd_device_open(&w->dev, &w->config, 0, 1));
  assert_ok(fd_network_create(&w->network, &w->config, 9));
  assert_ok(fd_state_create(&w->state, &w->config, w->network, w->dev));
  w->state->step = 3, w->state->updates = 2, w->state->skipped = 1, w->state->draws = 3 * 64;
  snprintf(w->run, sizeof w->run, "%s", below("run", NULL));
  assert_ok(fd_make_folder(w->run));
  const fd_run run = {w->run, &w->config, w->network, fd_comm_self(), 9, "none", 0, NULL, NULL, NULL};
  assert_ok(fd_checkpointer_create(&c, &run, w->state));
  assert_ok(fd_checkpointer_begin(c, w->state));
  assert_ok(fd_checkpointer_finish(c, &durable, NULL));
  assert_true(durable);
  fd_checkpointer_destroy(&c);
  assert_ok(fd_checkpoint_folder(w->step, w->run, 3));
  size_t bytes;
  assert_ok(fd_read_file(below("run/ckpt/step_000000003", "MANIFEST"), FD_MANIFEST_MAX, &w->manifest, &bytes));
  w->manifest[bytes - FD_SHA256_HEX - strlen("sha256 ")] = '\0'; /* without its last line */
}

static void free_run(world *w) {
  fd_state_destroy(&w->state);
  fd_network_destroy(&w->network);
  fd_device_close(&w->dev);
  free(w->manifest);
}

static void hash_of(const char *text, size_t bytes, char hex[FD_SHA256_HEX]) {
  unsigned char digest[FD_SHA256_BYTES];
  assert_ok(fd_sha256_of(text, bytes, digest));
  fd_hex(hex, digest);
}

static void put_own_hash(const char *text, const char *path) {
  char hex[FD_SHA256_HEX], last[FD_SHA256_HEX + 16];
  hash_of(text, strlen(text), hex);
  snprintf(last, sizeof last, "sha256 %s\n", hex);
  char *whole = replaced(text, "", last);
  put(path, whole);
  free(whole);
}

/* Writes a MANIFEST with both hashes corrected. */
static void put_manifest(char *text, const char *path) {
  char hex[FD_SHA256_HEX], *state = strstr(text, "state_id ");
  hash_of(text, (size_t)(state - text), hex);
  memcpy(state + strlen("state_id "), hex, FD_SHA256_HEX - 1);
  put_own_hash(text, path);
}

static fd_status load(world *w) {
  fd_checkpoint_info info;
  fd_weights weights;
  fd_status status = fd_checkpoint_open_weights(fd_comm_self(), w->step, &w->read, &info, &weights);
  fd_weights_free(&weights);
  return status;
}

static const char *const manifest_edits[][2] = {
    {"step 3\n", "step 4\n"},                             /* the folder says 3 */
    {"step 3\n", "step 03\n"},                            /* not in the written format */
    {"step 3\n", "step 3 \n"},                            /* likewise */
    {"step 3\n", "step 3\nstep 3\n"},                     /* twice */
    {"step 3\n", "step 18446744073709551619\n"},          /* 3 after an overflow */
    {"step 3\n", "step -3\n"},                            /* negative */
    {"step 3\n", ""},                                     /* missing */
    {"updates 2\n", "updates 4\n"},                       /* more than steps */
    {"updates 2\n", ""},                                  /* missing */
    {"updates 2\nskipped 1\n", "skipped 1\nupdates 2\n"}, /* another order */
    {"skipped 1\n", "skipped -1\n"},
    {"bad_in_row 0\n", "bad_in_row 3\n"}, /* two more than were skipped */
    {"draws 192\n", "draws 256\n"},       /* not step * batch */
    {"draws 192\n", "draws 18446744073709551615\n"},
    {"draws 192\n", "draws 192\nbest_step 9\nbest_score 1\n"},   /* of a later step */
    {"draws 192\n", "draws 192\nbest_step 2\nbest_score nan\n"}, /* not a number */
    {"draws 192\n", "draws 192\nbest_step 2\n"},                 /* incomplete */
    {"window 9\n", "window 0\n"},
    {"window 9\n", "window -9\n"},
    {"window 9\n", "window 4294967305\n"}, /* 9 after an overflow */
    {"window 9\n", "window 99\n"},         /* another number of blocks, hence other files */
    {"virtual_ranks 64\n", "virtual_ranks 32\n"},
    {"reduction reproducible\n", "reduction fast\n"},
    {"config_hash ", "config_hash 0"},
    {"format findna-checkpoint-1\n", "format findna-checkpoint-2\n"},
    {"format findna-checkpoint-1\n", ""},
    {"file student-00.safetensors ", "file student-01.safetensors "},
    {"file student-00.safetensors ", "file ../student-00.safetensors "},
    {"file student-00.safetensors ", "file teacher-00.safetensors "}, /* twice */
    {"file config.yaml ", "file config.yml "},
    {"dataset_id none\n", "dataset_id none\ndataset_id none\n"},
    {"dataset_id none\n", "dataset_id none\nnote x\n"},
    {"dataset_id none\n", "dataset_id none x\n"},
    {"dataset_id none\n", "dataset_id none\nteacher 0\n"}, /* not a hash */
    {"dataset_id none\n",                                  /* not in its place after the version */
     "dataset_id none\nteacher 0000000000000000000000000000000000000000000000000000000000000000\n"},
    {"", "\n"},
    {"", "file extra 0 0000000000000000000000000000000000000000000000000000000000000000\n"}};

static void manifests(void **state) {
  (void)state;
  static world w;
  make_run(&w);
  const char *path = below("run/ckpt/step_000000003", "MANIFEST");
  assert_ok(load(&w));
  for (size_t i = 0; i < sizeof manifest_edits / sizeof *manifest_edits; i++) {
    char *text = replaced(w.manifest, manifest_edits[i][0], manifest_edits[i][1]);
    put_manifest(text, path);
    if (load(&w) != FD_DATA) fail_msg("accepted: %s -> %s", manifest_edits[i][0], manifest_edits[i][1]);
    free(text);
  }
  put_manifest(w.manifest, path);
  assert_ok(load(&w));
  char *other = replaced(w.manifest, "", "");
  memset(strstr(other, "state_id ") + 9, '0', FD_SHA256_HEX - 1); /* not the hash of the preceding lines */
  put_own_hash(other, path);
  assert_int_equal(load(&w), FD_DATA);
  free(other);
  free_run(&w);
}

/* The arrays of a checkpoint: a file of another array, or one with a tensor twice in place of another. */
static void swapped_files(void **state) {
  (void)state;
  static world w;
  fd_safetensors file;
  char hex[FD_SHA256_HEX], before[256], after[256];
  uint64_t bytes, bytes_before;
  w = (world){0};
  assert_ok(fd_remove_folder(below("run", NULL)));
  make_run(&w);
  const char *path = below("run/ckpt/step_000000003", "student-00.safetensors"),
             *manifest = below("run/ckpt/step_000000003", "MANIFEST");
  for (int kind = 0; kind < 3; kind++) {
    assert_ok(fd_sha256_file(path, hex, &bytes_before));
    snprintf(before, sizeof before, "file student-00.safetensors %" PRIu64 " %s\n", bytes_before, hex);
    assert_ok(fd_safetensors_read(path, &file));
    fd_tensor a = file.tensor[0], b = file.tensor[1];
    if (kind == 0) file.tensor[0] = b, file.tensor[1] = a;    /* another order */
    if (kind == 1) snprintf(file.tensor[0].name, 8, "other"); /* another name */
    if (kind == 2) file.count--;                              /* one too few */
    assert_ok(fd_safetensors_write(below("changed", NULL), file.tensor, file.count));
    fd_safetensors_free(&file);
    char *whole, *changed;
    size_t size, whole_size;
    assert_ok(fd_read_file(path, 1 << 20, &whole, &whole_size));
    assert_ok(fd_read_file(below("changed", NULL), 1 << 20, &changed, &size));
    assert_ok(fd_write_file(path, changed, size));
    assert_ok(fd_sha256_file(path, hex, &bytes));
    snprintf(after, sizeof after, "file student-00.safetensors %" PRIu64 " %s\n", bytes, hex);
    char *text = replaced(w.manifest, before, after);
    put_manifest(text, manifest);
    if (load(&w) != FD_DATA) fail_msg("kind %d was accepted", kind);
    assert_ok(fd_write_file(path, whole, whole_size));
    free(text);
    free(changed);
    free(whole);
  }
  put_manifest(w.manifest, manifest);
  assert_ok(load(&w));
  free_run(&w);
}

/* --- manifest.json -------------------------------------------------------------------------------------------------------- */

/* Two shards of 10 windows of 25 nucleotides; dataset_id is corrected here. */
static fd_status read_manifest(const char *window, const char *first, const char *second) {
  char text[2048], line[1024], hex[FD_SHA256_HEX];
  const char *entries[] = {first, second};
  int n = snprintf(line, sizeof line, "window %d\n", (int)strtoll(window, NULL, 10));
  for (int i = 0; i < 2; i++) {
    char split[64] = "", sha[FD_SHA256_HEX] = "", windows[64] = "";
    sscanf(strstr(entries[i], "\"split\": \"") + 10, "%63[^\"]", split);
    sscanf(strstr(entries[i], "\"windows\": ") + 11, "%63[0-9-]", windows);
    sscanf(strstr(entries[i], "\"sha256\": \"") + 11, "%64[^\"]", sha);
    n += snprintf(line + n, sizeof line - (size_t)n, "%s %s %s\n", split, windows, sha);
  }
  hash_of(line, (size_t)n, hex);
  snprintf(text, sizeof text, "{\"format\": \"findna-shards 1\", \"window\": %s, \"dataset_id\": \"%s\", \"shards\": [%s, %s]}",
           window, hex, first, second);
  put(below("manifest.json", NULL), text);
  fd_manifest m;
  fd_status status = fd_manifest_read(folder, &m);
  if (status == FD_OK) fd_manifest_free(&m);
  return status;
}

static void shard_manifests(void **state) {
  (void)state;
  static const char good[] =
      "{\"file\": \"b.h5\", \"split\": \"val\", \"windows\": 10, \"bytes\": 300, \"sha256\": "
      "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}",
                    first[] =
                        "{\"file\": \"a.h5\", \"split\": \"train\", \"windows\": 10, \"bytes\": 300, \"sha256\": "
                        "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}";
  static const char *const edits[][2] = {{"a.h5", "b.h5"},        /* twice */
                                         {"a.h5", "x/a.h5"},      /* in another folder */
                                         {"a.h5", "a\\u001b.h5"}, /* a terminal escape */
                                         {"a.h5", "a\\u007f.h5"},
                                         {"a.h5", ".a.h5"},
                                         {"train", "Train"}, /* not a split */
                                         {"train", "valid"},
                                         {": 10", ": 13"}, /* 325 symbols in 300 bytes */
                                         {": 10", ": 9223372036854775807"},
                                         {": 10", ": 368934881474191033"}, /* times 25: 9 after an overflow */
                                         {": 10", ": -10"},
                                         {": 10", ": 0"},
                                         {"0123456789abcdef0123", "0123456789ABCDEF0123"},
                                         {"0123456789abcdef0123", "0123456789abcdefxyzw"}};
  assert_ok(read_manifest("25", first, good));
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    char *bad = replaced(first, edits[i][0], edits[i][1]);
    if (read_manifest("25", bad, good) != FD_DATA) fail_msg("accepted: %s", bad);
    free(bad);
  }
  char long_name[300];
  memset(long_name, 'a', sizeof long_name), long_name[sizeof long_name - 1] = '\0';
  char *cut = replaced(first, "a.h5", long_name); /* more than an entry holds */
  assert_int_equal(read_manifest("25", cut, good), FD_DATA);
  free(cut);
  assert_int_equal(read_manifest("0", first, good), FD_DATA);
  assert_int_equal(read_manifest("-25", first, good), FD_DATA);
  assert_int_equal(read_manifest("4294967321", first, good), FD_DATA); /* 25 after an overflow */
  /* each fits, but not their sum */
  char *a = replaced(first, ": 10, \"bytes\": 300", ": 8000000000000000000, \"bytes\": 9000000000000000000"),
       *b = replaced(good, ": 10, \"bytes\": 300", ": 8000000000000000000, \"bytes\": 9000000000000000000");
  assert_int_equal(read_manifest("1", a, b), FD_DATA);
  assert_ok(read_manifest("1", first, b));
  free(a);
  free(b);
}

/* --- embeddings ------------------------------------------------------------------------------------------------------------ */

enum { GOOD, UNWRITTEN, CHUNK, PACKED, EXTERNAL, SOFT, LINK, KINDS };

static hid_t make_set(hid_t file, const char *name, hid_t type, int dims, hsize_t rows, hsize_t width, int kind) {
  const hsize_t shape[2] = {rows, width}, chunk[2] = {kind == CHUNK ? (hsize_t)1 << 28 : 2, kind == CHUNK ? 8 : width},
                any[2] = {H5S_UNLIMITED, H5S_UNLIMITED};
  hid_t space = H5Screate_simple(dims, shape, kind == CHUNK ? any : NULL), how = H5Pcreate(H5P_DATASET_CREATE);
  if (kind != EXTERNAL) H5Pset_chunk(how, dims, chunk);
  if (kind == PACKED) H5Pset_deflate(how, 9);
  if (kind == EXTERNAL) H5Pset_external(how, "/dev/null", 0, 64);
  hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
  H5Pclose(how);
  H5Sclose(space);
  return set;
}

/* Two rows of three values and their names, or a file that claims something else. */
static void make_h5(const char *path, int kind) {
  static const float values[6] = {1, 2, 3, 4, 5, 6};
  static const char *const names[2] = {"a", "b"};
  static const char format[] = "findna-embedding 1";
  hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), text = H5Tcopy(H5T_C_S1), fixed = H5Tcopy(H5T_C_S1),
        scalar = H5Screate(H5S_SCALAR);
  H5Tset_size(text, H5T_VARIABLE);
  H5Tset_size(fixed, sizeof format);
  hid_t attribute = H5Acreate2(file, "format", fixed, scalar, H5P_DEFAULT, H5P_DEFAULT);
  assert_true(H5Awrite(attribute, fixed, format) >= 0);
  H5Aclose(attribute);
  hsize_t rows = kind == UNWRITTEN ? (hsize_t)1 << 40 : 2;
  hid_t set = make_set(file, kind == SOFT || kind == LINK ? "other" : "embedding", H5T_IEEE_F32LE, 2, rows, 3, kind);
  if (kind != UNWRITTEN && kind != CHUNK && kind != EXTERNAL)
    assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  H5Dclose(set);
  if (kind == SOFT) H5Lcreate_soft("/other", file, "embedding", H5P_DEFAULT, H5P_DEFAULT);
  if (kind == LINK) H5Lcreate_external("/dev/zero", "embedding", file, "embedding", H5P_DEFAULT, H5P_DEFAULT);
  set = make_set(file, "id", text, 1, rows, 1, kind == UNWRITTEN ? UNWRITTEN : GOOD);
  if (kind != UNWRITTEN) assert_true(H5Dwrite(set, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, names) >= 0);
  H5Dclose(set);
  H5Sclose(scalar);
  H5Tclose(fixed);
  H5Tclose(text);
  H5Fclose(file);
}

static void embeddings(void **state) {
  (void)state;
  static const char head[] = "\x93NUMPY\x01\x00\x60\x00";
  static const char *const shapes[] = {"(2, 3)",
                                       "(2, 4)",
                                       "(-2, -3)",
                                       "(9223372036854775807, 4)",
                                       "(4611686018427387906, 4)",
                                       "(2, 0)",
                                       "(4, 16777217)",
                                       "(2, 9223372036854775807)",
                                       "(6,)"};
  char text[256];
  const char *path = below("claims.h5", NULL), *npy = below("claims.npy", NULL);
  alarm(60);
  capture_begin();
  fd_status h5[KINDS], of_shape[sizeof shapes / sizeof *shapes];
  for (int kind = 0; kind < KINDS; kind++) {
    make_h5(path, kind);
    int is;
    assert_ok(fd_matrix_is_one(path, &is));
    h5[kind] = is ? fd_matrix_show(path) : FD_BUG;
  }
  put(below("claims.npy.ids.txt", NULL), "a\nb\n");
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    memset(text, ' ', sizeof text);
    memcpy(text, head, 10);
    int n = snprintf(text + 10, 200, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shapes[i]);
    text[10 + n] = ' ';
    memset(text + 10 + 0x60, 0, 24);
    assert_ok(fd_write_file(npy, text, 10 + 0x60 + 24));
    of_shape[i] = fd_matrix_show(npy);
  }
  free(capture_end());
  alarm(0);
  for (int kind = 0; kind < KINDS; kind++)
    if (h5[kind] != (kind == GOOD ? FD_OK : FD_DATA)) fail_msg("HDF5 of kind %d: %d", kind, (int)h5[kind]);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    if (of_shape[i] != (i ? FD_DATA : FD_OK)) fail_msg("NumPy %s: %d", shapes[i], (int)of_shape[i]);
}

/* --- texts ------------------------------------------------------------------------------------------------------------------ */

static void texts(void **state) {
  (void)state;
  static const char task[] = "t\t--task {data}/x\t\tmcc\t\t\tnote\t10 5\n";
  static const char *const edits[][2] = {
      {"", task}, /* twice */
      {"t\t", "../t\t"}, {"t\t", ".\t"},     {"t\t", "\t"},  {"10 5", "-10 5"}, {"10 5", "10 4294967301"},
      {"10 5", "10"},    {"10 5", "10 5 5"}, {"mcc", "loss"}};
  static const char nul[] = "# x\0\nt\t--a\t\tmcc\t\t\tn\n";
  static const char nul_line[] = "{\"kind\": \"step\", \"step\": 1}\0\n{\"kind\": \"step\", \"step\": 2}\n";
  static fd_suite suite;
  fd_metrics_log log;
  const char *path = below("claims.tsv", NULL), *metrics = below("metrics.jsonl", NULL);
  put(path, task);
  assert_ok(fd_suite_read(&suite, path, fd_comm_self()));
  assert_true(suite.count == 1 && suite.task[0].paper_train == 10 && suite.task[0].paper_test == 5);
  fd_suite_free(&suite);
  for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
    char *bad = replaced(task, edits[i][0], edits[i][1]);
    put(path, bad);
    if (fd_suite_read(&suite, path, fd_comm_self()) != FD_DATA) fail_msg("accepted: %s", bad);
    fd_suite_free(&suite);
    free(bad);
  }
  assert_ok(fd_write_file(path, nul, sizeof nul - 1)); /* text after a NUL would be lost */
  assert_int_equal(fd_suite_read(&suite, path, fd_comm_self()), FD_DATA);
  fd_suite_free(&suite);
  char *line = malloc(1 << 17);
  memset(line, ' ', 1 << 17);
  memcpy(line, "{\"kind\": \"step\", \"step\": 1}", 27);
  line[(1 << 17) - 1] = '\n';
  assert_ok(fd_write_file(metrics, line, 1 << 17));
  assert_int_equal(fd_metrics_read(metrics, &log), FD_DATA); /* a line of any length would need memory of any size */
  free(line);
  assert_ok(fd_write_file(metrics, nul_line, sizeof nul_line - 1));
  assert_int_equal(fd_metrics_read(metrics, &log), FD_DATA);
  put(metrics, "{\"kind\": \"step\", \"step\": 1, \"loss\": 1, \"loss\": 2}\n");
  assert_int_equal(fd_metrics_read(metrics, &log), FD_DATA);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes),           cmocka_unit_test(irregular_files_are_refused),
      cmocka_unit_test(manifests),       cmocka_unit_test(swapped_files),
      cmocka_unit_test(shard_manifests), cmocka_unit_test(embeddings),
      cmocka_unit_test(texts),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
