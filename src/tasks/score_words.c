/* Finds the words that differ between the windows of two alleles. */
#include "tasks/score_words.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/alphabet.h"

fd_status fd_word_scratch_create(fd_word_scratch *s, const fd_tokenizer *tokenizer, int longest) {
  *s = (fd_word_scratch){.tokenizer = tokenizer};
  for (int i = 0; i < FD_ALLELES; i++) {
    FD_TRY(fd_tokens_create(&s->words[i], tokenizer, longest));
    FD_TRY(fd_alloc(&s->turned[i], (size_t)longest, 1, "the windows of variants"));
  }
  return FD_OK;
}

void fd_word_scratch_free(fd_word_scratch *s) {
  for (int i = 0; i < FD_ALLELES; i++) {
    fd_tokens_free(&s->words[i]);
    free(s->turned[i]);
  }
  *s = (fd_word_scratch){0};
}

int fd_word_tokens(fd_word_scratch *s, const uint8_t *symbols, int length, int *words) {
  int n = (int)fd_tokenizer_encode(s->tokenizer, symbols, length, 0, &s->words[0]);
  *words = 0;
  for (int i = 0; i < n; i++) *words += s->words[0].spans[i].count > 0;
  return n;
}

/* The tokens first .. behind - 1 of a window on one strand, without special tokens at its ends. */
typedef struct window {
  const fd_tokens *tokens;
  int first, behind, at, count; /* at, count: of the allele */
} window;

static window encode(fd_word_scratch *s, const fd_word_pair *p, int minus, int allele) {
  const uint8_t *symbols = p->symbols[allele];
  int length = p->length[allele], at = p->at[allele], count = p->count[allele];
  if (minus) fd_reverse_complement(symbols, length, s->turned[allele]), symbols = s->turned[allele];
  window w = {.tokens = &s->words[allele], .at = minus ? length - at - count : at, .count = count};
  w.behind = (int)fd_tokenizer_encode(s->tokenizer, symbols, length, 0, w.tokens);
  while (w.first < w.behind && !w.tokens->spans[w.first].count) w.first++;
  while (w.behind > w.first && !w.tokens->spans[w.behind - 1].count) w.behind--;
  return w;
}

/* The border before token i, or after the last token. */
static int border(const window *w, int i) {
  if (i < w->behind) return w->tokens->spans[i].first;
  return i > w->first ? w->tokens->spans[i - 1].first + w->tokens->spans[i - 1].count : 0;
}

/* Finds the last border before the alleles that is equally far from both and follows equal words. */
static int find_left(const window *a, const window *b, int *i, int *j) {
  for (*i = a->behind, *j = b->behind; *i >= a->first && *j >= b->first;) {
    int x = border(a, *i) - a->at, y = border(b, *j) - b->at;
    int first = *i == a->first && *j == b->first, inside = *i > a->first && *j > b->first;
    if (x <= 0 && x == y && (first || (inside && a->tokens->ids[*i - 1] == b->tokens->ids[*j - 1]))) return 1;
    if (x >= y) --*i;
    if (y >= x) --*j;
  }
  return 0;
}

/* Finds the first border after the alleles that is equally far from both and precedes equal words. */
static int find_right(const window *a, const window *b, int *i, int *j) {
  for (*i = a->first, *j = b->first; *i <= a->behind && *j <= b->behind;) {
    int x = border(a, *i) - a->at - a->count, y = border(b, *j) - b->at - b->count;
    int last = *i == a->behind && *j == b->behind, inside = *i < a->behind && *j < b->behind;
    if (x >= 0 && x == y && (last || (inside && a->tokens->ids[*i] == b->tokens->ids[*j]))) return 1;
    if (x <= y) ++*i;
    if (y <= x) ++*j;
  }
  return 0;
}

int fd_word_change_find(fd_word_scratch *s, const fd_word_pair *p, int minus, fd_word_change *c) {
  const window w[FD_ALLELES] = {encode(s, p, minus, FD_REF), encode(s, p, minus, FD_ALT)};
  int32_t unknown = fd_tokenizer_vocabulary(s->tokenizer)->unk;
  int behind[FD_ALLELES];
  if (!find_left(&w[0], &w[1], &c->first[0], &c->first[1]) || !find_right(&w[0], &w[1], &behind[0], &behind[1])) return 0;
  c->together = 1;
  for (int k = 0; k < FD_ALLELES; k++) {
    c->count[k] = behind[k] - c->first[k];
    c->begin[k] = border(&w[k], c->first[k]);
    c->letters[k] = border(&w[k], behind[k]) - c->begin[k];
    if (c->count[k] > p->count[k] + FD_WORDS_MAX) return 0;
    for (int i = c->first[k]; i < behind[k]; i++)
      if (w[k].tokens->ids[i] == unknown) return 0;
  }
  for (int i = 0; i < c->count[0] && c->together; i++) {
    fd_span a = w[0].tokens->spans[c->first[0] + i], b = w[1].tokens->spans[c->first[1] + i];
    c->together = c->count[0] == c->count[1] && c->first[0] == c->first[1] && a.first == b.first && a.count == b.count;
  }
  c->together = c->together && p->length[0] == p->length[1] && p->count[0] == p->count[1];
  return 1;
}

double fd_word_change_log_p(const fd_word_scratch *s, const fd_word_change *c, int allele, const float *logits, double tau) {
  int size = fd_tokenizer_vocabulary(s->tokenizer)->size;
  double log_p = 0;
  for (int i = c->first[allele]; i < c->first[allele] + c->count[allele]; i++) {
    const float *z = logits + (size_t)i * (size_t)size;
    float largest = z[0]; /* in fp32: gcc 12 for AArch64 fails on a maximum of widened values */
    for (int k = 1; k < size; k++) largest = fmaxf(largest, z[k]);
    double most = (double)largest, sum = 0;
    for (int k = 0; k < size; k++) sum += exp(((double)z[k] - most) / tau);
    log_p += ((double)z[s->words[allele].ids[i]] - most) / tau - log(sum);
  }
  return log_p;
}
