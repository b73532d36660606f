/* One token per letter: the ids are the symbols of device/tensors.h. */
#include <stdio.h>

#include "data/tokenizer_kinds.h"
#include "device/tensors.h"

static fd_status create(fd_tokenizer *t) {
  t->vocabulary = (fd_vocabulary){.size = FD_CLS + 1, .cls = -1, .sep = -1, .pad = -1, .mask = FD_ZERO, .unk = -1, .words = FD_N};
  return FD_OK;
}

static int64_t most(const fd_tokenizer *t, int64_t letters) {
  (void)t;
  return letters;
}

static int64_t encode(const fd_tokenizer *t, const uint8_t *symbols, int64_t length, const fd_tokens *out) {
  (void)t;
  for (int64_t i = 0; i < length; i++) fd_put_token(out, i, symbols[i] < FD_N ? symbols[i] : FD_N, i, 1);
  return length;
}

static void text_of(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]) {
  static const char *const names[] = {"A", "C", "G", "T", "N", "[MASK]", "[CLS]"};
  (void)t;
  snprintf(text, FD_TOKEN_TEXT, "%s", names[id]);
}

const fd_tokenizer_kind fd_tokenizer_letters = {"letters", create, most, encode, text_of, NULL, NULL, NULL, NULL};
