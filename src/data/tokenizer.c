/* Selects the kind of a tokenizer, and calls its functions. */
#include "data/tokenizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/tokenizer_kinds.h"

enum { LETTERS_MAX = 1 << 29 /* positions in a tokenizer's work have 32 bits */ };

static const fd_tokenizer_kind *const kinds[] = {
#define TOKENIZER(NAME, name) &fd_tokenizer_##name,
#include "config/tokenizers.def"
#undef TOKENIZER
};

static fd_status find(const char *name, const fd_tokenizer_kind **kind) {
  char names[256];
  size_t used = 0;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    *kind = kinds[i];
    if (!strcmp((*kind)->name, name)) return FD_OK;
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", (*kind)->name);
  }
  return fd_fail(FD_CONFIG, "'%s' is no tokenizer; expected one of: %s", name, names);
}

static fd_status check_vocabulary(const fd_tokenizer *t) {
  const fd_tokenizer_settings *s = &t->settings;
  if (!s->vocabulary || t->vocabulary.size == s->vocabulary) return FD_OK;
  if (s->file)
    return fd_fail(FD_DATA, "%s: makes a vocabulary of %" PRId32 " tokens; the model has %" PRId64 " (model.vocabulary)", s->file,
                   t->vocabulary.size, s->vocabulary);
  return fd_fail(FD_CONFIG, "the tokenizer %s has a vocabulary of %" PRId32 " tokens; the model has %" PRId64, t->kind->name,
                 t->vocabulary.size, s->vocabulary);
}

fd_status fd_tokenizer_create(fd_tokenizer **tokenizer, const fd_tokenizer_settings *settings) {
  fd_status status;
  const fd_tokenizer_kind *kind;
  *tokenizer = NULL;
  FD_TRY(find(settings->kind, &kind));
  if (settings->limit < 0)
    return fd_fail(FD_CONFIG, "tokenizer: a limit of %" PRId64 " letters; expected 0 or more", settings->limit);
  FD_TRY(fd_alloc(tokenizer, 1, sizeof **tokenizer, "a tokenizer"));
  fd_tokenizer *t = *tokenizer;
  t->kind = kind, t->settings = *settings;
  t->vocabulary = (fd_vocabulary){0, -1, -1, -1, -1, -1, 0, 0};
  FD_GO(kind->create(t));
  FD_GO(check_vocabulary(t));
  if (settings->padding && t->vocabulary.pad < 0)
    FD_GO(fd_fail(FD_CONFIG, "model.padding: the tokenizer %s has no [PAD] token; expected 0", kind->name));
  t->settings.kind = kind->name, t->settings.file = NULL; /* the texts are the caller's */
done:
  if (status != FD_OK) fd_tokenizer_destroy(tokenizer);
  return status;
}

void fd_tokenizer_destroy(fd_tokenizer **tokenizer) {
  fd_tokenizer *t = *tokenizer;
  if (!t) return;
  if (t->kind->destroy) t->kind->destroy(t);
  free(t);
  *tokenizer = NULL;
}

const fd_vocabulary *fd_tokenizer_vocabulary(const fd_tokenizer *t) { return &t->vocabulary; }

static int64_t limited(const fd_tokenizer *t, int64_t letters) {
  return t->settings.limit && letters > t->settings.limit ? t->settings.limit : letters;
}

int64_t fd_tokenizer_most(const fd_tokenizer *t, int64_t letters) {
  int64_t most = t->kind->most(t, limited(t, letters));
  return most < t->settings.padding ? t->settings.padding : most;
}

fd_status fd_tokens_create(fd_tokens *tokens, const fd_tokenizer *t, int64_t letters) {
  fd_status status;
  *tokens = (fd_tokens){0};
  if (letters < 0 || letters > LETTERS_MAX)
    return fd_fail(FD_DATA, "a sequence of %" PRId64 " letters; tokens are made of at most %d", letters, LETTERS_MAX);
  size_t most = (size_t)fd_tokenizer_most(t, letters);
  FD_GO(fd_alloc(&tokens->ids, most, sizeof *tokens->ids, "tokens"));
  FD_GO(fd_alloc(&tokens->spans, most, sizeof *tokens->spans, "tokens"));
  if (t->kind->scratch) FD_GO(fd_alloc(&tokens->scratch, t->kind->scratch(t, limited(t, letters)), 1, "a tokenizer's work"));
done:
  if (status != FD_OK) fd_tokens_free(tokens);
  return status;
}

void fd_tokens_free(fd_tokens *tokens) {
  free(tokens->ids);
  free(tokens->spans);
  free(tokens->scratch);
  *tokens = (fd_tokens){0};
}

int64_t fd_tokenizer_encode(const fd_tokenizer *t, const uint8_t *symbols, int64_t length, int64_t offset,
                            const fd_tokens *tokens) {
  if (offset > length) offset = length;
  int64_t count = t->kind->encode(t, symbols + offset, limited(t, length - offset), tokens);
  for (int64_t i = 0; offset && tokens->spans && i < count; i++) tokens->spans[i].first += (int32_t)offset;
  while (count < t->settings.padding) count = fd_put_token(tokens, count, t->vocabulary.pad, length, 0);
  return count;
}

int fd_tokenizer_padding(const fd_tokenizer *t, const int32_t *ids, int64_t count, uint8_t *hidden) {
  if (!t->settings.padding) return 0;
  for (int64_t i = 0; i < count; i++) hidden[i] = ids[i] == t->vocabulary.pad;
  return 1;
}

fd_status fd_tokenizer_check(const fd_tokenizer *t, int64_t length, int64_t count, int positions, const char *where) {
  int specials = (t->vocabulary.cls >= 0) + (t->vocabulary.sep >= 0), k = t->settings.k;
  if (count <= specials)
    return fd_fail(FD_DATA, "%s: %" PRId64 " nucleotides are no word of the model; expected at least %d", where, length,
                   k > 1 ? k : 1);
  if (t->settings.padding && count > t->settings.padding)
    return fd_fail(FD_DATA,
                   "%s: %" PRId64 " nucleotides are %" PRId64 " tokens, but the model pads to %" PRId64
                   " (model.padding); expected shorter ones (--cut)",
                   where, length, count, t->settings.padding);
  if (positions && count > positions)
    return fd_fail(FD_DATA,
                   "%s: %" PRId64 " nucleotides are %" PRId64
                   " tokens, but the model has learned %d positions; expected shorter ones (--cut, --window)",
                   where, length, count, positions);
  return FD_OK;
}

void fd_tokenizer_text(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]) {
  *text = '\0';
  if (id >= 0 && id < t->vocabulary.size) t->kind->text(t, id, text);
}

fd_status fd_tokenizer_identity(const fd_tokenizer *t, char hex[FD_SHA256_HEX]) {
  fd_sha256 *hash;
  unsigned char digest[FD_SHA256_BYTES];
  char text[128];
  const fd_tokenizer_settings *s = &t->settings;
  FD_TRY(fd_sha256_begin(&hash));
  int bytes = snprintf(text, sizeof text, "%s %d %d %d %" PRId64 " %" PRId32, s->kind, s->k, s->stride, s->groups, s->limit,
                       t->vocabulary.size);
  fd_sha256_add(hash, text, (size_t)bytes + 1);
  if (t->kind->identity) t->kind->identity(t, hash);
  FD_TRY(fd_sha256_end(&hash, digest));
  fd_hex(hex, digest);
  return FD_OK;
}

fd_status fd_tokenizer_save(const fd_tokenizer *t, const char *path) { return t->kind->save ? t->kind->save(t, path) : FD_OK; }
