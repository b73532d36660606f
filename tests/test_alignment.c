/* Linear CKA against its definition, its values for equal and unrelated features; the cache of a frozen teacher's features. */
#include "check.h"

#include "base/random.h"
#include "objective/frozen.h"
#include "train/alignment.h"

enum { ROWS = 40, WIDE = 200 };

static void fill(float *x, size_t n, uint64_t seed) {
  for (size_t i = 0; i < n; i++) {
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of(seed, FD_RNG_TEST), 0, i);
    x[i] = fd_unit(word[0]) + fd_unit(word[1]) + fd_unit(word[2]) - 1.5f + 0.3f; /* not of mean 0 */
  }
}

static double cka(int rows, const float *a, int a_width, const float *b, int b_width) {
  double *gram = malloc(2 * sizeof *gram * (size_t)rows * (size_t)rows);
  float *copy[2] = {malloc(sizeof(float) * (size_t)rows * (size_t)a_width),
                    malloc(sizeof(float) * (size_t)rows * (size_t)b_width)};
  memcpy(copy[0], a, sizeof(float) * (size_t)rows * (size_t)a_width);
  memcpy(copy[1], b, sizeof(float) * (size_t)rows * (size_t)b_width);
  fd_alignment_gram(rows, (fd_features_of){copy[0], (size_t)a_width, a_width}, gram);
  fd_alignment_gram(rows, (fd_features_of){copy[1], (size_t)b_width, b_width}, gram + rows * rows);
  double value = fd_alignment_cka(rows, gram, gram + rows * rows);
  free(gram), free(copy[0]), free(copy[1]);
  return value;
}

/* Centres a matrix without its diagonal (U-centring), so that the means of its rows and columns are zero: the estimate is the
 * mean product of two such matrices (Szekely and Rizzo, 2014). */
static void centre_apart(int n, double *k) {
  double row[ROWS] = {0}, all = 0;
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) row[i] += i == j ? 0 : k[i * n + j];
  for (int i = 0; i < n; i++) all += row[i];
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++)
      k[i * n + j] = i == j ? 0 : k[i * n + j] - (row[i] + row[j]) / (n - 2) + all / ((n - 1.0) * (n - 2));
}

static double plain(int n, const float *a, int a_width, const float *b, int b_width) {
  static double k[2][ROWS * ROWS];
  const float *x[2] = {a, b};
  int width[2] = {a_width, b_width};
  double sum[3] = {0};
  for (int m = 0; m < 2; m++) {
    for (int i = 0; i < n; i++)
      for (int j = 0; j < n; j++) {
        k[m][i * n + j] = 0;
        for (int c = 0; c < width[m]; c++) k[m][i * n + j] += (double)x[m][i * width[m] + c] * (double)x[m][j * width[m] + c];
      }
    centre_apart(n, k[m]);
  }
  for (int i = 0; i < n * n; i++) sum[0] += k[0][i] * k[1][i], sum[1] += k[0][i] * k[0][i], sum[2] += k[1][i] * k[1][i];
  return sum[0] / sqrt(sum[1] * sum[2]);
}

static void cka_equals_its_definition(void **state) {
  (void)state;
  static float a[ROWS * 7], b[ROWS * 12];
  fill(a, ROWS * 7, 1), fill(b, ROWS * 12, 2);
  for (int i = 0; i < ROWS; i++) b[i * 12] += 2 * a[i * 7], b[i * 12 + 5] -= a[i * 7 + 3]; /* correlated features */
  for (int n = 4; n <= ROWS; n += 9) {
    double expected = plain(n, a, 7, b, 12), got = cka(n, a, 7, b, 12);
    if (isfinite(expected)) assert_near(got, expected, 1e-4);
  }
  assert_true(cka(ROWS, a, 7, b, 12) > 0.2);
}

static void cka_of_rotated_and_scaled_features_is_one(void **state) {
  (void)state;
  static float a[ROWS * 8], b[ROWS * 8];
  fill(a, ROWS * 8, 3);
  for (int i = 0; i < ROWS; i++)
    for (int c = 0; c < 8; c += 2) { /* each pair of columns rotated, scaled by 3 and shifted */
      float x = a[i * 8 + c], y = a[i * 8 + c + 1];
      b[i * 8 + 7 - c] = 3 * (0.6f * x - 0.8f * y) + 5, b[i * 8 + 6 - c] = 3 * (0.8f * x + 0.6f * y) - 2;
    }
  assert_near(cka(ROWS, a, 8, b, 8), 1, 1e-4);
  assert_near(cka(ROWS, a, 8, a, 8), 1, 1e-9);
}

/* With so few rows the biased estimate is far from zero. */
static void cka_of_unrelated_features_is_zero(void **state) {
  (void)state;
  static float a[ROWS * WIDE], b[ROWS * WIDE];
  double mean = 0;
  for (uint64_t k = 0; k < 20; k++) {
    fill(a, ROWS * WIDE, 10 + 2 * k), fill(b, ROWS * WIDE, 11 + 2 * k);
    mean += cka(ROWS, a, WIDE, b, WIDE) / 20;
  }
  assert_near(mean, 0, 0.05);
}

