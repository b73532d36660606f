/* Hidden words: compared with a plain version that draws them one by one; short sequences; targets; and word tables compared with
 * direct counting. */
#include "check.h"
#include "draws.h"

#include "data/alphabet.h"
#include "device/device.h"
#include "tasks/word_tables.h"

enum { RECORDS = 60, LONGEST = 47, BATCH = 16 };

typedef struct set {
  fd_config config;
  fd_windows windows;
  fd_tokenizer *tokenizer;
  fd_hider hider;
  fd_device *dev;
  fd_batch *batch;
} set;

static void configure(fd_config *config, int k, const char *rate, const char *offsets) {
  char kmer[32], vocabulary[40];
  snprintf(kmer, sizeof kmer, "model.kmer=%d", k);
  snprintf(vocabulary, sizeof vocabulary, "model.vocabulary=%d", 2 + (1 << 2 * k));
  char *settings[] = {
      "model.encoder=mae", "model.channels=8",       "model.heads=2",         "model.tokenizer=kmer", kmer,
      vocabulary,          "objective.mnm_weight=0", "objective.cl_weight=0", "teacher.kind=none",    "aug.student=M",
      (char *)rate,        (char *)offsets,          "device.threads=1"};
  assert_ok(fd_config_parse(config, "", 0, "test", settings, sizeof settings / sizeof *settings));
  config->run.seed = (int64_t)drawn_seed(5);
}

/* Random records: the first ones have the length of a word and slightly more; one has no known word. */
static void open_set(set *s, int k, const char *rate, const char *offsets, int replaces) {
  uint32_t word[4];
  memset(s, 0, sizeof *s);
  configure(&s->config, k, rate, offsets);
  s->windows = (fd_windows){RECORDS, LONGEST, malloc(RECORDS * LONGEST), malloc(RECORDS * sizeof(int32_t)), NULL};
  fd_rng_key key = drawn_key(1);
  for (int i = 0; i < RECORDS; i++) {
    s->windows.own[i] = i < 3 * k && k + i <= LONGEST ? k + i : k + (i * 7) % (LONGEST - k + 1);
    for (int t = 0; t < LONGEST; t++) {
      fd_philox(word, key, (uint64_t)i, (uint64_t)t);
      s->windows.symbols[i * LONGEST + t] = i == 9 || word[1] % 20 == 0 ? FD_N : (uint8_t)(word[0] % 4);
    }
  }
  assert_ok(fd_tokenizer_create(&s->tokenizer, &(fd_tokenizer_settings){.kind = "kmer", .k = k, .stride = k}));
  assert_ok(fd_hider_create(&s->hider, &s->config, &s->windows, s->tokenizer, replaces, replaces ? 0 : 2));
  assert_ok(fd_device_open(&s->dev, &s->config, 0, 1));
  assert_ok(fd_batch_create(&s->batch, s->dev, BATCH, BATCH * LONGEST / k + 1, 0));
}

static void close_set(set *s) {
  fd_batch_destroy(&s->batch);
  fd_device_close(&s->dev);
  fd_hider_free(&s->hider);
  fd_tokenizer_destroy(&s->tokenizer);
  fd_windows_free(&s->windows);
}

/* The id of the k letters from `at` on, computed letter by letter; 1: unknown. */
static int plain_id(const uint8_t *letters, int at, int k) {
  int id = 0;
  for (int i = 0; i < k; i++) {
    if (letters[at + i] > 3) return 1;
    id = 4 * id + letters[at + i];
  }
  return id + 2;
}

/* Whether word j is hidden: its random number is word j mod 4 of the Philox block with counter 1 + j / 4. */
static int plain_hidden(const set *s, fd_rng_key key, uint64_t draw, int j) {
  uint32_t word[4];
  fd_philox(word, key, draw, 1 + (uint64_t)(j / 4));
  return (double)(word[j % 4] >> 8) / 16777216 < s->config.aug.mask_rate;
}

/* Checks one sequence of a batch: its words from the offset of the draw on, and which of them are hidden. */
static void check_sequence(const set *s, int i, uint64_t draw, int offsets, const int *ids, const uint8_t *hidden) {
  const fd_windows *w = &s->windows;
  int k = (int)s->config.model.kmer, window = (int)fd_loader_window(&s->hider.loader, draw),
      length = fd_windows_length(w, window);
  uint32_t first[4];
  fd_rng_key key = fd_rng_key_of(drawn_seed(5), FD_RNG_HIDE);
  fd_philox(first, key, draw, 0);
  int most = length - k + 1 < k ? length - k + 1 : k, offset = offsets ? (int)((uint64_t)first[0] * (uint64_t)most >> 32) : 0;
  int n = (length - offset) / k, can = 0, wanted = 0, got = 0, differ = 0;
  assert_int_equal(s->batch->seqs.start[i + 1] - s->batch->seqs.start[i], n);
  assert_true(n >= 1);
  for (int j = 0; j < n; j++) {
    int id = plain_id(fd_windows_at(w, window), offset + j * k, k), hide = id > 1 && plain_hidden(s, key, draw, j);
    can += id > 1, wanted += hide, got += hidden[j], differ += hide != hidden[j];
    assert_int_equal(ids[j], s->hider.replaces && hidden[j] ? 0 : id);
    assert_true(id > 1 || !hidden[j]);
  }
  if (n < 2 || !can) assert_int_equal(got, 0);
  else if (!wanted) assert_int_equal(got, 1), assert_int_equal(differ, 1);
  else if (wanted == n) assert_int_equal(got, n - 1);
  else assert_int_equal(differ, 0);
}

