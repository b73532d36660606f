/* Counts words given nothing, their place, or their neighbours. */
#include "tasks/word_tables.h"

#include <math.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/memory.h"

enum { SIDES = 1 << 2 * FD_TABLE_REACH, UNKNOWN = SIDES /* an unknown side */, SMOOTHING = 64 };

struct fd_word_table {
  fd_table_given given;
  int words, first; /* number of words; id of the first one */
  int contexts;
  uint32_t *count;   /* [contexts, words] */
  uint64_t *total;   /* [contexts] */
  uint32_t *overall; /* [words] */
  uint64_t all;
};

/* The letters of a word that adjoin its neighbour: the last ones (`last`) or the first ones; UNKNOWN for an unknown word. */
static int side_of(const fd_word_table *t, const int32_t *ids, const uint8_t *hidden, int n, int at, int last) {
  int rest = t->words / SIDES; /* words with the same first letters */
  if (at < 0 || at >= n || ids[at] < t->first || (hidden && hidden[at])) return UNKNOWN;
  return last ? (ids[at] - t->first) % SIDES : (ids[at] - t->first) / rest;
}

static int context_of(int left, int right) { return left * (SIDES + 1) + right; }

static void count_word(fd_word_table *t, int context, int word) {
  t->count[(size_t)context * (size_t)t->words + (size_t)word]++;
  t->total[context]++;
}

/* Counts a word with each of its neighbours as known and as unknown. */
static void count_given_neighbours(fd_word_table *t, const int32_t *ids, int n, int i, int word) {
  int left = side_of(t, ids, NULL, n, i - 1, 1), right = side_of(t, ids, NULL, n, i + 1, 0);
  count_word(t, context_of(UNKNOWN, UNKNOWN), word);
  if (left != UNKNOWN) count_word(t, context_of(left, UNKNOWN), word);
  if (right != UNKNOWN) count_word(t, context_of(UNKNOWN, right), word);
  if (left != UNKNOWN && right != UNKNOWN) count_word(t, context_of(left, right), word);
}

static void count_words(fd_word_table *t, const int32_t *ids, int n) {
  for (int i = 0; i < n; i++) {
    int word = ids[i] - t->first;
    if (word < 0 || word >= t->words) continue;
    t->overall[word]++, t->all++;
    if (t->given == FD_TABLE_PLACE) count_word(t, i, word);
    if (t->given == FD_TABLE_BESIDE) count_given_neighbours(t, ids, n, i, word);
  }
}

static fd_status make_table(fd_word_table *t) {
  size_t contexts = (size_t)t->contexts;
  FD_TRY(fd_alloc(&t->overall, (size_t)t->words, sizeof *t->overall, "a table of words"));
  FD_TRY(fd_alloc(&t->count, contexts * (size_t)t->words, sizeof *t->count, "a table of words"));
  return fd_alloc(&t->total, contexts, sizeof *t->total, "a table of words");
}

fd_status fd_word_table_fit(fd_word_table **table, const fd_hider *hider, fd_table_given given) {
  const fd_vocabulary *v = fd_tokenizer_vocabulary(hider->tokenizer);
  const fd_windows *w = hider->loader.windows;
  int most = (int)fd_tokenizer_most(hider->tokenizer, w->length);
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(table, 1, sizeof **table, "a table of words"));
  fd_word_table *t = *table;
  *t = (fd_word_table){.given = given, .words = v->words, .first = v->first};
  t->contexts = given == FD_TABLE_PLACE ? most : given == FD_TABLE_BESIDE ? (SIDES + 1) * (SIDES + 1) : 0;
  FD_GO(make_table(t));
  for (int64_t i = 0; i < w->count; i++) {
    if (i % 1024 == 0) FD_GO(fd_guard_go_on());
    int n = (int)fd_tokenizer_encode(hider->tokenizer, fd_windows_at(w, i), fd_windows_length(w, i), 0, &hider->current);
    count_words(t, hider->current.ids, n);
  }
done:
  if (status != FD_OK) fd_word_table_free(table);
  return status;
}

void fd_word_table_free(fd_word_table **table) {
  if (!*table) return;
  free((*table)->count);
  free((*table)->total);
  free((*table)->overall);
  free(*table);
  *table = NULL;
}

/* Computes the probability of each word at a place of a sequence. */
static void predict(const fd_word_table *t, const int32_t *ids, const uint8_t *hidden, int n, int i, double *p) {
  int context = -1;
  if (t->given == FD_TABLE_PLACE) context = i;
  if (t->given == FD_TABLE_BESIDE)
    context = context_of(side_of(t, ids, hidden, n, i - 1, 1), side_of(t, ids, hidden, n, i + 1, 0));
  for (int w = 0; w < t->words; w++) {
    double overall = (t->overall[w] + 1.0) / ((double)t->all + t->words);
    p[w] = overall;
    if (context >= 0)
      p[w] = (t->count[(size_t)context * (size_t)t->words + (size_t)w] + SMOOTHING * overall) /
             ((double)t->total[context] + SMOOTHING);
  }
}

static int likeliest(const double *p, int words) {
  int best = 0;
  for (int w = 1; w < words; w++)
    if (p[w] > p[best]) best = w;
  return best;
}

fd_status fd_word_table_score(const fd_word_table *t, fd_hider *hider, const fd_windows *windows, int64_t count,
                              fd_word_score *score) {
  double *p, loss = 0;
  uint8_t *hidden = NULL;
  int64_t hits = 0;
  fd_status status = fd_alloc(&p, (size_t)t->words, sizeof *p, "a table of words");
  *score = (fd_word_score){0, 0, 0};
  FD_GO(status);
  FD_GO(fd_alloc(&hidden, (size_t)fd_tokenizer_most(hider->tokenizer, windows->length), 1, "a table of words"));
  for (int64_t w = 0; w < count && w < windows->count; w++) {
    FD_GO(fd_guard_go_on());
    int32_t *ids = hider->current.ids;
    int n = fd_hider_held_out(hider, windows, w, ids, hidden);
    for (int i = 0; i < n; i++) {
      if (!hidden[i]) continue;
      predict(t, ids, hidden, n, i, p);
      loss -= log(p[ids[i] - t->first]);
      hits += likeliest(p, t->words) == ids[i] - t->first;
      score->words++;
    }
  }
  if (score->words) score->loss = loss / (double)score->words, score->accuracy = (double)hits / (double)score->words;
done:
  free(p);
  free(hidden);
  return status;
}
