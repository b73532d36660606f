/* Shared by the tests of tokenizers: tokens of a text, and properties of all tokens. */
#ifndef FD_TESTS_TOKENS_H
#define FD_TESTS_TOKENS_H

#include "files.h"

#include <jansson.h>

#include "data/alphabet.h"
#include "data/tokenizer.h"

enum { ROOM = 1 << 12 };
static const char merges_file[] = "tests/golden/bpe_merges.txt";

static inline fd_tokenizer *create(fd_tokenizer_settings settings) {
  fd_tokenizer *t;
  assert_ok(fd_tokenizer_create(&t, &settings));
  return t;
}

static inline int64_t symbols_of(const char *text, uint8_t *symbols) {
  int64_t n = 0;
  for (; *text; text++) symbols[n++] = fd_symbol_of[(unsigned char)*text];
  return n;
}

/* Checks that tokens cover each letter once, in order, and that their texts are these letters; special tokens cover none. */
static inline void check_spans(const fd_tokenizer *t, const uint8_t *symbols, int64_t from, int64_t length,
                               const fd_tokens *tokens, int64_t count) {
  const fd_vocabulary *v = fd_tokenizer_vocabulary(t);
  int64_t at = from;
  assert_true(count <= fd_tokenizer_most(t, length - from));
  for (int64_t i = 0; i < count; i++) {
    char text[FD_TOKEN_TEXT];
    fd_span span = tokens->spans[i];
    int32_t id = tokens->ids[i];
    assert_in_range(id, 0, v->size - 1);
    assert_int_equal(span.first, at);
    assert_int_equal(span.count == 0, id == v->cls || id == v->sep);
    fd_tokenizer_text(t, id, text);
    if (id != v->unk && span.count == (int)strlen(text))
      for (int k = 0; k < span.count; k++) assert_int_equal(text[k], "ACGTN"[symbols[span.first + k]]);
    else assert_true(!span.count || id == v->unk || !strcmp(text, "N"));
    at += span.count;
  }
  assert_int_equal(at, length);
}

/* Calls `check` for each line of a file of {"s", "ids", ...}. */
static inline void each_golden(const char *path, const fd_tokenizer *t,
                               void (*check)(const fd_tokenizer *, json_t *, const uint8_t *, int64_t, const fd_tokens *)) {
  static uint8_t symbols[ROOM];
  char *text = get(path), *rest = text, *line;
  fd_tokens tokens;
  int lines = 0;
  assert_ok(fd_tokens_create(&tokens, t, ROOM));
  while ((line = strsep(&rest, "\n"))) {
    if (!*line) continue;
    json_t *row = json_loads(line, 0, NULL);
    assert_non_null(row);
    check(t, row, symbols, symbols_of(json_string_value(json_object_get(row, "s")), symbols), &tokens);
    json_decref(row);
    lines++;
  }
  assert_int_equal(lines, 300);
  fd_tokens_free(&tokens);
  free(text);
}

static inline void same_ids(json_t *ids, const fd_tokens *tokens, int64_t count) {
  for (int64_t i = 0; i < count; i++) assert_int_equal(tokens->ids[i], json_integer_value(json_array_get(ids, (size_t)i)));
}

static inline void check_whole(const fd_tokenizer *t, json_t *row, const uint8_t *symbols, int64_t length,
                               const fd_tokens *tokens) {
  json_t *ids = json_object_get(row, "ids");
  int64_t count = fd_tokenizer_encode(t, symbols, length, 0, tokens);
  assert_int_equal(count, json_array_size(ids));
  same_ids(ids, tokens, count);
  check_spans(t, symbols, 0, length, tokens, count);
}

static inline void ids_are(const fd_tokenizer *t, const char *text, int64_t offset, const char *expected) {
  uint8_t symbols[64];
  char found[512] = "";
  fd_tokens tokens;
  assert_ok(fd_tokens_create(&tokens, t, 64));
  int64_t length = symbols_of(text, symbols), count = fd_tokenizer_encode(t, symbols, length, offset, &tokens);
  for (int64_t i = 0; i < count; i++)
    snprintf(found + strlen(found), sizeof found - strlen(found), "%s%d@%d+%d", i ? " " : "", tokens.ids[i],
             tokens.spans[i].first, tokens.spans[i].count);
  assert_string_equal(found, expected);
  fd_tokens_free(&tokens);
}

#endif
