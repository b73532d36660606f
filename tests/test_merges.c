/* Tests byte-pair merges: they equal those found by recounting all pairs before each merge; no token is too long; a tokenizer
 * reads the written file. */
#include "tokens.h"
#include "draws.h"

#include "data/merges.h"
#include "output/json_file.h"

enum { COUNT = 40, LENGTH = 90, TEXT = COUNT * (LENGTH + 1), IDS = 80 };

/* Windows of random letters, of repeats, of few letters, some with N; with `records` their lengths differ. */
static fd_windows make_windows(uint64_t seed, int records) {
  fd_windows w = {COUNT, LENGTH, malloc(COUNT * LENGTH), records ? malloc(COUNT * sizeof(int32_t)) : NULL, NULL};
  fd_rng_key key = drawn_key(seed);
  uint32_t word[4];
  for (int i = 0; i < COUNT; i++) {
    if (records) w.own[i] = 1 + (i * 31) % LENGTH;
    for (int k = 0; k < LENGTH; k++) {
      fd_philox(word, key, (uint64_t)i, (uint64_t)k);
      uint8_t *at = &w.symbols[i * LENGTH + k];
      *at = (uint8_t)(i % 4 == 1 ? word[0] % 2 : word[0] % 4);
      if (i % 4 == 2 && k >= 3) *at = at[-(i % 3 + 1)];
      if (i % 4 == 3) *at = 0;
      if (word[1] % 40 == 0) *at = FD_N;
    }
  }
  return w;
}

/* A text of ids with -1 between pieces, on which merges are found by counting. */
typedef struct plain {
  int count, id[TEXT];
} plain;

static void read_plain(plain *p, const fd_windows *w) {
  p->count = 0;
  for (int i = 0; i < w->count; i++) {
    for (int k = 0; k < fd_windows_length(w, i); k++) {
      int symbol = fd_windows_at(w, i)[k];
      p->id[p->count++] = symbol < FD_N ? FD_MERGES_LETTER + symbol : -1;
    }
    p->id[p->count++] = -1;
  }
}

/* Finds the most frequent pair, among equals the smallest; returns its count, 0 if there is none. */
static int best_of(const plain *p, int ids, int pair[2]) {
  int *times = calloc((size_t)(ids * ids), sizeof *times), best = 0;
  for (int i = 0; i + 1 < p->count; i++)
    if (p->id[i] >= 0 && p->id[i + 1] >= 0) times[p->id[i] * ids + p->id[i + 1]]++;
  for (int i = 0; i < ids * ids; i++)
    if (times[i] > best) best = times[i], pair[0] = i / ids, pair[1] = i % ids;
  free(times);
  return best;
}

static void join_plain(plain *p, const int pair[2], int made) {
  int n = 0;
  for (int i = 0; i < p->count; i++) {
    int both = i + 1 < p->count && p->id[i] == pair[0] && p->id[i + 1] == pair[1];
    p->id[n++] = both ? made : p->id[i];
    i += both;
  }
  p->count = n;
}

static void as_counted_by_hand(void **state) {
  (void)state;
  static plain p;
  for (uint64_t seed = 0; seed < 6; seed++) {
    fd_windows w = make_windows(seed, seed % 2);
    fd_merges merges;
    int pair[2] = {0, 0};
    assert_ok(fd_merges_learn(&w, w.count, IDS, &merges));
    assert_int_equal(merges.count, IDS - FD_MERGES_FIRST);
    read_plain(&p, &w);
    for (int i = 0; i < merges.count; i++) {
      assert_true(best_of(&p, IDS, pair) > 0);
      assert_int_equal(merges.pair[i][0], pair[0]);
      assert_int_equal(merges.pair[i][1], pair[1]);
      join_plain(&p, pair, FD_MERGES_FIRST + i);
    }
    fd_merges_free(&merges);
    fd_windows_free(&w);
  }
}

