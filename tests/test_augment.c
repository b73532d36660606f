/* Augmentations: exact operations for given draws, statistics of the views, labels and masks that follow every permutation. */
#include "check.h"
#include "draws.h"

#include <jansson.h>

#include "data/augment.h"
#include "data/batch.h"

enum { L = 60, SIZE = 20 };

static int symbol_of(char c) { return (int)(strchr("ACGTN", c) - "ACGTN"); }

static void to_symbols(const char *text, uint8_t *x) {
  for (; *text; text++) *x++ = (uint8_t)symbol_of(*text);
}

static const char *text_of(const json_t *c, const char *key) { return json_string_value(json_object_get(c, key)); }

static int number_of(const json_t *c, const char *key) { return (int)json_integer_value(json_object_get(c, key)); }

static void operations_equal_given_cases(void **state) {
  (void)state;
  json_t *root = json_load_file("tests/golden/augment_golden.json", 0, NULL), *c;
  size_t i;
  int cases = 0;
  json_array_foreach(json_object_get(root, "cases"), i, c) {
    uint8_t x[L], random[SIZE], y[L], expected[L];
    const char *op = text_of(c, "op");
    to_symbols(json_string_value(json_array_get(json_object_get(root, "inputs"), (size_t)number_of(c, "seq"))), x);
    to_symbols(text_of(c, strcmp(op, "insertion") ? "out" : "out_cut"), expected);
    if (!strcmp(op, "deletion") || !strcmp(op, "insertion")) to_symbols(text_of(c, *op == 'd' ? "pad" : "ins"), random);
    if (!strcmp(op, "deletion")) fd_augment_deletion(x, L, number_of(c, "n"), number_of(c, "at"), random, SIZE, y);
    if (!strcmp(op, "insertion")) fd_augment_insertion(x, L, number_of(c, "n"), number_of(c, "at"), random, SIZE, y);
    if (!strcmp(op, "translocation")) fd_augment_roll(x, L, number_of(c, "shift"), y);
    if (!strcmp(op, "revcomp")) fd_augment_revcomp(x, L, y);
    for (int t = 0; t < L; t++) y[t] &= 7;
    assert_memory_equal(y, expected, L);
    cases++;
  }
  assert_int_equal(cases, 24);
  json_decref(root);
}

/* 1,000 windows of 200 random nucleotides, one in ten all N. */
enum { WINDOWS = 1000, LENGTH = 200 };

static fd_windows make_windows(void) {
  fd_windows w = {WINDOWS, LENGTH, malloc((size_t)WINDOWS * LENGTH), NULL, NULL};
  fd_rng_key key = drawn_key(5);
  for (int i = 0; i < WINDOWS * LENGTH; i++) {
    uint32_t word[4];
    fd_philox(word, key, 0, (uint64_t)i);
    w.symbols[i] = i / LENGTH % 10 == 0 ? FD_N : (uint8_t)fd_below(word[0], 4);
  }
  return w;
}

typedef struct view_set {
  uint8_t student[LENGTH], labels[LENGTH], mask[LENGTH], teacher[LENGTH], scratch[4 * LENGTH];
} view_set;

static fd_config config_of(const char *student, const char *teacher) {
  fd_config config;
  fd_config_defaults(&config);
  snprintf(config.aug.student, sizeof config.aug.student, "%s", student);
  snprintf(config.aug.teacher, sizeof config.aug.teacher, "%s", teacher);
  return config;
}

