/* Files and folders: durable or not there at all, hashed, owned by one program; paths. */
#include "check.h"
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/hash.h"
#include "base/lock.h"
#include "base/path.h"

static void sha256_known_answers(void **state) {
  (void)state;
  static const struct {
    const char *text, *hex;
  } known[] = {{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
               {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
               {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}};
  unsigned char digest[FD_SHA256_BYTES];
  char hex[FD_SHA256_HEX], path[FD_PATH_MAX];
  uint64_t bytes;
  assert_ok(fd_path(path, folder, "hash", NULL));
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    size_t n = strlen(known[i].text);
    assert_ok(fd_sha256_of(known[i].text, n, digest));
    fd_hex(hex, digest);
    assert_string_equal(hex, known[i].hex);
    fd_sha256 *hash;
    assert_ok(fd_sha256_begin(&hash));
    for (size_t k = 0; k < n; k++) fd_sha256_add(hash, known[i].text + k, 1);
    assert_ok(fd_sha256_end(&hash, digest));
    assert_null(hash);
    fd_hex(hex, digest);
    assert_string_equal(hex, known[i].hex);
    assert_ok(fd_write_file(path, known[i].text, n));
    assert_ok(fd_sha256_file(path, hex, &bytes));
    assert_string_equal(hex, known[i].hex);
    assert_int_equal(bytes, n);
  }
  assert_ok(fd_path(path, folder, "absent", NULL));
  assert_int_equal(fd_sha256_file(path, hex, &bytes), FD_MISSING);
}

static int entries(const char *path) {
  char command[FD_PATH_MAX + 32];
  snprintf(command, sizeof command, "ls -A '%s' | wc -l", path);
  FILE *p = popen(command, "r");
  int n = -1;
  if (fscanf(p, "%d", &n) != 1) n = -1;
  pclose(p);
  return n;
}

static void files_are_durable(void **state) {
  (void)state;
  char sub[FD_PATH_MAX], path[FD_PATH_MAX], *text;
  size_t bytes;
  uint64_t size;
  assert_ok(fd_path(sub, folder, "x/y", "z"));
  assert_ok(fd_make_folder(sub));
  assert_ok(fd_make_folder(sub));
  assert_ok(fd_path(path, sub, "file", NULL));
  assert_false(fd_exists(path));
  assert_ok(fd_write_file(path, "first", 5));
  assert_ok(fd_write_file(path, "second!", 7));
  assert_ok(fd_read_file(path, 7, &text, &bytes));
  assert_int_equal(bytes, 7);
  assert_string_equal(text, "second!");
  free(text);
  assert_ok(fd_file_size(path, &size));
  assert_int_equal(size, 7);
  assert_int_equal(entries(sub), 1); /* no temporary is left */
  assert_int_equal(fd_read_file(path, 6, &text, &bytes), FD_DATA);
  assert_null(text);
  assert_int_equal(fd_read_file(sub, 100, &text, &bytes), FD_DATA);
  assert_int_equal(fd_read_file("/dev/zero", 100, &text, &bytes), FD_DATA);
  assert_int_equal(fd_make_folder(path), FD_BUSY);
  assert_ok(fd_sync_folder(sub));
  assert_ok(fd_path(path, sub, "absent", "file"));
  assert_int_equal(fd_write_file(path, "x", 1), FD_MISSING);
  assert_int_equal(fd_read_file(path, 1, &text, &bytes), FD_MISSING);
}

/* A full disk: the target keeps its old content and no temporary is left. */
static void full_disk(void **state) {
  (void)state;
  char path[FD_PATH_MAX], *text, big[8192];
  size_t bytes;
  int code;
  memset(big, 'x', sizeof big);
  assert_ok(fd_path(path, folder, "full", NULL));
  assert_ok(fd_write_file(path, "old", 3));
  int before = entries(folder);
  pid_t child = fork();
  if (child == 0) { /* a limit of the file size acts like a disk that fills up during a write */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &ignore, NULL);
    struct rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    _exit(fd_write_file(path, big, sizeof big));
  }
  waitpid(child, &code, 0);
  assert_true(WIFEXITED(code));
  assert_int_equal(WEXITSTATUS(code), FD_IO);
  assert_ok(fd_read_file(path, 100, &text, &bytes));
  assert_string_equal(text, "old");
  free(text);
  assert_int_equal(entries(folder), before);
}

/* Lines that do not compress well. */
static void write_lines(FILE *out) {
  for (uint32_t i = 0; i < 20000; i++) fprintf(out, "%u\n", i * 2654435761u);
}

/* A file whose name ends with .gz reads back and has the same bytes each time; one that is abandoned or does not fit is not
 * visible. */