static void from_the_first_windows(void **state) {
  (void)state;
  fd_windows w = make_windows(1, 0), few = w;
  fd_merges some, same;
  few.count = 7;
  assert_ok(fd_merges_learn(&w, 7, IDS, &some));
  assert_ok(fd_merges_learn(&few, 7, IDS, &same));
  assert_int_equal(some.count, same.count);
  assert_memory_equal(some.pair, same.pair, (size_t)some.count * sizeof *some.pair);
  fd_merges_free(&some), fd_merges_free(&same);
  fd_windows_free(&w);
}

static void until_no_pair_is_left(void **state) {
  (void)state;
  fd_windows w = {1, 3000, calloc(1, 3000), NULL, NULL};
  fd_merges merges;
  int letters[FD_MERGES_FIRST + 1000] = {0}, longest = 0;
  for (int i = FD_MERGES_LETTER; i < FD_MERGES_FIRST; i++) letters[i] = 1;
  assert_ok(fd_merges_learn(&w, 1, FD_MERGES_FIRST + 1000, &merges)); /* only A: tokens of 2, 4, 8, ... letters */
  assert_in_range(merges.count, 7, 30);
  for (int i = 0; i < merges.count; i++) {
    int made = letters[merges.pair[i][0]] + letters[merges.pair[i][1]];
    letters[FD_MERGES_FIRST + i] = made;
    if (made > longest) longest = made;
  }
  assert_in_range(longest, 128, FD_TOKEN_TEXT - 1);
  fd_merges_free(&merges);
  memset(w.symbols, FD_N, 3000);
  assert_ok(fd_merges_learn(&w, 1, 100, &merges));
  assert_int_equal(merges.count, 0);
  fd_merges_free(&merges);
  assert_int_equal(fd_merges_learn(&w, 1, FD_MERGES_FIRST - 1, &merges), FD_CONFIG);
  assert_int_equal(fd_merges_learn(&w, 1, FD_MERGES_IDS_MAX + 1, &merges), FD_CONFIG);
  fd_windows_free(&w);
}

/* The tokens of each window are those that the merges make of the text. */
static void a_tokenizer_reads_them(void **state) {
  (void)state;
  static plain p;
  fd_windows w = make_windows(3, 1);
  fd_merges merges;
  fd_tokens tokens;
  int at = 0;
  assert_ok(fd_merges_learn(&w, w.count, IDS, &merges));
  json_t *root = fd_merges_json(&merges);
  assert_ok(fd_json_write(below("tokenizer.json", NULL), root));
  json_decref(root);
  fd_tokenizer *t = create((fd_tokenizer_settings){.kind = "bpe", .file = below("tokenizer.json", NULL), .vocabulary = IDS});
  const fd_vocabulary *v = fd_tokenizer_vocabulary(t);
  assert_int_equal(v->first, FD_MERGES_LETTER), assert_int_equal(v->words, IDS - FD_MERGES_LETTER);
  assert_ok(fd_tokens_create(&tokens, t, LENGTH));
  read_plain(&p, &w);
  for (int i = 0; i < merges.count; i++)
    join_plain(&p, (const int[2]){merges.pair[i][0], merges.pair[i][1]}, FD_MERGES_FIRST + i);
  for (int i = 0; i < w.count; i++) {
    int n = (int)fd_tokenizer_encode(t, fd_windows_at(&w, i), fd_windows_length(&w, i), 0, &tokens);
    for (int k = 1; k < n - 1; k++, at++) assert_int_equal(tokens.ids[k], p.id[at] < 0 ? v->unk : p.id[at]);
    assert_int_equal(p.id[at++], -1);
  }
  assert_int_equal(at, p.count);
  fd_tokens_free(&tokens);
  fd_tokenizer_destroy(&t);
  fd_merges_free(&merges);
  fd_windows_free(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(as_counted_by_hand),
      cmocka_unit_test(from_the_first_windows),
      cmocka_unit_test(until_no_pair_is_left),
      cmocka_unit_test(a_tokenizer_reads_them),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
