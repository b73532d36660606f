/* Letters hidden in groups of six, and a frozen teacher's view of them: against a plain version that makes sequences one by
 * one. */
#include "check.h"
#include "draws.h"

#include "data/hide.h"
#include "device/device.h"

enum { WINDOWS = 50, LENGTH = 66, GROUPS = LENGTH / 6, BATCH = 10, STEPS = 40 };
enum { MASKED_LETTER = 5, CLS_WORD = 3, MASKED_WORD = 2, N_WORD = 4106 };

typedef struct set {
  fd_config config;
  fd_windows windows;
  fd_tokenizer *letters, *words;
  fd_hider hider;
  fd_device *dev;
  fd_batch *batch;
  int turned, hidden, seen; /* counts over all sequences */
  int is_turned;            /* of the window that was made last */
} set;

/* Random windows, every fourth with some N; one with only N. */
static void open_set(set *s, const char *pool, const char *sees) {
  char *settings[] = {"model.encoder=had",         "model.channels=8",      "model.heads=2",       "model.tokenizer=letters",
                      "model.vocabulary=7",        "aug.student=RM",        "aug.mask_rate=0.3",   "aug.revcomp=0.4",
                      "objective.mnm_weight=0",    "objective.cl_weight=0", "teacher.kind=frozen", "teacher.width=8",
                      "objective.distil_weight=1", "device.threads=1",      (char *)pool,          (char *)sees};
  uint32_t word[4];
  memset(s, 0, sizeof *s);
  assert_ok(fd_config_parse(&s->config, "", 0, "test", settings, sizeof settings / sizeof *settings));
  s->config.run.seed = (int64_t)drawn_seed(5);
  s->windows = (fd_windows){.count = WINDOWS, .length = LENGTH, .symbols = malloc(WINDOWS * LENGTH)};
  for (int i = 0; i < WINDOWS * LENGTH; i++) {
    fd_philox(word, drawn_key(1), 0, (uint64_t)i);
    int window = i / LENGTH, n = window == 9 || (window % 4 == 0 && word[1] % 15 == 0);
    s->windows.symbols[i] = n ? FD_N : (uint8_t)(word[0] % 4);
  }
  assert_ok(fd_tokenizer_create(&s->letters, &(fd_tokenizer_settings){.kind = "letters"}));
  assert_ok(fd_tokenizer_create(&s->words, &(fd_tokenizer_settings){.kind = "nt6", .groups = 1}));
  assert_ok(fd_hider_create(&s->hider, &s->config, &s->windows, s->letters, 1, 0));
  assert_ok(fd_hider_teach(&s->hider, s->words, s->config.teacher.sees == FD_SEES_CLEAN));
  fd_source source = fd_hider_source(&s->hider);
  assert_ok(fd_device_open(&s->dev, &s->config, 0, 1));
  assert_ok(fd_batch_create(&s->batch, s->dev, BATCH, BATCH * LENGTH, 0));
  assert_ok(fd_batch_add(s->batch, &source.beside, BATCH));
}

static void close_set(set *s) {
  fd_batch_destroy(&s->batch);
  fd_device_close(&s->dev);
  fd_hider_free(&s->hider);
  fd_tokenizer_destroy(&s->letters);
  fd_tokenizer_destroy(&s->words);
  fd_windows_free(&s->windows);
}

/* Of a draw: the letters, reverse-complemented or not, and the groups that the random numbers select for hiding. */
static void plain_window(set *s, fd_rng_key key, uint64_t draw, uint64_t window, int turns, int *letters, int *asked) {
  const uint8_t *w = s->windows.symbols + window * LENGTH;
  uint32_t word[4];
  fd_philox(word, key, draw, 0);
  int turned = turns && (double)(word[3] >> 8) / 16777216 < 0.4;
  for (int t = 0; t < LENGTH; t++) letters[t] = !turned ? w[t] : w[LENGTH - 1 - t] < 4 ? 3 - w[LENGTH - 1 - t] : FD_N;
  s->turned += turned;
  s->is_turned = turned;
  for (int g = 0; g < GROUPS; g++) {
    fd_philox(word, key, draw, 1 + (uint64_t)(g / 4));
    asked[g] = (double)(word[g % 4] >> 8) / 16777216 < 0.3;
  }
}

/* The number of a 6-mer in the vocabulary's order A, T, C, G. */
static int plain_word(const int *letters) {
  static const int digit[] = {0, 2, 3, 1};
  int id = 0;
  for (int i = 0; i < 6; i++) {
    if (letters[i] > 3) return N_WORD;
    id = 4 * id + digit[letters[i]];
  }
  return 6 + id;
}