static void packed_output(void **state) {
  (void)state;
  char path[FD_PATH_MAX], *first, *second, line[32];
  size_t bytes, again;
  fd_output o = {0};
  int code, lines = 0, before;
  assert_ok(fd_path(path, folder, "lines.txt.gz", NULL));
  assert_ok(fd_output_begin(&o, path));
  write_lines(o.stream);
  assert_false(fd_exists(path));
  assert_ok(fd_output_commit(&o));
  assert_ok(fd_read_file(path, 1 << 20, &first, &bytes));
  gzFile in = gzopen(path, "rb");
  while (gzgets(in, line, sizeof line)) assert_int_equal(strtoul(line, NULL, 10), (uint32_t)lines++ * 2654435761u);
  assert_int_equal(gzclose_r(in), Z_OK);
  assert_int_equal(lines, 20000);
  before = entries(folder);
  assert_ok(fd_output_begin(&o, path));
  fprintf(o.stream, "half");
  fd_output_abandon(&o);
  pid_t child = fork();
  if (child == 0) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGXFSZ, &ignore, NULL);
    struct rlimit limit = {4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    if (fd_output_begin(&o, path) != FD_OK) _exit(1);
    write_lines(o.stream);
    _exit(fd_output_commit(&o));
  }
  waitpid(child, &code, 0);
  assert_true(WIFEXITED(code));
  assert_int_equal(WEXITSTATUS(code), FD_IO);
  assert_int_equal(entries(folder), before);
  assert_ok(fd_output_begin(&o, path));
  write_lines(o.stream);
  assert_ok(fd_output_commit(&o));
  assert_ok(fd_read_file(path, 1 << 20, &second, &again));
  assert_int_equal(bytes, again);
  assert_memory_equal(first, second, bytes);
  free(first);
  free(second);
}

static void path_length_is_limited(void **state) {
  (void)state;
  char out[FD_PATH_MAX], part[FD_PATH_MAX];
  assert_ok(fd_path(out, "a", "b", "c"));
  assert_string_equal(out, "a/b/c");
  assert_ok(fd_path(out, "a", NULL, "c"));
  assert_string_equal(out, "a/c");
  assert_ok(fd_path(out, NULL, "b", NULL));
  assert_string_equal(out, "b");
  memset(part, 'p', sizeof part);
  part[sizeof part - 1] = '\0';
  assert_int_equal(fd_path(out, part, "b", NULL), FD_USAGE);
}

static void one_owner(void **state) {
  (void)state;
  char path[FD_PATH_MAX];
  int first, second;
  assert_ok(fd_path(path, folder, "lock", NULL));
  assert_ok(fd_lock(path, &first));
  assert_int_equal(fd_lock(path, &second), FD_BUSY);
  assert_int_equal(second, -1);
  close(first);
  assert_ok(fd_lock(path, &second));
  close(second);
}

static void removes_folders(void **state) {
  (void)state;
  char deep[FD_PATH_MAX], path[FD_PATH_MAX], outside[FD_PATH_MAX];
  assert_ok(fd_path(deep, folder, "gone/a", "b"));
  assert_ok(fd_make_folder(deep));
  assert_ok(fd_path(path, deep, "file", NULL));
  assert_ok(fd_write_file(path, "x", 1));
  assert_ok(fd_path(outside, folder, "stays", NULL));
  assert_ok(fd_make_folder(outside));
  assert_ok(fd_path(path, outside, "file", NULL));
  assert_ok(fd_write_file(path, "x", 1));
  assert_ok(fd_path(path, deep, "link", NULL));
  assert_int_equal(symlink(outside, path), 0);
  assert_ok(fd_path(path, folder, "gone", NULL));
  assert_ok(fd_remove_folder(path));
  assert_false(fd_exists(path));
  assert_int_equal(entries(outside), 1); /* links are removed, not followed */
  assert_int_equal(symlink(outside, path), 0);
  assert_ok(fd_remove_folder(path)); /* also in place of the folder itself */
  assert_false(fd_exists(path));
  assert_int_equal(entries(outside), 1);
  assert_ok(fd_remove_folder(path));
}

/* Home folders, and symlinks whose targets need not exist. */
static void paths_are_resolved(void **state) {
  (void)state;
  char out[FD_PATH_MAX], link[FD_PATH_MAX], **words;
  char *given[] = {"findna", "--output=~/x.tsv", "~/run", "A=~/b", "a~/b", "./~/c", "~x", "k=v"};
  static const char *const wanted[] = {"findna", "--output=/h/x.tsv", "/h/run", "A=/h/b", "a~/b", "./~/c", "~x", "k=v"};
  char *of_a_user[] = {"--output=~ada/x"};
  assert_int_equal(setenv("HOME", "/h", 1), 0);
  assert_ok(fd_path_expand_words(&words, 8, given));
  for (int i = 0; i < 8; i++) assert_string_equal(words[i], wanted[i]);
  assert_null(words[8]);
  free(words);
  assert_int_equal(fd_path_expand_words(&words, 1, of_a_user), FD_USAGE);
  assert_null(words);
  assert_ok(fd_path_expand(out, "~"));
  assert_string_equal(out, "/h");
  unsetenv("HOME");
  assert_int_equal(fd_path_expand(out, "~/x"), FD_CONFIG);
  assert_ok(fd_path(link, folder, "link", NULL));
  assert_int_equal(symlink("there/file", link), 0);
  assert_ok(fd_path_resolve(out, link));
  assert_string_equal(out + strlen(folder), "/there/file");
  assert_ok(fd_path_resolve(out, folder));
  assert_string_equal(out, folder);
  assert_int_equal(unlink(link), 0);
  assert_int_equal(symlink("link", link), 0);
  assert_int_equal(fd_path_resolve(out, link), FD_USAGE);
  assert_int_equal(unlink(link), 0);
}

