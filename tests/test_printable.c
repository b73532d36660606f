/* Tests names in messages and in printed output: they cannot forge a line or move the cursor; letters of all scripts stay. */
#include "files.h"

#include "base/printable.h"

static void shows(const char *text, const char *expected) {
  char out[256];
  fd_printable(out, sizeof out, text);
  assert_string_equal(out, expected);
}

static void letters_stay(void **state) {
  (void)state;
  const char *texts[] = {
      "",       "runs/first", "a b'\"\\c",        "Größe",
      "染色体", "хромосома",  "\xf0\x9f\xa7\xac", "\xc2\xa0\xc3\xbf \xe2\x80\xa7 \xee\x80\x80 \xf4\x8f\xbf\xbf"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) shows(texts[i], texts[i]);
}

static void controls_are_escaped(void **state) {
  (void)state;
  shows("a\nfindna: error: no", "a\\nfindna: error: no");
  shows("a\tb\rc", "a\\tb\\x0dc");
  shows("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07");
  shows("\x7f\x08", "\\x7f\\x08");
  shows(
      "\xc2\x9b"
      "31m \xc2\x80 \xc2\x85",
      "\\u009b31m \\u0080 \\u0085");
  shows("x\xe2\x80\xaetxt.exe\xe2\x81\xa9\xd8\x9c", "x\\u202etxt.exe\\u2069\\u061c");
  shows(
      "a\xe2\x80\xa8"
      "b\xef\xbb\xbf"
      "c\xe2\x80\x8f",
      "a\\u2028b\\ufeffc\\u200f");
}

/* These include C1 controls as single bytes, which some terminals obey. */
static void other_bytes_are_escaped(void **state) {
  (void)state;
  shows(
      "\x9b"
      "2J",
      "\\x9b2J");
  shows("caf\xe9", "caf\\xe9");
  shows("\xc0\x8a", "\\xc0\\x8a");                   /* an overlong newline, of two bytes */
  shows("\xe0\x80\x9b", "\\xe0\\x80\\x9b");          /* an overlong ESC, of three */
  shows("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a UTF-16 surrogate */
  shows("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond the last character */
  shows("\xf8\xff", "\\xf8\\xff");
  shows("\xe2\x82", "\\xe2\\x82"); /* truncated */
}

/* For every pair of bytes, the result is one line of UTF-8 without controls, of at most the length that the header states. */
static void all_pairs(void **state) {
  (void)state;
  for (int a = 1; a < 256; a++)
    for (int b = 1; b < 256; b++) {
      char text[] = {(char)a, (char)b, 0}, out[2 * FD_PRINTABLE_GROWTH + 1], again[sizeof out];
      fd_printable(out, sizeof out, text);
      for (const unsigned char *at = (const unsigned char *)out; *at; at++)
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0))
          fail_msg("bytes %02x %02x yield a control character", a, b);
      fd_printable(again, sizeof again, out);
      assert_string_equal(again, out); /* valid, and unchanged by a second call */
    }
}

static void cut_between_characters(void **state) {
  (void)state;
  char out[8];
  fd_printable(out, sizeof out, "12345\xc3\xbf\xc3\xbf");
  assert_string_equal(out, "12345\xc3\xbf");
  fd_printable(out, sizeof out, "1234\x1b");
  assert_string_equal(out, "1234");
}

static void printed_lines(void **state) {
  (void)state;
  capture_begin();
  fd_print("run %s: %d\n", "a\nb\x1b[1m", 3);
  fd_print("%s", "part\n");
  fd_print("\n\n");
  fd_print("%s\n", "");
  char *text = capture_end();
  assert_string_equal(text, "run a\\nb\\x1b[1m: 3\npart\\n\n\n\n");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(letters_stay), cmocka_unit_test(controls_are_escaped),   cmocka_unit_test(other_bytes_are_escaped),
      cmocka_unit_test(all_pairs),    cmocka_unit_test(cut_between_characters), cmocka_unit_test(printed_lines)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