static void cka_of_constant_features_is_undefined(void **state) {
  (void)state;
  static float a[ROWS * 4], same[ROWS * 4];
  fill(a, ROWS * 4, 5);
  assert_true(isnan(cka(ROWS, a, 4, same, 4)));
  assert_true(isnan(cka(3, a, 4, a, 4)));
}

/* --- the cache ---------------------------------------------------------------------------------------------------------- */

enum { KEYS = 7, MOST = 9, BATCH = 3, VOCABULARY = 30 };

typedef struct teacher {
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_frozen *frozen;
  fd_view *view;
  float *params;
} teacher;

static void open_teacher(teacher *t, int cached) {
  char *settings[] = {"model.encoder=nt_v2",    "model.channels=12",     "model.heads=2",     "model.layers=2",
                      "model.hidden=16",        "model.vocabulary=30",   "model.lm_head=own", "device.threads=1",
                      "objective.mnm_weight=0", "objective.cl_weight=0", "teacher.kind=none"};
  const fd_beside beside = {.tokens = MOST, .ids = 1, .keyed = 1};
  assert_ok(fd_config_parse(&t->config, "", 0, "test", settings, sizeof settings / sizeof *settings));
  assert_ok(fd_device_open(&t->dev, &t->config, 0, 1));
  assert_ok(fd_network_create(&t->network, &t->config, 48));
  t->params = malloc(t->network->params.size * sizeof(float));
  fd_params_init(&t->network->params, 4, t->params);
  assert_ok(
      fd_frozen_create(&t->frozen, t->dev, t->network, t->params, 1u << FD_OUT_LATENT, (fd_extent){BATCH * MOST, BATCH, 0}));
  if (cached) assert_ok(fd_frozen_cache(t->frozen, KEYS, MOST, BATCH));
  assert_ok(fd_view_create(&t->view, t->dev, &beside, BATCH));
}

static void close_teacher(teacher *t) {
  fd_view_destroy(&t->view);
  fd_frozen_destroy(&t->frozen);
  fd_network_destroy(&t->network);
  fd_device_close(&t->dev);
  free(t->params);
}

/* Sequence number `key`, always with the same length and token ids. */
static int sequence_of(int key, int32_t ids[MOST]) {
  int length = key % 3 ? MOST : MOST - 4;
  for (int i = 0; i < length; i++) ids[i] = (key * 11 + i * 7) % VOCABULARY;
  return length;
}

static void run(teacher *t, const int keys[BATCH], int count, float *rows) {
  int32_t ids[MOST];
  for (int i = 0; i < count; i++) {
    int length = sequence_of(keys[i], ids);
    t->view->key[i] = keys[i];
    fd_view_put_ids(t->view, i, ids, length);
  }
  assert_ok(fd_view_send(t->view, count));
  assert_ok(fd_frozen_take(t->frozen, t->view));
  fd_frozen_forward(t->frozen);
  assert_ok(fd_mat_read(t->dev, fd_frozen_output(t->frozen, FD_OUT_LATENT), 0, fd_seqs_rows(&t->view->seqs), 12, rows));
}

static void cached_features_have_the_same_bits(void **state) {
  (void)state;
  static const struct {
    int count, keys[BATCH], known;
  } batches[] = {{3, {0, 1, 2}, 0}, {2, {3, 0}, 0},    {3, {2, 1, 0}, 1}, {1, {3}, 1},
                 {3, {3, 4, 2}, 0}, {3, {4, 4, 4}, 1}, {1, {5}, 0},       {2, {5, 0}, 1}};
  static float rows[BATCH * MOST * 12], plain_rows[BATCH * MOST * 12];
  teacher t, plain_teacher;
  open_teacher(&t, 1), open_teacher(&plain_teacher, 0);
  for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
    run(&t, batches[i].keys, batches[i].count, rows);
    run(&plain_teacher, batches[i].keys, batches[i].count, plain_rows);
    assert_int_equal(t.frozen->known, batches[i].known);
    assert_memory_equal(rows, plain_rows, (size_t)fd_seqs_rows(&t.view->seqs) * 12 * sizeof(float));
  }
  assert_near(fd_frozen_cache_memory(t.network, t.dev->form, KEYS, MOST), KEYS * (MOST * 12 * 4 + 1), 0.5);
  close_teacher(&t), close_teacher(&plain_teacher);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cka_equals_its_definition), cmocka_unit_test(cka_of_rotated_and_scaled_features_is_one),
      cmocka_unit_test(cka_of_unrelated_features_is_zero), cmocka_unit_test(cka_of_constant_features_is_undefined),
      cmocka_unit_test(cached_features_have_the_same_bits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