/* Checks the targets: hidden rows first, then visible ones; known words have weight 1. */
static void check_targets(const set *s, const int *true_ids) {
  const fd_batch *b = s->batch;
  int n = 0, masked = 0, visible = 0;
  for (int hidden = 1; hidden >= 0; hidden--)
    for (int r = 0; r < b->rows; r++) {
      if (b->seqs.hidden[r] != hidden) continue;
      int known = true_ids[r] > 1;
      assert_int_equal((int)b->host_target[n], known ? true_ids[r] - s->hider.first : 0);
      assert_int_equal((int)b->host_target[b->rows + n++], known);
      *(hidden ? &masked : &visible) += known;
    }
  assert_int_equal(n, b->rows);
  assert_int_equal(masked, b->masked);
  assert_int_equal(visible, b->visible);
}

static void check_batches(int k, const char *rate, int offsets, int replaces) {
  set s;
  open_set(&s, k, rate, offsets ? "aug.offsets=true" : "aug.offsets=false", replaces);
  fd_source source = fd_hider_source(&s.hider);
  for (uint64_t first = 0; first < 4 * RECORDS; first += BATCH) {
    memset(s.batch->tokens, 0xee, BATCH * LONGEST / (size_t)k + 1); /* no leftovers of an earlier batch */
    source.make(source.context, first, BATCH, s.batch);
    const int *ids = (const int *)(const void *)s.batch->scratch;
    int *true_ids = malloc((size_t)s.batch->rows * sizeof *true_ids);
    for (int i = 0; i < BATCH; i++) {
      int at = s.batch->seqs.start[i];
      check_sequence(&s, i, first + (uint64_t)i, offsets, ids + at, s.batch->seqs.hidden + at);
      assert_int_equal(s.batch->seqs.draws[i], first + (uint64_t)i);
    }
    memcpy(true_ids, ids, (size_t)s.batch->rows * sizeof *true_ids);
    if (!replaces) check_targets(&s, true_ids);
    free(true_ids);
  }
  close_set(&s);
}

static void equal_to_drawing_one_by_one(void **state) {
  (void)state;
  static const char *const rates[] = {"aug.mask_rate=0.5", "aug.mask_rate=0.02", "aug.mask_rate=1"};
  for (int k = 1; k <= 7; k++)
    for (int i = 0; i < 3; i++) check_batches(k, rates[i], 1, 0), check_batches(k, rates[i], 0, i == 1);
}

/* The same draws in other micro-batches hide the same words. */
static void independent_of_batches(void **state) {
  (void)state;
  set a, b;
  open_set(&a, 4, "aug.mask_rate=0.5", "aug.offsets=true", 1), open_set(&b, 4, "aug.mask_rate=0.5", "aug.offsets=true", 1);
  fd_source x = fd_hider_source(&a.hider), y = fd_hider_source(&b.hider);
  x.make(x.context, 100, BATCH, a.batch);
  for (int i = 0; i < BATCH; i++) {
    y.make(y.context, 100 + (uint64_t)i, 1, b.batch);
    int at = a.batch->seqs.start[i], n = a.batch->seqs.start[i + 1] - at;
    assert_int_equal(b.batch->rows, n);
    assert_memory_equal(b.batch->scratch, a.batch->scratch + 4 * at, 4 * (size_t)n);
    assert_memory_equal(b.batch->seqs.hidden, a.batch->seqs.hidden + at, (size_t)n);
  }
  close_set(&a), close_set(&b);
}

static void hidden_fraction_is_mask_rate(void **state) {
  (void)state;
  set s;
  double hidden = 0, all = 0;
  open_set(&s, 2, "aug.mask_rate=0.3", "aug.offsets=true", 0);
  fd_source source = fd_hider_source(&s.hider);
  for (uint64_t first = 0; first < 6000; first += BATCH) {
    source.make(source.context, first, BATCH, s.batch);
    hidden += (double)s.batch->masked, all += (double)(s.batch->masked + s.batch->visible);
  }
  assert_near(hidden / all, 0.3, 0.01);
  close_set(&s);
}