/* Mean over positions of KL(softmax(u) || softmax(v)) of the two views' rows, noise included (Eq. 10). */
static double dissimilarity(const fd_config *config) {
  fd_windows windows = make_windows();
  fd_loader loader;
  fd_device *dev;
  view_set *v = calloc(1, sizeof *v);
  double kl = 0;
  fd_loader_init(&loader, config, &windows);
  assert_ok(fd_device_open(&dev, config, 0, 1));
  static float u[LENGTH * 5], t[LENGTH * 5];
  int start[2] = {0, LENGTH};
  uint64_t g;
  fd_seqs seqs = {.count = 1, .start = start, .draws = &g};
  for (g = 0; g < WINDOWS; g++) {
    fd_loader_views(&loader, g, v->student, v->labels, v->mask, v->teacher, v->scratch);
    dev->ops.expand(dev, &seqs, v->student, fd_augment_noise(config, FD_VIEW_STUDENT), loader.noise, FD_VIEW_STUDENT, u);
    dev->ops.expand(dev, &seqs, v->teacher, fd_augment_noise(config, FD_VIEW_TEACHER), loader.noise, FD_VIEW_TEACHER, t);
    for (int i = 0; i < LENGTH; i++) {
      double zu = 0, zt = 0;
      for (int c = 0; c < 5; c++) zu += exp((double)u[i * 5 + c]), zt += exp((double)t[i * 5 + c]);
      for (int c = 0; c < 5; c++) {
        double p = exp((double)u[i * 5 + c]) / zu, q = exp((double)t[i * 5 + c]) / zt;
        kl += p * log(p / q) / (LENGTH * WINDOWS);
      }
    }
  }
  fd_device_close(&dev);
  free(v);
  free(windows.symbols);
  return kl;
}

static void dissimilarity_of_table_4(void **state) {
  (void)state;
  const struct {
    const char *student, *teacher;
    double kl;
  } rows[] = {{"M", "", 0.029}, {"M", "DIT", 0.151}, {"DTM", "DIT", 0.152}, {"DTM", "NR", 0.168}};
  for (int i = 0; i < 4; i++) {
    fd_config config = config_of(rows[i].student, rows[i].teacher);
    config.aug.trans = FD_TRANS_SHIFT; /* parameters that reproduce the paper's values */
    config.aug.random_n = 1;
    assert_near(dissimilarity(&config), rows[i].kl, 0.02);
  }
}

static void rates_and_symbols(void **state) {
  (void)state;
  fd_windows windows = make_windows();
  fd_config config = config_of("DITM", "NR");
  fd_loader loader;
  view_set *v = calloc(1, sizeof *v);
  double masked = 0, reversed = 0, total = 0, n_windows = 0, n_symbols = 0;
  fd_loader_init(&loader, &config, &windows);
  for (uint64_t g = 0; g < WINDOWS; g++) {
    const uint8_t *window = windows.symbols + fd_loader_window(&loader, g) * LENGTH;
    fd_loader_views(&loader, g, v->student, v->labels, v->mask, v->teacher, v->scratch);
    int all_n = window[0] == FD_N;
    for (int t = 0; t < LENGTH; t++) {
      assert_true(v->labels[t] < FD_SYMBOLS);
      assert_true(v->student[t] == (v->mask[t] ? FD_ZERO : v->labels[t])); /* labels are the view before masking */
      masked += v->mask[t];
      if (all_n) n_symbols += v->labels[t] == FD_N;
      else assert_true(v->labels[t] != FD_N); /* random DNA is A, C, G, T */
    }
    total += LENGTH, n_windows += all_n;
    int same = !memcmp(v->teacher, window, LENGTH), complement = 1;
    for (int t = 0; t < LENGTH; t++)
      complement = complement && v->teacher[t] == (window[LENGTH - 1 - t] == FD_N ? FD_N : 3 - window[LENGTH - 1 - t]);
    assert_true(same || complement);
    if (!all_n) reversed += !same;
  }
  assert_near(masked / total, 0.3, 0.005);
  assert_near(reversed / (WINDOWS - n_windows), 0.5, 0.06);
  assert_true(n_symbols < n_windows * LENGTH && n_symbols > 0.8 * n_windows * LENGTH); /* D and I insert at most 40 */
  free(v);
  free(windows.symbols);
}

