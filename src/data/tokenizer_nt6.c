/* 6-mers as in Nucleotide Transformer: <cls>, then for each piece between N its 6-mers from the left and the remainder as single
 * letters; an N is a token. In groups of six, a group with an N is one token. Ids are those of v2, or with the size of v1's
 * vocabulary those of v1, which has neither <eos> nor <bos>. */
#include <stdio.h>

#include "data/tokenizer_kinds.h"
#include "device/tensors.h"

enum { LETTERS = 6, SIXES = 1 << 2 * LETTERS, N = 4 /* after the single letters A, T, C and G */, SINGLES };
enum { UNKNOWN, PAD, MASK, CLS, FIRST_OF_V1, FIRST_OF_V2 = 6 };

/* The vocabulary's order of letters is A, T, C, G. */
static const uint8_t digit_of[4] = {0, 2, 3, 1};

static fd_status create(fd_tokenizer *t) {
  int first = t->settings.vocabulary == FIRST_OF_V1 + SIXES + SINGLES ? FIRST_OF_V1 : FIRST_OF_V2;
  t->vocabulary = (fd_vocabulary){.size = first + SIXES + SINGLES,
                                  .cls = CLS,
                                  .sep = -1,
                                  .pad = PAD,
                                  .mask = MASK,
                                  .unk = UNKNOWN,
                                  .first = first,
                                  .words = SIXES + SINGLES - 1};
  return FD_OK;
}

static int64_t most(const fd_tokenizer *t, int64_t letters) {
  return 1 + (t->settings.groups ? letters / LETTERS + letters % LETTERS : letters);
}

/* Position of six letters among all of them, or -1 when one of them is N. */
static int32_t six(const uint8_t *symbols) {
  int32_t number = 0, other = 0;
  for (int i = 0; i < LETTERS; i++) {
    number = number * 4 + digit_of[symbols[i] & 3];
    other |= symbols[i] >= FD_N;
  }
  return other ? -1 : number;
}

static int64_t encode(const fd_tokenizer *t, const uint8_t *symbols, int64_t length, const fd_tokens *out) {
  int64_t n = fd_put_token(out, 0, CLS, 0, 0);
  for (int64_t at = 0; at < length;) {
    int whole = length - at >= LETTERS;
    int32_t word = whole ? six(symbols + at) : -1;
    if (whole && word < 0 && t->settings.groups) word = SIXES + N;
    int count = word < 0 ? 1 : LETTERS;
    if (word < 0) word = SIXES + (symbols[at] < FD_N ? digit_of[symbols[at]] : N);
    n = fd_put_token(out, n, t->vocabulary.first + word, at, count);
    at += count;
  }
  return n;
}

static void text_of(const fd_tokenizer *t, int32_t id, char text[FD_TOKEN_TEXT]) {
  static const char *const specials[FIRST_OF_V2] = {"<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"};
  static const char order[] = "ATCG";
  int32_t word = id - t->vocabulary.first;
  if (word < 0) snprintf(text, FD_TOKEN_TEXT, "%s", specials[id]);
  else if (word < SIXES) fd_number_text(word, LETTERS, order, text);
  else if (word < SIXES + N) fd_number_text(word - SIXES, 1, order, text);
  else snprintf(text, FD_TOKEN_TEXT, "N");
}

const fd_tokenizer_kind fd_tokenizer_nt6 = {"nt6", create, most, encode, text_of, NULL, NULL, NULL, NULL};