/* p(w) = (n(w) + 1) / (n + words), and smoothed counts given the place or the adjacent letters, computed from the definitions. */
static double plain_probability(const set *s, fd_table_given given, const int *ids, const uint8_t *hidden, int n, int i) {
  enum { K = 4, WORDS = 256 };
  double all = 0, alone = 0, context = 0, both = 0;
  int left = i > 0 && ids[i - 1] > 1 && !hidden[i - 1] ? (ids[i - 1] - 2) % 16 : -1,
      right = i + 1 < n && ids[i + 1] > 1 && !hidden[i + 1] ? (ids[i + 1] - 2) / 16 : -1;
  for (int r = 0; r < RECORDS; r++) {
    const uint8_t *letters = fd_windows_at(&s->windows, r);
    int words = fd_windows_length(&s->windows, r) / K;
    for (int j = 0; j < words; j++) {
      int id = plain_id(letters, j * K, K), before = j > 0 ? plain_id(letters, (j - 1) * K, K) : 1,
          after = j + 1 < words ? plain_id(letters, (j + 1) * K, K) : 1;
      if (id < 2) continue;
      int fits = given == FD_TABLE_PLACE ? j == i
                                         : (left < 0 || (before > 1 && (before - 2) % 16 == left)) &&
                                               (right < 0 || (after > 1 && (after - 2) / 16 == right));
      all++, alone += id == ids[i], context += fits, both += fits && id == ids[i];
    }
  }
  alone = (alone + 1) / (all + WORDS);
  return given == FD_TABLE_ALONE ? alone : (both + 64 * alone) / (context + 64);
}

static void word_tables(void **state) {
  (void)state;
  set s;
  open_set(&s, 4, "aug.mask_rate=0.4", "aug.offsets=false", 0);
  for (fd_table_given given = FD_TABLE_ALONE; given <= FD_TABLE_BESIDE; given++) {
    fd_word_table *table;
    fd_word_score score;
    double loss = 0;
    int words = 0, ids[LONGEST];
    uint8_t hidden[LONGEST];
    assert_ok(fd_word_table_fit(&table, &s.hider, given));
    assert_ok(fd_word_table_score(table, &s.hider, &s.windows, 40, &score));
    for (int w = 0; w < 40; w++) {
      int n = fd_hider_held_out(&s.hider, &s.windows, w, ids, hidden);
      for (int i = 0; i < n; i++)
        if (hidden[i]) loss -= log(plain_probability(&s, given, ids, hidden, n, i)), words++;
    }
    assert_true(words > 50);
    assert_int_equal(score.words, words);
    assert_near(score.loss, loss / words, 1e-9);
    fd_word_table_free(&table);
  }
  close_set(&s);
}

static void refused(void **state) {
  (void)state;
  set s;
  open_set(&s, 5, "aug.mask_rate=0.4", "aug.offsets=false", 0);
  int most = 0;
  assert_ok(fd_hider_check(&s.config, s.tokenizer, &s.windows, "test"));
  s.windows.own[3] = 4;
  assert_int_equal(fd_hider_check(&s.config, s.tokenizer, &s.windows, "test"), FD_DATA);
  s.windows.own[3] = 5, s.config.model.positions = 8;
  assert_ok(fd_hider_check(&s.config, s.tokenizer, &s.windows, "test"));
  assert_int_equal(fd_hider_most(&s.config, s.tokenizer, &s.windows, fd_comm_self(), &most), FD_CONFIG);
  s.config.model.positions = 9;
  assert_ok(fd_hider_most(&s.config, s.tokenizer, &s.windows, fd_comm_self(), &most));
  assert_int_equal(most, 9);
  for (int i = 0; i < RECORDS; i++) s.windows.own[i] = 5 + i % 5;
  assert_int_equal(fd_hider_check(&s.config, s.tokenizer, &s.windows, "test"), FD_DATA); /* nothing can be hidden */
  s.windows.own[RECORDS - 1] = 10;
  assert_ok(fd_hider_check(&s.config, s.tokenizer, &s.windows, "test"));
  close_set(&s);
}

/* Counts of the test of byte pairs. */
typedef struct seen {
  const fd_tokenizer *tokenizer;
  fd_tokens tokens;
  int longest, turns, hides;
} seen;

/* Checks a sequence of a batch: its visible tokens are those of its window or of the reverse complement, and no special token is
 * hidden. */