static void labels_and_masks_follow_the_reverse_complement(void **state) {
  (void)state;
  fd_windows windows = make_windows();
  fd_config plain = config_of("M", ""), turned = config_of("MR", "");
  turned.aug.revcomp = 1;
  fd_loader a, b;
  view_set *u = calloc(2, sizeof *u), *v = u + 1;
  fd_loader_init(&a, &plain, &windows);
  fd_loader_init(&b, &turned, &windows);
  for (uint64_t g = 0; g < 50; g++) {
    fd_loader_views(&a, g, u->student, u->labels, u->mask, u->teacher, u->scratch);
    fd_loader_views(&b, g, v->student, v->labels, v->mask, v->teacher, v->scratch);
    for (int t = 0; t < LENGTH; t++) {
      int from = LENGTH - 1 - t;
      assert_int_equal(v->mask[t], u->mask[from]);
      assert_int_equal(v->labels[t], u->labels[from] == FD_N ? FD_N : 3 - u->labels[from]);
    }
  }
  free(u);
  free(windows.symbols);
}

static void bert_masking_has_its_three_kinds(void **state) {
  (void)state;
  fd_windows windows = make_windows();
  fd_config config = config_of("M", "");
  config.aug.mask_bert = 1;
  fd_loader loader;
  view_set *v = calloc(1, sizeof *v);
  double masked = 0, zero = 0, same = 0;
  fd_loader_init(&loader, &config, &windows);
  for (uint64_t g = 0; g < WINDOWS; g++) {
    fd_loader_views(&loader, g, v->student, v->labels, v->mask, v->teacher, v->scratch);
    for (int t = 0; t < LENGTH; t++) {
      if (!v->mask[t]) assert_int_equal(v->student[t], v->labels[t]);
      masked += v->mask[t], zero += v->mask[t] && v->student[t] == FD_ZERO, same += v->mask[t] && v->student[t] == v->labels[t];
    }
  }
  assert_near(zero / masked, 0.8, 0.01);
  assert_near(same / masked, 0.1 + 0.1 / 5, 0.01);
  free(v);
  free(windows.symbols);
}

static void views_depend_only_on_the_draw(void **state) {
  (void)state;
  fd_windows windows = make_windows();
  fd_config config = config_of("DITM", "NR");
  fd_loader loader;
  view_set *v = calloc(3, sizeof *v);
  fd_loader_init(&loader, &config, &windows);
  fd_loader_views(&loader, 7, v[0].student, v[0].labels, v[0].mask, v[0].teacher, v[0].scratch);
  fd_loader_views(&loader, 1234567890123u, v[1].student, v[1].labels, v[1].mask, v[1].teacher, v[1].scratch);
  fd_loader_views(&loader, 7, v[2].student, v[2].labels, v[2].mask, v[2].teacher, v[2].scratch);
  assert_memory_equal(v[0].student, v[2].student, 4 * LENGTH);
  assert_true(memcmp(v[0].student, v[1].student, LENGTH) != 0);
  /* a new epoch has new views, unless they are frozen */
  uint64_t later = 0;
  while (fd_loader_window(&loader, WINDOWS + later) != fd_loader_window(&loader, 7)) later++;
  fd_loader_views(&loader, WINDOWS + later, v[1].student, v[1].labels, v[1].mask, v[1].teacher, v[1].scratch);
  assert_true(memcmp(v[0].student, v[1].student, LENGTH) != 0);
  config.aug.refresh = FD_REFRESH_ONCE;
  fd_loader_views(&loader, 7, v[0].student, v[0].labels, v[0].mask, v[0].teacher, v[0].scratch);
  fd_loader_views(&loader, WINDOWS + later, v[1].student, v[1].labels, v[1].mask, v[1].teacher, v[1].scratch);
  assert_memory_equal(v[0].student, v[1].student, 4 * LENGTH);
  free(v);
  free(windows.symbols);
}

/* Training rows of a task, of any length from 1 on: substitutions at their rate, to another nucleotide, never of N;
 * reverse-complemented rows. */
