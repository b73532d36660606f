/* Linear CKA against its definition, its values for equal and unrelated features; the cache of a frozen teacher's features; and
 * the alignment of a student's layers in an evaluation. */
#include "check.h"
#include "draws.h"

#include "data/hide.h"
#include "objective/frozen.h"
#include "train/evaluate.h"

enum { ROWS = 40, WIDE = 200 };

static void fill(float *x, size_t n, uint64_t seed) {
  for (size_t i = 0; i < n; i++) {
    uint32_t word[4];
    fd_philox(word, drawn_key(seed), 0, i);
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
  fd_params_init(&t->network->params, drawn_seed(4), t->params);
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

/* --- an evaluation ------------------------------------------------------------------------------------------------------- */

enum { WINDOWS = 120, LETTERS = 60, EACH = LETTERS / FD_GROUP, SEEN = FD_ALIGNMENT_ROWS / WINDOWS };

/* A student of a frozen teacher over 6-mers, and windows with some N. */
typedef struct student {
  fd_config config, teacher_config;
  fd_windows windows;
  fd_tokenizer *letters, *words;
  fd_device *dev;
  fd_network *network, *teacher;
  fd_hider hider;
  fd_state *state;
  fd_frozen *frozen;
  fd_trainer *trainer;
  float *params;
} student;

static void configure(student *s, const char *sees, const char *pool, const char *norm) {
  char *settings[] = {"model.encoder=had",
                      "model.channels=8",
                      "model.hidden=10",
                      "model.layers=2",
                      "model.heads=2",
                      "model.tokenizer=letters",
                      "model.vocabulary=7",
                      "model.delta_heads=2",
                      "model.delta_keys=4",
                      "model.delta_values=6",
                      "model.decoder_hidden=8",
                      "aug.student=M",
                      "aug.mask_rate=0.3",
                      "objective.mnm_weight=0",
                      "objective.cl_weight=0",
                      "objective.distil_weight=1",
                      "teacher.kind=frozen",
                      "teacher.width=12",
                      "train.batch=128",
                      "train.virtual_ranks=1",
                      "device.threads=1",
                      (char *)sees,
                      (char *)pool,
                      (char *)norm};
  char *taught[] = {"model.encoder=nt_v2",    "model.channels=12",     "model.heads=2",     "model.layers=1",
                    "model.hidden=16",        "model.vocabulary=4107", "model.lm_head=own", "device.threads=1",
                    "objective.mnm_weight=0", "objective.cl_weight=0", "teacher.kind=none"};
  assert_ok(fd_config_parse(&s->config, "", 0, "test", settings, sizeof settings / sizeof *settings));
  assert_ok(fd_config_parse(&s->teacher_config, "", 0, "test", taught, sizeof taught / sizeof *taught));
}

static void make_windows(student *s) {
  s->windows = (fd_windows){WINDOWS, LETTERS, malloc(WINDOWS * LETTERS), NULL, NULL};
  for (int i = 0; i < WINDOWS * LETTERS; i++) {
    uint32_t word[4];
    fd_philox(word, drawn_key(9), 0, (uint64_t)i);
    s->windows.symbols[i] = word[1] % 50 ? (uint8_t)(word[0] % 4) : FD_N;
  }
}

static void open_student(student *s, const char *sees, const char *pool, const char *norm) {
  fd_config *c = &s->config;
  int rows;
  memset(s, 0, sizeof *s);
  make_windows(s);
  configure(s, sees, pool, norm);
  assert_ok(fd_tokenizer_create(&s->letters, &(fd_tokenizer_settings){.kind = "letters"}));
  assert_ok(fd_tokenizer_create(&s->words, &(fd_tokenizer_settings){.kind = "nt6", .groups = 1}));
  assert_ok(fd_device_open(&s->dev, c, 0, 1));
  assert_ok(fd_network_create(&s->network, c, LETTERS));
  assert_ok(fd_network_create(&s->teacher, &s->teacher_config, LETTERS));
  s->params = malloc(s->teacher->params.size * sizeof(float));
  fd_params_init(&s->teacher->params, drawn_seed(6), s->params);
  for (size_t i = 0; i < s->teacher->params.size; i++)
    s->params[i] += 0.1f * (float)(i % 3); /* features of another mean than 0 */
  assert_ok(fd_hider_create(&s->hider, c, &s->windows, s->letters, 1, s->network->first_word));
  assert_ok(fd_hider_teach(&s->hider, s->words, 0));
  assert_ok(fd_frozen_create(&s->frozen, s->dev, s->teacher, s->params, 1u << FD_OUT_LATENT,
                             (fd_extent){128 * (int)fd_tokenizer_most(s->words, LETTERS), 128, 0}));
  assert_ok(fd_state_create(&s->state, c, s->network, s->dev));
  assert_ok(fd_trainer_rows(c, LETTERS, &rows));
  assert_ok(fd_trainer_create(&s->trainer, c, fd_comm_self(), s->dev, s->network, fd_hider_source(&s->hider), s->state, 9, rows));
  s->trainer->frozen = s->frozen;
}

static void close_student(student *s) {
  fd_trainer_destroy(&s->trainer);
  fd_state_destroy(&s->state);
  fd_frozen_destroy(&s->frozen);
  fd_hider_free(&s->hider);
  fd_network_destroy(&s->network);
  fd_network_destroy(&s->teacher);
  fd_device_close(&s->dev);
  fd_tokenizer_destroy(&s->letters);
  fd_tokenizer_destroy(&s->words);
  fd_windows_free(&s->windows);
  free(s->params);
}

/* Whether a group of a window has all its letters, and none is hidden. */
static int is_compared(const student *s, int window, int g) {
  int at = window * LETTERS + g * FD_GROUP, good = 1;
  for (int k = 0; k < FD_GROUP; k++) good &= s->windows.symbols[at + k] < FD_N && !s->trainer->held_out->seqs.hidden[at + k];
  return good;
}

/* Row `row` of a value of the student, or of the visible letters that it has. */
static void take_row(const student *s, fd_value value, int letter, float *to) {
  int row = letter;
  for (int r = 0; r < letter && value.space == FD_VISIBLE; r++) row -= s->trainer->held_out->seqs.hidden[r] != 0;
  assert_ok(fd_mat_read(s->dev, fd_pass_value(s->trainer->student, value), row, 1, value.width, to));
}

/* The teacher's features of a group, after its [CLS] token, with mean 0 and variance 1 if the loss has them so. */
static void take_taught(const student *s, int window, int g, float to[12]) {
  double mean = 0, variance = 1e-5;
  assert_ok(fd_mat_read(s->dev, fd_frozen_output(s->frozen, FD_OUT_LATENT), window * (EACH + 1) + 1 + g, 1, 12, to));
  for (int c = 0; c < 12; c++) mean += (double)to[c] / 12;
  for (int c = 0; c < 12; c++) variance += pow((double)to[c] - mean, 2) / 12;
  for (int c = 0; c < 12 && s->config.objective.distil_norm == FD_DISTIL_LAYER; c++)
    to[c] = (float)(((double)to[c] - mean) / sqrt(variance));
}

/* The mean cosine over all compared groups, or their letters. */
static void check_cosine(const student *s, const fd_held_out *got) {
  int each = s->config.objective.distil_pool == FD_DISTIL_REPEAT ? FD_GROUP : 1, rows = 0;
  double sum = 0;
  for (int i = 0; i < WINDOWS * EACH; i++) {
    float x[12], y[12];
    take_taught(s, i / EACH, i % EACH, y);
    for (int k = 0; k < each && is_compared(s, i / EACH, i % EACH); k++, rows++) {
      double xy = 0, xx = 0, yy = 0;
      assert_ok(fd_mat_read(s->dev, fd_network_output(s->network, s->trainer->student, FD_OUT_ALIGNED), i * each + k, 1, 12, x));
      for (int c = 0; c < 12; c++)
        xy += (double)x[c] * (double)y[c], xx += (double)x[c] * (double)x[c], yy += (double)y[c] * (double)y[c];
      sum += xy / sqrt(xx * yy);
    }
  }
  assert_true(rows > 100);
  assert_int_equal(got->aligned, rows);
  assert_near(got->cosine, sum / rows, 1e-4);
}

/* Each layer's mean over the letters of a group is compared with the teacher's features of the group, for the first groups in
 * the middle of equal parts of a window's compared ones. */
static void check_layers(const student *s, const double *cka, int rows) {
  static float taught[FD_ALIGNMENT_ROWS * 12], x[FD_ALIGNMENT_ROWS * 16];
  double *gram = malloc(2 * sizeof *gram * FD_ALIGNMENT_ROWS * FD_ALIGNMENT_ROWS);
  for (int l = 0; l < s->network->layers; l++) {
    fd_value value = s->network->layer[l];
    int n = 0, found[EACH];
    memset(x, 0, sizeof x);
    assert_true(value.width <= 16);
    for (int w = 0; w < WINDOWS; w++) {
      int count = 0, seen;
      for (int g = 0; g < EACH; g++)
        if (is_compared(s, w, g)) found[count++] = g;
      seen = count < SEEN ? count : SEEN;
      for (int i = 0; i < seen; i++, n++) {
        int g = found[(int)((i + 0.5) * count / seen)];
        take_taught(s, w, g, taught + n * 12);
        for (int k = 0; k < FD_GROUP; k++) {
          float row[16];
          take_row(s, value, w * LETTERS + g * FD_GROUP + k, row);
          for (int c = 0; c < value.width; c++) x[n * value.width + c] += row[c] / FD_GROUP;
        }
      }
    }
    assert_int_equal(rows, n);
    fd_alignment_gram(n, (fd_features_of){taught, 12, 12}, gram);
    fd_alignment_gram(n, (fd_features_of){x, (size_t)value.width, value.width}, gram + n * n);
    assert_near(cka[l], fd_alignment_cka(n, gram + n * n, gram), 1e-6);
  }
  free(gram);
}

/* Alignment in an evaluation: all letters or the visible ones, groups or letters, features as they are or normalized. */
static void layers_are_compared_group_by_group(void **state) {
  (void)state;
  for (int kind = 0; kind < 4; kind++) {
    student s;
    fd_alignment *layers;
    fd_held_out got;
    double cka[16];
    int rows;
    open_student(&s, kind & 1 ? "aug.sees=visible" : "aug.sees=full",
                 kind & 2 ? "objective.distil_pool=repeat" : "objective.distil_pool=mean",
                 kind == 1 || kind == 2 ? "objective.distil_norm=none" : "objective.distil_norm=layer");
    assert_true(s.network->layers > 2 && s.network->layers <= 16);
    assert_ok(fd_alignment_create(&layers, s.trainer, WINDOWS));
    assert_ok(fd_evaluate_held_out(s.trainer, FD_STUDENT, &s.windows, WINDOWS, layers, &got));
    assert_ok(fd_alignment_measure(layers, s.trainer, cka, &rows));
    check_cosine(&s, &got);
    check_layers(&s, cka, rows);
    fd_alignment_destroy(&layers);
    close_student(&s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cka_equals_its_definition),          cmocka_unit_test(cka_of_rotated_and_scaled_features_is_one),
      cmocka_unit_test(cka_of_unrelated_features_is_zero),  cmocka_unit_test(cka_of_constant_features_is_undefined),
      cmocka_unit_test(cached_features_have_the_same_bits), cmocka_unit_test(layers_are_compared_group_by_group)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
