/* k-mers as in BarcodeMAE: [MASK], [UNK], then all k-mers over A, C, G, T in order. */
#include <stdio.h>

#include "data/tokenizer_kinds.h"
#include "device/tensors.h"

enum { MASK, UNKNOWN, FIRST };

static fd_status create(fd_tokenizer *t) {
  int k = t->settings.k, stride = t->settings.stride;
  if (k < 1 || k > FD_KMER_LETTERS_MAX)
    return fd_fail(FD_CONFIG, "tokenizer kmer: k is %d; expected 1 to %d", k, FD_KMER_LETTERS_MAX);
  if (stride < 1 || stride > k)
    return fd_fail(FD_CONFIG, "tokenizer kmer: a stride of %d; expected 1 to k (%d), so that no letter is left out", stride, k);
  t->vocabulary = (fd_vocabulary){.size = FIRST + (1 << 2 * k),
                                  .cls = -1,
                                  .sep = -1,
                                  .pad = -1,
                                  .mask = MASK,
                                  .unk = UNKNOWN,
                                  .first = FIRST,
                                  .words = 1 << 2 * k};
  return FD_OK;
}

static int64_t most(const fd_tokenizer *t, int64_t letters) {
  return letters < t->settings.k ? 0 : (letters - t->settings.k) / t->settings.stride + 1;
}

static int64_t encode(const fd_tokenizer *t, const uint8_t *symbols, int64_t length, const fd_tokens *out) {
  int k = t->settings.k;
  int64_t n = 0;
  for (int64_t at = 0; at + k <= length; at += t->settings.stride) {
    int32_t number = 0, other = 0;
    for (int i = 0; i < k; i++) {
      number = number * 4 + (symbols[at + i] & 3);
      other |= symbols[at + i] >= FD_N;
    }
    n = fd_put_token(out, n, other ? UNKNOWN : FIRST + number, at, k);
  }
  return n;
}

static void text_of(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]) {
  if (id < FIRST) snprintf(text, FD_TOKEN_TEXT, "%s", id == MASK ? "[MASK]" : "[UNK]");
  else fd_number_text(id - FIRST, t->settings.k, "ACGT", text);
}

const fd_tokenizer_kind fd_tokenizer_kmer = {"kmer", create, most, encode, text_of, NULL, NULL, NULL, NULL};