static void rows_of_a_task(void **state) {
  (void)state;
  enum { LONG = 999 };
  fd_config config;
  fd_config_defaults(&config);
  config.aug.mutation = 0.2, config.aug.revcomp = 1;
  fd_rng_key key = fd_rng_key_of(drawn_seed(5), FD_RNG_AUGMENT);
  uint8_t row[LONG], out[LONG + 1], again[LONG + 1], scratch[2 * (LONG + SIZE)];
  double changed = 0, letters = 0;
  for (int i = 0; i < LONG; i++) row[i] = (uint8_t)(i * 7 % 5);
  for (int draw = 0; draw < 40; draw++) {
    int length = draw % 4 ? LONG : 1 + draw;
    snprintf(config.task.augment, sizeof config.task.augment, "S");
    out[length] = 99;
    fd_augment_row(&config, key, (uint64_t)draw, row, length, out, scratch);
    fd_augment_row(&config, key, (uint64_t)draw, row, length, again, scratch);
    assert_memory_equal(out, again, (size_t)length);
    assert_int_equal(out[length], 99);
    for (int i = 0; i < length; i++) {
      assert_true(out[i] <= FD_N && (row[i] == FD_N) == (out[i] == FD_N));
      letters += row[i] != FD_N, changed += out[i] != row[i];
    }
    snprintf(config.task.augment, sizeof config.task.augment, "R");
    fd_augment_row(&config, key, (uint64_t)draw, row, length, out, scratch);
    for (int i = 0; i < length; i++) assert_int_equal(out[i], row[length - 1 - i] == FD_N ? FD_N : FD_T - row[length - 1 - i]);
  }
  assert_near(changed / letters, 0.2, 0.01);
}

/* With aug.trans: shift, T rolls a window by 0 to aug.size to the left or to the right, each in about half of the draws. */
static void shifts_have_both_signs(void **state) {
  (void)state;
  enum { DRAWS = 2000 };
  uint8_t window[LENGTH], tokens[LENGTH], scratch[4 * LENGTH], rolled[LENGTH];
  fd_config config = config_of("T", "");
  int left = 0, right = 0;
  config.aug.trans = FD_TRANS_SHIFT, config.aug.size = SIZE;
  for (int i = 0; i < LENGTH; i++) { /* random nucleotides: no two shifts give the same */
    uint32_t word[4];
    fd_philox(word, drawn_key(6), 0, (uint64_t)i);
    window[i] = (uint8_t)fd_below(word[0], 4);
  }
  for (int draw = 0; draw < DRAWS; draw++) {
    int shift, found = 0;
    fd_augment_view(&config, fd_rng_key_of(drawn_seed(1), FD_RNG_AUGMENT), (uint64_t)draw, FD_VIEW_STUDENT, window, LENGTH,
                    tokens, NULL, NULL, scratch);
    for (shift = -SIZE; shift <= SIZE && !found; shift++) {
      for (int i = 0; i < LENGTH; i++) rolled[i] = window[(i + shift + LENGTH) % LENGTH];
      if ((found = !memcmp(rolled, tokens, LENGTH))) left += shift<0, right += shift> 0;
    }
    assert_true(found);
  }
  assert_near(left / (double)DRAWS, SIZE / (SIZE + 1.0) / 2, 0.04);
  assert_near(right / (double)DRAWS, SIZE / (SIZE + 1.0) / 2, 0.04);
}

static void every_epoch_is_a_permutation(void **state) {
  (void)state;
  fd_windows windows = make_windows();
  fd_config config = config_of("M", "");
  fd_loader loader;
  fd_loader_init(&loader, &config, &windows);
  for (uint64_t epoch = 0; epoch < 3; epoch++) {
    uint8_t seen[WINDOWS] = {0};
    for (uint64_t p = 0; p < WINDOWS; p++) seen[fd_loader_window(&loader, epoch * WINDOWS + p)]++;
    for (int i = 0; i < WINDOWS; i++) assert_int_equal(seen[i], 1);
  }
  free(windows.symbols);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(operations_equal_given_cases),
      cmocka_unit_test(dissimilarity_of_table_4),
      cmocka_unit_test(rates_and_symbols),
      cmocka_unit_test(labels_and_masks_follow_the_reverse_complement),
      cmocka_unit_test(bert_masking_has_its_three_kinds),
      cmocka_unit_test(views_depend_only_on_the_draw),
      cmocka_unit_test(rows_of_a_task),
      cmocka_unit_test(shifts_have_both_signs),
      cmocka_unit_test(every_epoch_is_a_permutation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
