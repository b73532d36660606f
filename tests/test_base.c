/* The base library: random numbers, files, hashes, arguments. */
#include "check.h"
#include "scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/args.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/path.h"
#include "base/random.h"
#include "base/text.h"

/* Known answers of Random123 (kat_vectors, philox4x32-10). */
static void philox_known_answers(void **state) {
  (void)state;
  uint32_t out[4];
  fd_philox(out, (fd_rng_key){{0, 0}}, 0, 0);
  assert_memory_equal(out, ((uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}), sizeof out);
  fd_philox(out, (fd_rng_key){{~0u, ~0u}}, ~0ull, ~0ull);
  assert_memory_equal(out, ((uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}), sizeof out);
  fd_philox(out, (fd_rng_key){{0xa4093822, 0x299f31d0}}, 0x0370734413198a2eull, 0x85a308d3243f6a88ull);
  assert_memory_equal(out, ((uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}), sizeof out);
}

static void keys_differ(void **state) {
  (void)state;
  fd_rng_key keys[64];
  int n = 0;
  for (uint64_t seed = 0; seed < 8; seed++)
    for (int purpose = FD_RNG_INIT; purpose <= FD_RNG_PROBE; purpose++) keys[n++] = fd_rng_key_of(seed, (fd_purpose)purpose);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++) assert_memory_not_equal(&keys[i], &keys[j], sizeof keys[i]);
  fd_rng_key again = fd_rng_key_of(3, FD_RNG_NOISE), once = fd_rng_key_of(3, FD_RNG_NOISE);
  assert_memory_equal(&again, &once, sizeof again);
}

static void uniform_numbers(void **state) {
  (void)state;
  enum { N = 200000, CELLS = 10 };
  fd_rng_key key = fd_rng_key_of(1, FD_RNG_TEST);
  int count[CELLS] = {0};
  double sum = 0;
  for (uint64_t i = 0; i < N; i++) {
    uint32_t out[4];
    fd_philox(out, key, 0, i);
    float u = fd_unit(out[0]);
    assert_true(u >= 0 && u < 1);
    sum += (double)u;
    assert_true(fd_below(out[1], CELLS) < CELLS);
    count[fd_below(out[1], CELLS)]++;
  }
  assert_near(sum / N, 0.5, 4 * sqrt(1.0 / 12 / N));
  for (int i = 0; i < CELLS; i++) assert_near(count[i], N / CELLS, 5 * sqrt(N * 0.1 * 0.9));
  assert_true(fd_unit(~0u) < 1);
  assert_int_equal(fd_below(~0u, 7), 6);
  assert_int_equal(fd_below(0, 7), 0);
}

static void normal_moments(void **state) {
  (void)state;
  enum { N = 400000 };
  fd_rng_key key = fd_rng_key_of(2, FD_RNG_TEST);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, cross = 0;
  for (uint64_t i = 0; i < N / 2; i++) {
    uint32_t out[4];
    float z[2];
    fd_philox(out, key, 0, i);
    fd_normal_pair(z, out[0], out[1]);
    for (int k = 0; k < 2; k++) {
      double x = (double)z[k];
      m1 += x / N, m2 += x * x / N, m3 += x * x * x / N, m4 += x * x * x * x / N;
    }
    cross += (double)z[0] * (double)z[1] / (N / 2);
  }
  assert_near(m1, 0, 5 / sqrt(N));
  assert_near(m2, 1, 5 * sqrt(2.0 / N));
  assert_near(m3, 0, 5 * sqrt(15.0 / N));
  assert_near(m4, 3, 5 * sqrt(96.0 / N));
  assert_near(cross, 0, 5 / sqrt(N / 2));
  float edge[2];
  fd_normal_pair(edge, 0, 0);
  assert_true(isfinite(edge[0]) && isfinite(edge[1]));
  fd_normal_pair(edge, ~0u, ~0u);
  assert_true(isfinite(edge[0]) && isfinite(edge[1]));
}

static void permutation_is_bijective(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1, 2, 3, 5, 17, 1000, 65536, 1000003};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    uint64_t n = sizes[s];
    char *seen = calloc(n, 1);
    for (uint64_t i = 0; i < n; i++) {
      uint64_t at = fd_permute(7, 3, n, i);
      assert_true(at < n);
      if (seen[at]++) fail_msg("n = %llu: %llu is hit twice", (unsigned long long)n, (unsigned long long)at);
    }
    free(seen);
  }
}