/* The second file of a pair never exists without the first; a folder appears complete; neither leaves a temporary. */
static void pairs_and_folders(void **state) {
  (void)state;
  char sub[FD_PATH_MAX], a[FD_PATH_MAX], b[FD_PATH_MAX], *text;
  size_t bytes;
  fd_output first = {0}, last = {0};
  fd_folder made = {0};
  assert_ok(fd_path(sub, folder, "pair", NULL));
  assert_ok(fd_make_folder(sub));
  assert_ok(fd_path(a, sub, "a", NULL));
  assert_ok(fd_path(b, sub, "b", NULL));
  for (int i = 0; i < 2; i++) {
    assert_ok(fd_output_begin(&first, a));
    assert_ok(fd_output_begin(&last, b));
    fprintf(first.stream, "a%d", i);
    fprintf(last.stream, "b%d", i);
    assert_ok(fd_output_commit_pair(&first, &last));
    fd_output_abandon(&first);
    fd_output_abandon(&last);
    assert_int_equal(entries(sub), 2);
  }
  assert_ok(fd_read_file(b, 10, &text, &bytes));
  assert_string_equal(text, "b1");
  free(text);
  assert_ok(fd_output_begin(&first, a));
  assert_ok(fd_output_begin(&last, b));
  assert_int_equal(mkdir(strcat(strcpy(sub, a), "x"), 0777), 0);
  strcpy(first.path, sub); /* a folder in place of the first: its rename fails, and the second must not exist */
  assert_int_not_equal(fd_output_commit_pair(&first, &last), FD_OK);
  assert_false(fd_exists(b));
  assert_ok(fd_path(sub, folder, "pair", NULL));
  assert_int_equal(entries(sub), 2); /* a, ax */
  assert_ok(fd_path(a, sub, "f", NULL));
  assert_ok(fd_folder_begin(&made, a));
  assert_false(fd_exists(a));
  assert_ok(fd_path(b, made.temporary, "x", NULL));
  assert_ok(fd_write_file(b, "x", 1));
  assert_ok(fd_folder_commit(&made));
  fd_folder_abandon(&made);
  assert_int_equal(entries(a), 1);
  assert_int_equal(fd_folder_begin(&made, a), FD_BUSY);
  fd_folder_abandon(&made);
  assert_int_equal(entries(sub), 3);
}

/* Writes both files of a pair with the same letter. */
static int write_pair(const char *a, const char *b, char letter) {
  fd_output first = {0}, last = {0};
  if (fd_output_begin(&first, a) != FD_OK || fd_output_begin(&last, b) != FD_OK) return 1;
  fputc(letter, first.stream);
  fputc(letter, last.stream);
  return fd_output_commit_pair(&first, &last) != FD_OK;
}

/* Several processes write one pair at the same time: both files are of the same one, and no lock is left. */
static void pairs_do_not_mix(void **state) {
  (void)state;
  enum { WRITERS = 4, ROUNDS = 40 };
  char sub[FD_PATH_MAX], a[FD_PATH_MAX], b[FD_PATH_MAX], *text[2];
  size_t bytes;
  assert_ok(fd_path(sub, folder, "pairs", NULL));
  assert_ok(fd_make_folder(sub));
  assert_ok(fd_path(a, sub, "a", NULL));
  assert_ok(fd_path(b, sub, "b", NULL));
  for (int round = 0; round < ROUNDS; round++) {
    int code, failed = 0;
    for (int i = 0; i < WRITERS; i++)
      if (!fork()) _exit(write_pair(a, b, (char)('0' + i)));
    while (wait(&code) > 0) failed |= code;
    assert_int_equal(failed, 0);
    assert_ok(fd_read_file(a, 10, &text[0], &bytes));
    assert_ok(fd_read_file(b, 10, &text[1], &bytes));
    assert_string_equal(text[0], text[1]);
    free(text[0]);
    free(text[1]);
    assert_int_equal(entries(sub), 2);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sha256_known_answers), cmocka_unit_test(files_are_durable),      cmocka_unit_test(full_disk),
      cmocka_unit_test(packed_output),        cmocka_unit_test(path_length_is_limited), cmocka_unit_test(one_owner),
      cmocka_unit_test(removes_folders),      cmocka_unit_test(paths_are_resolved),     cmocka_unit_test(pairs_and_folders),
      cmocka_unit_test(pairs_do_not_mix),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
