/* What a kind of tokenizer provides; private to the files tokenizer*.c. */
#ifndef FD_DATA_TOKENIZER_KINDS_H
#define FD_DATA_TOKENIZER_KINDS_H

#include <stddef.h>

#include "data/tokenizer.h"

typedef struct fd_tokenizer_kind {
  const char *name;
  /* Checks the settings, and sets the vocabulary; other data of the kind is stored in `own`. */
  fd_status (*create)(fd_tokenizer *t);
  int64_t (*most)(const fd_tokenizer *t, int64_t letters);
  int64_t (*encode)(const fd_tokenizer *t, const uint8_t *symbols, int64_t length, const fd_tokens *out);
  void (*text)(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]); /* the id is valid */
  /* These may be NULL: */
  void (*destroy)(fd_tokenizer *t); /* also after a failed create */
  size_t (*scratch)(const fd_tokenizer *t, int64_t letters);
  void (*identity)(const fd_tokenizer *t, fd_sha256 *hash); /* adds `own` to the hash */
  fd_status (*save)(const fd_tokenizer *t, const char *path);
} fd_tokenizer_kind;

struct fd_tokenizer {
  const fd_tokenizer_kind *kind;
  fd_tokenizer_settings settings; /* `file` is NULL once it was read */
  fd_vocabulary vocabulary;
  void *own;
};

/* Stores token n of the output; returns n + 1. */
static inline int64_t fd_put_token(const fd_tokens *out, int64_t n, int32_t id, int64_t first, int32_t count) {
  out->ids[n] = id;
  if (out->spans) out->spans[n] = (fd_span){(int32_t)first, count};
  return n + 1;
}

/* Writes a number in base 4 as letters, the text of a word in a vocabulary of all k-mers: `digits` are the letters in its
 * order. */
static inline void fd_number_text(int32_t number, int letters, const char *digits, char text[FD_TOKEN_TEXT]) {
  text[letters] = '\0';
  for (int i = letters; i-- > 0; number /= 4) text[i] = digits[number % 4];
}

#define TOKENIZER(NAME, name) extern const fd_tokenizer_kind fd_tokenizer_##name;
#include "config/tokenizers.def"
#undef TOKENIZER

#endif