/* Epochs and seeds shuffle differently, and a shuffle has few fixed points and no correlation with the index. */
static void permutation_is_random(void **state) {
  (void)state;
  enum { N = 10007 };
  int same_epoch = 0, same_seed = 0, fixed = 0;
  double cross = 0, middle = (N - 1) / 2.0, variance = ((double)N * N - 1) / 12;
  for (uint64_t i = 0; i < N; i++) {
    uint64_t at = fd_permute(7, 0, N, i);
    same_epoch += at == fd_permute(7, 1, N, i);
    same_seed += at == fd_permute(8, 0, N, i);
    fixed += at == i;
    cross += ((double)i - middle) * ((double)at - middle) / variance / N;
  }
  assert_true(same_epoch < 12 && same_seed < 12 && fixed < 12);
  assert_near(cross, 0, 5 / sqrt(N));
}

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

/* A value that jansson rejects makes the whole NULL; syntax errors have a position; text that may be anything is no error. */
static void json_is_whole(void **state) {
  (void)state;
  json_t *list = json_array(), *object = json_object(), *root;
  char *text;
  int good;
  fd_json_append(&list, json_integer(1));
  fd_json_set(&object, "k", json_string("é"));
  assert_ok(fd_json_text(&text, object, JSON_COMPACT, "test"));
  assert_string_equal(text, "{\"k\":\"é\"}");
  free(text);
  fd_json_append(&list, json_real(NAN)); /* NULL */
  assert_null(list);
  fd_json_append(&list, json_integer(2));
  fd_json_set(&object, "list", list);
  assert_null(object);
  assert_int_equal(fd_json_text(&text, object, 0, "test"), FD_DATA);
  assert_null(text);
  assert_int_equal(fd_json_parse(&root, "{\"a\": 1,}", 9, "test"), FD_DATA);
  assert_null(root);
  assert_int_equal(fd_json_parse(&root, "{\"a\": 1, \"a\": 2}", 16, "test"), FD_DATA);
  assert_ok(fd_json_try(&root, "nonsense", 8, "test"));
  assert_null(root);
  assert_ok(fd_json_is_utf8("\xff", &good));
  assert_false(good);
}

/* A text stream keeps an earlier failure; a text that was marked as incomplete is detected. */
static void texts_keep_failures(void **state) {
  (void)state;
  char *text;
  size_t bytes;
  FILE *out;
  assert_ok(fd_text_open(&out, &text, &bytes));
  for (int i = 0; i < 100000; i++) fprintf(out, "%d\n", i % 10);
  assert_ok(fd_text_close(out, &text));
  assert_int_equal(bytes, 200000);
  assert_int_equal(strlen(text), bytes);
  assert_ok(fd_text_check(text, bytes));
  free(text);
  assert_ok(fd_text_open(&out, &text, &bytes));
  assert_null(fd_text_memory(out, SIZE_MAX / 16, 8));
  fprintf(out, "rest");
  assert_ok(fd_text_close(out, &text));
  assert_int_equal(fd_text_check(text, bytes), FD_MEMORY);
  free(text);
}

static void memory_has_a_limit(void **state) {
  (void)state;
  void *block;
  assert_ok(fd_alloc(&block, 0, 8, "nothing"));
  assert_non_null(block);
  free(block);
  assert_ok(fd_alloc(&block, 100, 3, "test"));
  assert_int_equal((uintptr_t)block % 64, 0);
  for (int i = 0; i < 300; i++) assert_int_equal(((char *)block)[i], 0);
  free(block);
  assert_int_equal(fd_alloc(&block, SIZE_MAX / 4, 8, "too much"), FD_MEMORY);
  assert_null(block);
  assert_int_equal(fd_alloc(&block, SIZE_MAX - 4096, 1, "nearly all there is"), FD_MEMORY);
  assert_null(block);
  assert_ok(fd_alloc(&block, 8000001, 1, "a large block"));
  assert_int_equal((uintptr_t)block % (2 << 20), 0);
  free(block);
  int *list = NULL;
  size_t capacity = 0;
  for (size_t i = 0; i < 1000; i++) {
    assert_ok(fd_grow(&list, &capacity, i + 1, sizeof *list, "list"));
    list[i] = (int)i;
  }
  for (int i = 0; i < 1000; i++) assert_int_equal(list[i], i);
  free(list);
}

typedef struct parsed {
  int flag;
  int64_t whole;
  double real;
  const char *text;
  fd_list list;
  const char *positional[2];
  int count, helped;
} parsed;

