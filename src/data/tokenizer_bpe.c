/* Byte-pair encoding as in DNABERT-2: the leftmost pair of the lowest rank is merged until no pair is left; [CLS] and [SEP] are
 * added at the ends. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/output.h"
#include "data/tokenizer_bpe.h"

enum { STEPS = 64 /* table lookups per letter, after which merging one by one bounds the time */ };

static size_t scratch_bytes(const fd_tokenizer *t, int64_t letters) {
  size_t walk = fd_bpe_walk_bytes(letters), merge = fd_bpe_merge_bytes(letters);
  (void)t;
  return walk > merge ? walk : merge;
}

static int64_t encode(const fd_tokenizer *t, const uint8_t *symbols, int64_t length, const fd_tokens *out) {
  int64_t first = fd_put_token(out, 0, t->vocabulary.cls, 0, 0);
  int64_t n = fd_bpe_walk(t->own, symbols, length, out, first, STEPS * (length + 1));
  if (n < 0) n = fd_bpe_merge_all(t->own, symbols, length, out, first);
  return fd_put_token(out, n, t->vocabulary.sep, length, 0);
}

static int64_t most(const fd_tokenizer *t, int64_t letters) {
  (void)t;
  return letters + 2;
}

static fd_status create(fd_tokenizer *t) {
  if (!t->settings.file) return fd_fail(FD_CONFIG, "tokenizer bpe: no file; expected one of merges, or a tokenizer.json");
  FD_TRY(fd_alloc(&t->own, 1, sizeof(fd_bpe), "a tokenizer"));
  FD_TRY(fd_bpe_open(t->own, t->settings.file));
  t->vocabulary = ((fd_bpe *)t->own)->vocabulary;
  return FD_OK;
}

static void destroy(fd_tokenizer *t) {
  if (t->own) fd_bpe_close(t->own);
  free(t->own);
}

static void text_of(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]) {
  memcpy(text, ((const fd_bpe *)t->own)->text[id], FD_TOKEN_TEXT);
}

static void identity(const fd_tokenizer *t, fd_sha256 *hash) {
  const fd_bpe *b = t->own;
  fd_sha256_add(hash, b->text, (size_t)b->vocabulary.size * sizeof *b->text);
  fd_sha256_add(hash, b->merge, (size_t)b->merges * sizeof *b->merge);
}

static fd_status save(const fd_tokenizer *t, const char *path) {
  const fd_bpe *b = t->own;
  return fd_write_file(path, b->source, b->source_bytes);
}

const fd_tokenizer_kind fd_tokenizer_bpe = {"bpe", create, most, encode, text_of, destroy, scratch_bytes, identity, save};
