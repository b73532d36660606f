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

/* The text of an id; 0 for a special token that is not used. */
static int word_of(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]) {
  const fd_vocabulary *v = fd_tokenizer_vocabulary(t);
  fd_tokenizer_text(t, id, text);
  if (*text && !text[strspn(text, fd_letters)]) return 1;
  return id == v->mask || id == v->unk || id == v->cls || id == v->pad;
}

static int is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/* Whether a text of a vocabulary is a word or special token of ours: <MASK> and [mask] are the same special token. */
static int is_same(const char *there, const char *here) {
  if (*here != '[' && *here != '<') return !strcmp(there, here);
  for (;; there++, here++) {
    there += strspn(there, "<>[]"), here += strspn(here, "<>[]");
    if (!*there || !*here) return *there == *here;
    if (!is_letter(*there) || (*there | 32) != (*here | 32)) return 0;
  }
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
    if (word_of(t, id, word) && !is_same(line, word)) return other_word(path, id, line, word);
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
  const json_t *value;
  const char *key;
  json_object_foreach((json_t *)words, key, value) {
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    int is_id = id >= 0 && id < fd_tokenizer_vocabulary(t)->size;
    if (is_id && word_of(t, (int32_t)id, word) && !is_same(key, word)) return other_word(path, id, key, word);
    if (!is_id && *key && !key[strspn(key, fd_letters)]) return other_word(path, id, key, "(no word)");
  }
  return FD_OK;
}

/* vocab.json is an object of words and ids, which tokenizer.json has in its model. */
static fd_status check_json(const char *path, int is_whole, const fd_tokenizer *t) {
  char *text;
  size_t bytes;
  json_t *root;
  if (fd_is_absent(path)) return FD_OK;
  FD_TRY(fd_read_file(path, FD_WORDS_MAX, &text, &bytes));
  fd_status status = fd_json_parse(&root, text, bytes, path);
  free(text);
  FD_TRY(status);
  status = check_object(path, is_whole ? root : json_object_get(json_object_get(root, "model"), "vocab"), t);
  json_decref(root);
  return status;
}

fd_status fd_hf_words_check(const char *folder, const fd_tokenizer *t) {
  char path[FD_PATH_MAX];
  FD_TRY(fd_path(path, folder, "vocab.txt", NULL));
  FD_TRY(check_text(path, t));
  FD_TRY(fd_path(path, folder, "vocab.json", NULL));
  FD_TRY(check_json(path, 1, t));
  FD_TRY(fd_path(path, folder, FD_WORDS_FILE, NULL));
  return check_json(path, 0, t);
}