static void check_pairs(const set *s, int i, seen *seen) {
  const fd_vocabulary *v = fd_tokenizer_vocabulary(seen->tokenizer);
  int at = s->batch->seqs.start[i], n = s->batch->seqs.start[i + 1] - at, same = 0, window = (int)s->batch->windows[i],
      length = fd_windows_length(&s->windows, window);
  const int32_t *ids = (const int32_t *)(const void *)s->batch->scratch + at;
  const uint8_t *hidden = s->batch->seqs.hidden + at, *symbols = fd_windows_at(&s->windows, window);
  uint8_t turned[LONGEST];
  fd_reverse_complement(symbols, length, turned);
  for (int turn = 0; turn < 2 && !same; turn++) {
    int count = (int)fd_tokenizer_encode(seen->tokenizer, turn ? turned : symbols, length, 0, &seen->tokens);
    if (count > seen->longest) seen->longest = count;
    same = count == n;
    for (int k = 0; k < n && same; k++) same = ids[k] == (hidden[k] ? v->mask : seen->tokens.ids[k]);
    seen->turns += same && turn;
  }
  assert_true(same && ids[0] == v->cls && ids[n - 1] == v->sep);
  for (int k = 0; k < n; k++) seen->hides += hidden[k], assert_true(!hidden[k] || fd_is_word(v, seen->tokens.ids[k]));
}

/* Byte pairs: a sequence of a batch has all tokens of a window, of either strand. */
static void byte_pairs(void **state) {
  (void)state;
  set s;
  fd_config config;
  fd_tokenizer *t;
  seen seen = {0};
  int most = 0;
  char *settings[] = {"model.encoder=dnabert_2", "model.channels=8",   "model.heads=2",          "model.tokenizer=bpe",
                      "model.vocabulary=521",    "model.lm_head=tied", "objective.mnm_weight=0", "objective.cl_weight=0",
                      "teacher.kind=none",       "aug.student=RM",     "aug.mask_rate=0.3",      "device.threads=1"};
  open_set(&s, 4, "aug.mask_rate=0.5", "aug.offsets=false", 1);
  assert_ok(fd_config_parse(&config, "", 0, "test", settings, sizeof settings / sizeof *settings));
  config.run.seed = (int64_t)drawn_seed(5);
  assert_ok(fd_tokenizer_create(&t, &(fd_tokenizer_settings){.kind = "bpe", .file = "tests/golden/bpe_merges.txt"}));
  seen.tokenizer = t;
  fd_hider_free(&s.hider);
  fd_batch_destroy(&s.batch);
  assert_ok(fd_hider_create(&s.hider, &config, &s.windows, t, 1, 0));
  assert_ok(fd_batch_create(&s.batch, s.dev, BATCH, BATCH * (LONGEST + 2), 0));
  assert_ok(fd_tokens_create(&seen.tokens, t, LONGEST));
  assert_ok(fd_hider_check(&config, t, &s.windows, "test"));
  assert_ok(fd_hider_most(&config, t, &s.windows, fd_comm_self(), &most));
  fd_source source = fd_hider_source(&s.hider);
  for (uint64_t first = 0; first < 6 * RECORDS; first += BATCH) {
    source.make(source.context, first, BATCH, s.batch);
    for (int i = 0; i < BATCH; i++) check_pairs(&s, i, &seen);
  }
  assert_int_equal(most, seen.longest);
  assert_true(seen.turns > RECORDS && seen.hides > 6 * RECORDS);
  fd_tokens_free(&seen.tokens);
  close_set(&s);
  fd_tokenizer_destroy(&t);
}

/* With aug.refresh: once the words of a window are hidden alike in each epoch; dropout, keyed by seqs.draws, is not. */
static void dropout_is_new_in_each_epoch(void **state) {
  (void)state;
  set s;
  uint64_t draws[RECORDS];
  uint8_t hidden[RECORDS][LONGEST], same = 1;
  open_set(&s, 3, "aug.mask_rate=0.4", "aug.offsets=false", 0);
  s.config.aug.refresh = FD_REFRESH_ONCE;
  fd_source source = fd_hider_source(&s.hider);
  for (uint64_t draw = 0; draw < 2 * RECORDS; draw++) {
    source.make(source.context, draw, 1, s.batch);
    uint64_t window = s.batch->windows[0];
    if (draw < RECORDS) memcpy(hidden[window], s.batch->seqs.hidden, (size_t)s.batch->rows);
    else same &= !memcmp(hidden[window], s.batch->seqs.hidden, (size_t)s.batch->rows);
    if (draw < RECORDS) draws[window] = s.batch->seqs.draws[0];
    else assert_int_not_equal(draws[window], s.batch->seqs.draws[0]);
  }
  assert_true(same);
  close_set(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_to_drawing_one_by_one),
      cmocka_unit_test(independent_of_batches),
      cmocka_unit_test(hidden_fraction_is_mask_rate),
      cmocka_unit_test(word_tables),
      cmocka_unit_test(dropout_is_new_in_each_epoch),
      cmocka_unit_test(refused),
      cmocka_unit_test(byte_pairs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
