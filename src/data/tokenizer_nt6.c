/* 6-mers as in Nucleotide Transformer: <cls>, then for each piece between N its 6-mers from the left and the remainder as single
 * letters; an N is a token. In groups of six, a group with an N is one token. */
#include <stdio.h>

#include "data/tokenizer_kinds.h"
#include "device/tensors.h"

enum { LETTERS = 6, UNKNOWN = 0, PAD, MASK, CLS, FIRST = 6, SINGLE = FIRST + (1 << 2 * LETTERS), SINGLE_N = SINGLE + 4, SIZE };

/* The vocabulary's order of letters is A, T, C, G. */
static const uint8_t digit_of[4] = {0, 2, 3, 1};

static fd_status create(fd_tokenizer *t) {
  t->vocabulary = (fd_vocabulary){
      .size = SIZE, .cls = CLS, .sep = -1, .pad = PAD, .mask = MASK, .unk = UNKNOWN, .first = FIRST, .words = SINGLE_N - FIRST};
  return FD_OK;
}

static int64_t most(const fd_tokenizer *t, int64_t letters) {
  return 1 + (t->settings.groups ? letters / LETTERS + letters % LETTERS : letters);
}

/* The id of six letters, or -1 when one of them is N. */
static int32_t six(const uint8_t *symbols) {
  int32_t number = 0, other = 0;
  for (int i = 0; i < LETTERS; i++) {
    number = number * 4 + digit_of[symbols[i] & 3];
    other |= symbols[i] >= FD_N;
  }
  return other ? -1 : FIRST + number;
}

static int64_t encode(const fd_tokenizer *t, const uint8_t *symbols, int64_t length, const fd_tokens *out) {
  int64_t n = fd_put_token(out, 0, CLS, 0, 0);
  for (int64_t at = 0; at < length;) {
    int whole = length - at >= LETTERS;
    int32_t id = whole ? six(symbols + at) : -1;
    if (whole && id < 0 && t->settings.groups) id = SINGLE_N;
    int count = id < 0 ? 1 : LETTERS;
    if (id < 0) id = symbols[at] < FD_N ? SINGLE + digit_of[symbols[at]] : SINGLE_N;
    n = fd_put_token(out, n, id, at, count);
    at += count;
  }
  return n;
}

static void text_of(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]) {
  static const char *const specials[FIRST] = {"<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"};
  static const char order[] = "ATCG";
  (void)t;
  if (id < FIRST) snprintf(text, FD_TOKEN_TEXT, "%s", specials[id]);
  else if (id < SINGLE) fd_number_text(id - FIRST, LETTERS, order, text);
  else if (id < SINGLE_N) fd_number_text(id - SINGLE, 1, order, text);
  else snprintf(text, FD_TOKEN_TEXT, "N");
}

const fd_tokenizer_kind fd_tokenizer_nt6 = {"nt6", create, most, encode, text_of, NULL, NULL, NULL, NULL};