/* Splits `line` at spaces and parses it. */
static fd_status parse(parsed *p, const char *line) {
  static char words[256];
  char *argv[16] = {(char *)"test"};
  int argc = 1;
  *p = (parsed){.whole = 5, .real = 0.5};
  const fd_arg table[] = {
      {"flag", FD_ARG_FLAG, &p->flag, 0, 0, NULL, "a flag"}, {"whole", FD_ARG_INT, &p->whole, 1, 10, "N", "a number"},
      {"real", FD_ARG_REAL, &p->real, 0, 1, "X", "a share"}, {"text", FD_ARG_TEXT, &p->text, 0, 0, "FILE", "a file"},
      {"list", FD_ARG_LIST, &p->list, 0, 0, "A,B", "names"}, {0}};
  const fd_args args = {"test", "FILE", "A test.", table};
  snprintf(words, sizeof words, "%s", line);
  for (char *w = strtok(words, " "); w; w = strtok(NULL, " ")) argv[argc++] = w;
  return fd_args_parse(&args, argc, argv, p->positional, 2, &p->count, &p->helped);
}

static void arguments(void **state) {
  (void)state;
  parsed p;
  assert_ok(parse(&p, "one --whole 7 --real=0.25 two --flag --text name --list a,b --list c"));
  assert_true(p.flag && !p.helped);
  assert_int_equal(p.whole, 7);
  assert_true(p.real == 0.25);
  assert_string_equal(p.text, "name");
  assert_int_equal(p.list.count, 3);
  assert_string_equal(p.list.item[2], "c");
  assert_int_equal(p.count, 2);
  assert_string_equal(p.positional[1], "two");
  assert_ok(parse(&p, "--flag --flag --list a --list b --text=x=y"));
  assert_string_equal(p.text, "x=y");
  assert_ok(parse(&p, ""));
  assert_int_equal(p.whole, 5);
  assert_null(p.text);
}

static void bad_arguments(void **state) {
  (void)state;
  static const char *const bad[] = {"--whole 0",
                                    "--whole 11",
                                    "--whole x",
                                    "--whole 7x",
                                    "--whole",
                                    "--whole 99999999999999999999",
                                    "--real nan",
                                    "--real 2",
                                    "--flag=1",
                                    "--flog",
                                    "--unknown 1",
                                    "a b c",
                                    "--whole 1 --whole 1",
                                    "--text a --text=b",
                                    "--text=a --whole 3 --text a"};
  parsed p;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse(&p, bad[i]) != FD_USAGE) fail_msg("accepted: %s", bad[i]);
}

static void nearest_name(void **state) {
  (void)state;
  static const char *const names[] = {"pretrain", "prepare", "probe"};
  assert_string_equal(fd_nearest("pretrian", names, 3), "pretrain");
  assert_string_equal(fd_nearest("prob", names, 3), "probe");
  assert_null(fd_nearest("zzzzzzzz", names, 3));
}

static void statuses(void **state) {
  (void)state;
  assert_int_equal(FD_RETRY, 75);
  assert_int_equal(FD_STOPPED, 85);
  char *page, row[512];
  size_t bytes;
  assert_ok(fd_read_file("docs/exit-codes.md", 1 << 20, &page, &bytes));
#define STATUS(name, code, meaning)                                        \
  snprintf(row, sizeof row, "| %d | `%s` | %s |\n", code, #name, meaning); \
  if (!strstr(page, row)) fail_msg("docs/exit-codes.md has no line: %s", row);
#include "base/status.def"
#undef STATUS
  free(page);
}

static void durations(void **state) {
  (void)state;
  const struct {
    double seconds;
    const char *text;
  } of[] = {{0, "0:00:00"},    {59.999, "0:00:59"}, {3661, "1:01:01"}, {360000, "100:00:00"}, {1e11, "27777777:46:40"},
            {1.54321e23, "?"}, {-1, "?"},           {NAN, "?"},        {INFINITY, "?"},       {-INFINITY, "?"}};
  for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
    char text[FD_DURATION_TEXT];
    assert_string_equal(fd_duration_text(text, of[i].seconds), of[i].text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),
      cmocka_unit_test(keys_differ),
      cmocka_unit_test(uniform_numbers),
      cmocka_unit_test(normal_moments),
      cmocka_unit_test(permutation_is_bijective),
      cmocka_unit_test(permutation_is_random),
      cmocka_unit_test(sha256_known_answers),
      cmocka_unit_test(files_are_durable),
      cmocka_unit_test(full_disk),
      cmocka_unit_test(packed_output),
      cmocka_unit_test(path_length_is_limited),
      cmocka_unit_test(one_owner),
      cmocka_unit_test(removes_folders),
      cmocka_unit_test(paths_are_resolved),
      cmocka_unit_test(pairs_and_folders),
      cmocka_unit_test(json_is_whole),
      cmocka_unit_test(texts_keep_failures),
      cmocka_unit_test(memory_has_a_limit),
      cmocka_unit_test(arguments),
      cmocka_unit_test(bad_arguments),
      cmocka_unit_test(nearest_name),
      cmocka_unit_test(statuses),
      cmocka_unit_test(durations),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