/* Checks sequence i of a batch against its letters and selected groups. */
static void check_sequence(set *s, int i, const int *letters, const int *asked) {
  const fd_batch *b = s->batch;
  const int *ids = (const int *)(const void *)b->scratch + i * LENGTH, *taught = b->taught->ids + i * (GROUPS + 1);
  const uint8_t *hidden = b->seqs.hidden + i * LENGTH;
  int each = s->config.objective.distil_pool == FD_DISTIL_REPEAT ? 6 : 1, can = 0, wanted = 0, got = 0, differ = 0;
  assert_int_equal(b->seqs.start[i], i * LENGTH);
  assert_int_equal(taught[0], CLS_WORD);
  for (int g = 0; g < GROUPS; g++) {
    int word = plain_word(letters + 6 * g), known = word != N_WORD, is = hidden[6 * g],
        clean = s->config.teacher.sees == FD_SEES_CLEAN;
    assert_true(known || !is);
    for (int t = 6 * g; t < 6 * g + 6; t++) {
      assert_int_equal(hidden[t], is);
      assert_int_equal(ids[t], is ? MASKED_LETTER : letters[t]);
    }
    assert_int_equal(taught[1 + g], is && !clean ? MASKED_WORD : word);
    for (int k = 0; k < each; k++)
      assert_int_equal(b->host_aligned[(i * GROUPS + g) * each + k], known && !is ? i * (GROUPS + 1) + 1 + g : -1);
    can += known, wanted += known && asked[g], got += is, differ += is != (known && asked[g]);
    s->seen += (known && !is) * each;
  }
  s->hidden += got;
  if (!can) assert_int_equal(got, 0);
  else if (!wanted) assert_int_equal(got, 1), assert_int_equal(differ, 1);
  else if (wanted == GROUPS) assert_int_equal(got, GROUPS - 1);
  else assert_int_equal(differ, 0);
}

/* Checks that hidden letters come first, each with its class. */
static void check_targets(const set *s, int letters[BATCH][LENGTH]) {
  const fd_batch *b = s->batch;
  int n = 0;
  for (int r = 0; r < b->rows; r++) {
    if (!b->seqs.hidden[r]) continue;
    assert_int_equal((int)b->host_target[n], letters[r / LENGTH][r % LENGTH]);
    assert_int_equal((int)b->host_target[b->rows + n++], 1);
  }
  assert_int_equal(n, b->masked);
}

static void check(const char *pool, const char *sees) {
  set s;
  int letters[BATCH][LENGTH], asked[GROUPS];
  open_set(&s, pool, sees);
  fd_source source = fd_hider_source(&s.hider);
  for (uint64_t first = 0; first < STEPS * BATCH; first += BATCH) {
    source.make(source.context, first, BATCH, s.batch);
    s.hidden = s.seen = 0;
    for (int i = 0; i < BATCH; i++) {
      uint64_t draw = first + (uint64_t)i;
      plain_window(&s, fd_rng_key_of(drawn_seed(5), FD_RNG_HIDE), draw, fd_loader_window(&s.hider.loader, draw), 1, letters[i],
                   asked);
      check_sequence(&s, i, letters[i], asked);
      if (s.hider.keyed)
        assert_int_equal(s.batch->taught->key[i], 2 * fd_loader_window(&s.hider.loader, draw) + (uint64_t)s.is_turned);
    }
    check_targets(&s, letters);
    assert_int_equal(s.batch->masked, 6 * s.hidden);
    assert_int_equal(s.batch->aligned_rows, s.seen);
  }
  assert_near((double)s.turned / (STEPS * BATCH), 0.4, 0.08);
  for (int i = 0; i < WINDOWS; i += BATCH) { /* held-out windows are not reverse-complemented */
    assert_ok(source.held_out(source.context, &s.windows, i, BATCH, s.batch));
    for (int k = 0; k < BATCH; k++) {
      uint64_t window = (uint64_t)(i + k);
      plain_window(&s, fd_rng_key_of(drawn_seed(5), FD_RNG_EVAL), window, window, 0, letters[k], asked);
      for (int g = 0; g < GROUPS; g++) /* upload leaves the student's and the teacher's ids unchanged */
        assert_true(plain_word(letters[k] + 6 * g) != N_WORD || !s.batch->seqs.hidden[k * LENGTH + 6 * g]);
      check_sequence(&s, k, letters[k], asked);
      if (s.hider.keyed) assert_int_equal(s.batch->taught->key[k], 2 * WINDOWS + window);
    }
  }
  assert_int_equal(fd_hider_keys(&s.config, WINDOWS, 3), 2 * WINDOWS + 3);
  close_set(&s);
}

static void a_mean_against_a_word(void **state) { (void)state, check("objective.distil_pool=mean", "teacher.sees=masked"); }
static void letters_against_a_word(void **state) { (void)state, check("objective.distil_pool=repeat", "teacher.sees=masked"); }
static void a_teacher_that_sees_all(void **state) { (void)state, check("objective.distil_pool=mean", "teacher.sees=clean"); }

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_mean_against_a_word), cmocka_unit_test(letters_against_a_word),
                                     cmocka_unit_test(a_teacher_that_sees_all)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
