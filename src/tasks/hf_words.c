/* Reads published vocabularies of words. */
#include "tasks/hf_words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "data/alphabet.h"
#include "data/lines.h"
#include "tasks/words.h"

/* The text of an id; 0 for a special token. */
static int word_of(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]) {
  fd_tokenizer_text(t, id, text);
  return *text && !text[strspn(text, fd_letters)];
}

static fd_status other_word(const char *path, int64_t id, const char *there, const char *here) {
  return fd_fail(FD_DATA,
                 "%s: the word of id %" PRId64
                 " is '%.20s' there and '%.20s' here: the model was trained with another order of words, "
                 "and would be given wrong ones",
                 path, id, there, here);
}

static fd_status check_lines(const char *path, fd_lines *lines, const fd_tokenizer *t) {
  char word[FD_TOKEN_TEXT];
  size_t n;
  for (char *line; (line = fd_lines_next(lines, &n));) {
    while (n && line[n - 1] == ' ') line[--n] = '\0';
    int32_t id = (int32_t)lines->number - 1;
    if (word_of(t, id, word) && strcmp(line, word)) return other_word(path, id, line, word);
  }
  return FD_OK;
}

static fd_status check_text(const char *path, const fd_tokenizer *t) {
  fd_lines lines;
  if (fd_is_absent(path)) return FD_OK;
  FD_TRY(fd_lines_open(&lines, path, FD_WORDS_MAX));
  fd_status status = check_lines(path, &lines, t);
  fd_lines_close(&lines);
  return status;
}

static fd_status check_object(const char *path, const json_t *words, const fd_tokenizer *t) {
  char word[FD_TOKEN_TEXT];
  for (int32_t id = 0; id < fd_tokenizer_vocabulary(t)->size; id++) {
    const json_t *there = word_of(t, id, word) ? json_object_get(words, word) : NULL;
    const char *other = "(none)";
    const json_t *value;
    const char *key;
    if (!there || (json_is_integer(there) && json_integer_value(there) == id)) continue;
    json_object_foreach((json_t *)words, key, value) if (json_integer_value(value) == id) other = key;
    return other_word(path, id, other, word);
  }
  return FD_OK;
}

static fd_status check_json(const char *path, const fd_tokenizer *t) {
  char *text;
  size_t bytes;
  json_t *root;
  if (fd_is_absent(path)) return FD_OK;
  FD_TRY(fd_read_file(path, FD_WORDS_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&root, text, bytes, path);
  free(text);
  FD_TRY(status);
  status = check_object(path, json_object_get(json_object_get(root, "model"), "vocab"), t);
  json_decref(root);
  return status;
}

fd_status fd_hf_words_check(const char *folder, const fd_tokenizer *t) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_path(path, folder, "vocab.txt", NULL));
  FD_TRY(check_text(path, t));
  FD_TRY(fd_path(path, folder, FD_WORDS_FILE, NULL));
  return check_json(path, t);
}
