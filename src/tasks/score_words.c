/* Compares the words of two windows. */
#include "tasks/score_words.h"

#include <stdlib.h>

#include "base/memory.h"
#include "data/alphabet.h"
#include "tasks/score.h"

fd_status fd_word_ratio_create(fd_word_ratio *r, const fd_tokenizer *tokenizer, int longest) {
  *r = (fd_word_ratio){.tokenizer = tokenizer};
  for (int i = 0; i < 2; i++) {
    FD_TRY(fd_tokens_create(&r->words[i], tokenizer, longest));
    FD_TRY(fd_alloc(&r->turned[i], (size_t)longest, 1, "the windows of variants"));
  }
  return FD_OK;
}

void fd_word_ratio_free(fd_word_ratio *r) {
  for (int i = 0; i < 2; i++) {
    fd_tokens_free(&r->words[i]);
    free(r->turned[i]);
  }
  *r = (fd_word_ratio){0};
}

/* A token that holds one of the nucleotides at .. at + count - 1. */
static int holds(fd_span span, int at, int count) {
  return span.count && span.first < at + count && at < span.first + span.count;
}

int fd_word_ratio_tokens(fd_word_ratio *r, const uint8_t *symbols, int length, int *words) {
  int n = (int)fd_tokenizer_encode(r->tokenizer, symbols, length, 0, &r->words[0]);
  *words = 0;
  for (int i = 0; i < n; i++) *words += r->words[0].spans[i].count > 0;
  return n;
}

/* The tokens of both windows on a strand, as many as are returned, or -1 where they are not at the same places; *at: of REF. */
static int encode(fd_word_ratio *r, const fd_word_pair *p, int minus, int *at) {
  const uint8_t *windows[2] = {p->ref, p->alt};
  int n[2];
  for (int i = 0; i < 2; i++) {
    if (minus) fd_reverse_complement(windows[i], p->length, r->turned[i]), windows[i] = r->turned[i];
    n[i] = (int)fd_tokenizer_encode(r->tokenizer, windows[i], p->length, 0, &r->words[i]);
  }
  *at = minus ? p->length - p->at - p->count : p->at;
  if (n[0] != n[1]) return -1;
  for (int i = 0; i < n[0]; i++) {
    fd_span a = r->words[0].spans[i], b = r->words[1].spans[i];
    if (a.first != b.first || a.count != b.count) return -1;
  }
  return n[0];
}

int fd_word_ratio_is_one(fd_word_ratio *r, const fd_word_pair *p) {
  int32_t unknown = fd_tokenizer_vocabulary(r->tokenizer)->unk;
  for (int minus = 0; minus < 2; minus++) {
    int at, covered = 0, n = encode(r, p, minus, &at);
    for (int i = 0; i < n; i++) {
      fd_span s = r->words[0].spans[i];
      int first = s.first > at ? s.first : at, behind = s.first + s.count < at + p->count ? s.first + s.count : at + p->count;
      if (!holds(s, at, p->count)) continue;
      if (r->words[0].ids[i] == unknown || r->words[1].ids[i] == unknown) return 0;
      covered += behind - first;
    }
    if (n < 0 || covered != p->count) return 0;
  }
  return 1;
}

double fd_word_ratio_of(fd_word_ratio *r, const fd_word_pair *p, int minus, const float *logits, double tau, int bce) {
  size_t size = (size_t)fd_tokenizer_vocabulary(r->tokenizer)->size;
  double sum = 0;
  int at, n = encode(r, p, minus, &at);
  for (int i = 0; i < n; i++) {
    const float *z = logits + (size_t)i * size;
    if (!holds(r->words[0].spans[i], at, p->count)) continue;
    sum += fd_score_log_weight((double)z[r->words[1].ids[i]], tau, bce) -
           fd_score_log_weight((double)z[r->words[0].ids[i]], tau, bce);
  }
  return sum;
}
