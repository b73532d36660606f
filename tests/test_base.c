/* The base library: JSON, texts, memory, arguments, statuses, durations. */
#include "check.h"

#include "base/args.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/text.h"

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
  assert_ok(parse(&p, "--flag -- --text --"));
  assert_int_equal(p.count, 2);
  assert_string_equal(p.positional[0], "--text");
  assert_string_equal(p.positional[1], "--");
  assert_ok(parse(&p, "--text -- --flag")); /* a value */
  assert_int_equal(p.count, 0);
  assert_ok(parse(&p, "-- --help"));
  assert_false(p.helped);
  assert_ok(parse(&p, ""));
  assert_int_equal(p.whole, 5);
  assert_null(p.text);
}

static void bad_arguments(void **state) {
  (void)state;
  static const char *const bad[] = {"--whole 0",         "--whole 11",
                                    "--whole x",         "--whole 7x",
                                    "--whole",           "--whole 99999999999999999999",
                                    "--real nan",        "--real 2",
                                    "--flag=1",          "--flog",
                                    "--unknown 1",       "a b c",
                                    "a -- b c",          "--whole 1 --whole 1",
                                    "--text a --text=b", "--text=a --whole 3 --text a"};
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
      cmocka_unit_test(json_is_whole), cmocka_unit_test(texts_keep_failures), cmocka_unit_test(memory_has_a_limit),
      cmocka_unit_test(arguments),     cmocka_unit_test(bad_arguments),       cmocka_unit_test(nearest_name),
      cmocka_unit_test(statuses),      cmocka_unit_test(durations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
