/* The components of the probe against plain versions: k-mers, scores, whitening, the classifier and its optimum, splits, features
 * of any length; and the context tables. */
#include "check.h"
#include "draws.h"

#include "data/table.h"
#include "tasks/context.h"
#include "tasks/joined.h"
#include "tasks/probe.h"
#include "tasks/scores.h"
#include "tasks/whiten.h"

static uint64_t counter;

static uint32_t draw(uint32_t n) {
  uint32_t word[4];
  fd_philox(word, drawn_key(17), 0, counter++);
  return fd_below(word[0], n);
}

static double normal(void) {
  float pair[2];
  uint32_t word[4];
  fd_philox(word, drawn_key(17), 1, counter++);
  fd_normal_pair(pair, word[0], word[1]);
  return (double)pair[0];
}

/* --- scores, whitening, classifier ----------------------------------------------------------------------------------- */

static void scores_against_counting(void **state) {
  (void)state;
  for (int trial = 0; trial < 200; trial++) {
    int label[60], predicted[60], n = 5 + (int)draw(55), classes = 2 + (int)draw(3);
    double hits = 0, f1 = 0, seen = 0, cov_xy = 0, cov_xx = 0, cov_yy = 0;
    for (int i = 0; i < n; i++)
      label[i] = (int)draw((uint32_t)classes), predicted[i] = draw(2) ? label[i] : (int)draw((uint32_t)classes);
    for (int i = 0; i < n; i++) hits += label[i] == predicted[i];
    for (int c = 0; c < classes; c++) {
      double tp = 0, fp = 0, fn = 0;
      for (int i = 0; i < n; i++)
        tp += label[i] == c && predicted[i] == c, fp += label[i] != c && predicted[i] == c,
            fn += label[i] == c && predicted[i] != c;
      seen += tp + fp + fn > 0;
      f1 += tp + fp + fn > 0 ? 2 * tp / (2 * tp + fp + fn) : 0;
      double p = (tp + fp) / n, t = (tp + fn) / n; /* R_K is the correlation of the one-hot matrices */
      cov_xy += tp / n - p * t, cov_xx += p - p * p, cov_yy += t - t * t;
    }
    fd_scores s;
    assert_ok(fd_scores_of(n, label, predicted, classes, &s));
    assert_near(s.accuracy, hits / n, 1e-12);
    assert_near(s.f1, f1 / seen, 1e-12);
    assert_near(s.mcc, cov_xx > 1e-12 && cov_yy > 1e-12 ? cov_xy / sqrt(cov_xx * cov_yy) : 0, 1e-9);
  }
}

/* Random directions at right angles to each other, of these lengths. */
static void random_directions(int dims, const double *length, double *direction) {
  for (int i = 0; i < dims; i++) {
    double *v = direction + i * dims, squares = 0;
    for (int c = 0; c < dims; c++) v[c] = normal();
    for (int k = 0; k < i; k++) {
      const double *u = direction + k * dims;
      double along = 0;
      for (int c = 0; c < dims; c++) along += u[c] * v[c] / (length[k] * length[k]);
      for (int c = 0; c < dims; c++) v[c] -= along * u[c];
    }
    for (int c = 0; c < dims; c++) squares += v[c] * v[c];
    for (int c = 0; c < dims; c++) v[c] *= length[i] / sqrt(squares);
  }
}

/* Mixes directions with scales from 1 to 1e-4: after whitening the covariance is the identity. */
static void whitening_gives_the_identity(void **state) {
  (void)state;
  enum { ROWS = 500, DIMS = 5 };
  static float x[ROWS * DIMS];
  static double y[ROWS * DIMS];
  fd_whitening *w;
  double mix[DIMS][DIMS];
  random_directions(DIMS, (const double[]){1, 1e-2, 1e-4, 0.3, 0.2}, &mix[0][0]);
  for (int r = 0; r < ROWS; r++) {
    double z[DIMS];
    for (int i = 0; i < DIMS; i++) z[i] = normal();
    for (int j = 0; j < DIMS; j++) {
      double sum = 3;
      for (int i = 0; i < DIMS; i++) sum += z[i] * mix[i][j];
      x[r * DIMS + j] = (float)sum;
    }
  }
  assert_ok(fd_whitening_fit(&w, x, ROWS, DIMS));
  assert_int_equal(w->kept, DIMS);
  assert_ok(fd_whitening_apply(w, x, ROWS, y));
  for (int i = 0; i < DIMS; i++)
    for (int j = 0; j < DIMS; j++) {
      double sum = 0, mean = 0;
      for (int r = 0; r < ROWS; r++) sum += y[r * DIMS + i] * y[r * DIMS + j], mean += y[r * DIMS + i];
      assert_near(mean / ROWS, 0, 1e-4);
      assert_near(sum / ROWS, i == j, 0.01);
    }
  static double plane[ROWS * 2];
  double variance[3] = {0}, whole = 0; /* of the two components and their product */
  fd_whitening_plane(w, x, ROWS, plane);
  for (int r = 0; r < ROWS; r++) {
    variance[0] += plane[2 * r] * plane[2 * r] / ROWS, variance[1] += plane[2 * r + 1] * plane[2 * r + 1] / ROWS;
    variance[2] += plane[2 * r] * plane[2 * r + 1] / ROWS;
    for (int i = 0; i < DIMS; i++)
      whole += ((double)x[r * DIMS + i] - w->mean[i]) * ((double)x[r * DIMS + i] - w->mean[i]) / ROWS;
  }
  assert_true(variance[0] > variance[1] && fabs(variance[2]) < 1e-3 * variance[1]);
  for (int k = 0; k < 2; k++) assert_near(w->share[k], variance[k] / whole, 1e-4);
  fd_whitening_free(&w);
  for (int r = 0; r < ROWS; r++) x[r * DIMS + 2] = x[r * DIMS + 1]; /* a copy adds no direction */
  assert_ok(fd_whitening_fit(&w, x, ROWS, DIMS));
  assert_int_equal(w->kept, DIMS - 1);
  fd_whitening_free(&w);
  x[7] = NAN;
  assert_int_equal(fd_whitening_fit(&w, x, ROWS, DIMS), FD_NUMERIC);
}

/* The objective function, evaluated directly. */
static double plain_objective(const fd_design *x, const int *label, int classes, const double *weight, double lambda) {
  int outputs = classes == 2 ? 1 : classes, stride = x->dims + 1;
  double loss = 0, penalty = 0;
  for (int r = 0; r < x->rows; r++) {
    double logit[8] = {0}, sum = 0;
    for (int o = 0; o < outputs; o++) {
      logit[outputs == 1 ? 1 : o] = weight[o * stride + x->dims];
      for (int c = 0; c < x->dims; c++) logit[outputs == 1 ? 1 : o] += weight[o * stride + c] * x->dense[r * x->dims + c];
    }
    for (int c = 0; c < classes; c++) sum += exp(logit[c]);
    loss += log(sum) - logit[label[r]];
  }
  for (int o = 0; o < outputs; o++)
    for (int c = 0; c < x->dims; c++) penalty += weight[o * stride + c] * weight[o * stride + c];
  return loss / x->rows + lambda / 2 * penalty;
}

/* At the result no small step in any direction decreases the objective; as it is convex, this is the minimum. */
static void classifier_finds_the_minimum(void **state) {
  (void)state;
  enum { ROWS = 200, DIMS = 6 };
  static double x[ROWS * DIMS];
  int label[ROWS];
  for (int classes = 2; classes <= 3; classes++)
    for (int l = 0; l < FD_PROBE_LAMBDAS; l++) {
      for (int i = 0; i < ROWS * DIMS; i++) x[i] = normal();
      for (int r = 0; r < ROWS; r++)
        label[r] = draw(4) ? (x[r * DIMS] > 0.4) + (classes == 3 && x[r * DIMS + 1] > 0) : (int)draw((uint32_t)classes);
      fd_design design = {.rows = ROWS, .dims = DIMS, .dense = x};
      fd_logistic *m;
      double gradient, lambda = fd_probe_lambdas[l];
      assert_ok(fd_logistic_create(&m, classes, DIMS));
      assert_ok(fd_logistic_fit(m, &design, label, NULL, ROWS, lambda, &gradient));
      assert_true(gradient <= 1e-6);
      double best = plain_objective(&design, label, classes, m->weight, lambda);
      for (int i = 0; i < m->outputs * (DIMS + 1); i++)
        for (int sign = -1; sign <= 1; sign += 2) {
          m->weight[i] += sign * 1e-3;
          assert_true(plain_objective(&design, label, classes, m->weight, lambda) >= best - 1e-9);
          m->weight[i] -= sign * 1e-3;
        }
      double loss;
      assert_ok(fd_logistic_loss(m, &design, label, NULL, ROWS, &loss));
      assert_near(loss, plain_objective(&design, label, classes, m->weight, 0), 1e-10);
      fd_logistic_free(&m);
    }
}

static fd_table random_table(int rows, int length_max) {
  fd_table t = {.rows = rows, .classes = 2};
  t.start = calloc((size_t)rows + 1, sizeof *t.start);
  t.symbols = malloc((size_t)rows * (size_t)length_max);
  t.label = calloc((size_t)rows, sizeof *t.label);
  for (int r = 0; r < rows; r++) {
    int length = 1 + (int)draw((uint32_t)length_max);
    for (int i = 0; i < length; i++) t.symbols[t.start[r] + i] = draw(30) ? (uint8_t)draw(4) : FD_N;
    t.start[r + 1] = t.start[r] + length;
    t.label[r] = (int)draw(2);
  }
  return t;
}

/* Dense standardized square roots of k-mer counts, by string search; sparse and dense fits agree. */
static void kmers_against_counting(void **state) {
  (void)state;
  enum { ROWS = 60, K = 2, DIMS = 16 };
  fd_table train = random_table(ROWS, 80), test = random_table(20, 80);
  const fd_table *table[2] = {&train, &test};
  static double dense[2][ROWS * DIMS];
  double mean[DIMS] = {0}, square[DIMS] = {0};
  for (int w = 0; w < 2; w++)
    for (int r = 0; r < table[w]->rows; r++) {
      double *row = dense[w] + r * DIMS;
      memset(row, 0, DIMS * sizeof *row);
      for (int64_t i = table[w]->start[r]; i + 1 < table[w]->start[r + 1]; i++)
        if (table[w]->symbols[i] < FD_N && table[w]->symbols[i + 1] < FD_N)
          row[table[w]->symbols[i] * 4 + table[w]->symbols[i + 1]]++;
      for (int c = 0; c < DIMS; c++) row[c] = sqrt(row[c]);
    }
  for (int c = 0; c < DIMS; c++) {
    for (int r = 0; r < ROWS; r++) mean[c] += dense[0][r * DIMS + c] / ROWS;
    for (int r = 0; r < ROWS; r++) square[c] += pow(dense[0][r * DIMS + c] - mean[c], 2) / ROWS;
    for (int w = 0; w < 2; w++)
      for (int r = 0; r < table[w]->rows; r++) dense[w][r * DIMS + c] = (dense[w][r * DIMS + c] - mean[c]) / sqrt(square[c]);
  }
  fd_sparse *kmers;
  assert_ok(fd_kmers_create(&kmers, &train, &test, K));
  for (int w = 0; w < 2; w++) {
    const fd_design *d = w ? &kmers->test : &kmers->train;
    for (int r = 0; r < d->rows; r++) {
      double row[DIMS];
      for (int c = 0; c < DIMS; c++) row[c] = -d->shift[c];
      for (int64_t i = d->start[r]; i < d->start[r + 1]; i++) row[d->column[i]] += (double)d->value[i];
      for (int c = 0; c < DIMS; c++) assert_near(row[c], dense[w][r * DIMS + c], 1e-5);
    }
  }
  fd_design plain = {.rows = ROWS, .dims = DIMS, .dense = dense[0]};
  fd_logistic *a, *b;
  assert_ok(fd_logistic_create(&a, 2, DIMS));
  assert_ok(fd_logistic_create(&b, 2, DIMS));
  assert_ok(fd_logistic_fit(a, &kmers->train, train.label, NULL, ROWS, 0.1, NULL));
  assert_ok(fd_logistic_fit(b, &plain, train.label, NULL, ROWS, 0.1, NULL));
  for (int i = 0; i <= DIMS; i++) assert_near(a->weight[i], b->weight[i], 1e-4);
  fd_logistic_free(&a);
  fd_logistic_free(&b);
  fd_sparse_free(&kmers);
  fd_table_free(&train);
  fd_table_free(&test);
}

/* The value of a column of a row of a sparse design. */
static double sparse_at(const fd_design *d, int row, int column) {
  double value = -d->shift[column];
  for (int64_t i = d->start[row]; i < d->start[row + 1]; i++)
    if (d->column[i] == column) value += (double)d->value[i];
  return value;
}

/* Joined rows are the encoder's columns, then those of the k-mers. */
static void joined_features_are_both(void **state) {
  (void)state;
  enum { ROWS = 40, TESTED = 9, WIDTH = 3, K = 2 };
  fd_table train = random_table(ROWS, 50), test = random_table(TESTED, 50);
  double white[2][ROWS * WIDTH];
  for (int i = 0; i < ROWS * WIDTH; i++) white[0][i] = draw(1000) / 1000.0, white[1][i] = draw(1000) / 1000.0;
  const fd_design features[2] = {{.rows = ROWS, .dims = WIDTH, .dense = white[0]},
                                 {.rows = TESTED, .dims = WIDTH, .dense = white[1]}};
  fd_sparse *kmers;
  fd_sparse *joined;
  assert_ok(fd_kmers_create(&kmers, &train, &test, K));
  assert_ok(fd_joined_create(&joined, features, kmers));
  for (int w = 0; w < 2; w++) {
    const fd_design *d = w ? &joined->test : &joined->train, *counts = w ? &kmers->test : &kmers->train;
    assert_int_equal(d->rows, w ? TESTED : ROWS);
    assert_int_equal(d->dims, WIDTH + 16);
    for (int r = 0; r < d->rows; r++)
      for (int c = 0; c < d->dims; c++)
        assert_near(sparse_at(d, r, c), c < WIDTH ? white[w][r * WIDTH + c] : sparse_at(counts, r, c - WIDTH), 1e-6);
  }
  fd_sparse_free(&joined);
  fd_sparse_free(&kmers);
  fd_table_free(&train);
  fd_table_free(&test);
}

static void splits_are_permutations(void **state) {
  (void)state;
  int order[3][101], seen[101], held_out;
  for (int s = 0; s < 3; s++) {
    memset(seen, 0, sizeof seen);
    assert_ok(fd_probe_split(101, (uint64_t)(s % 2), 0.2, order[s], &held_out));
    assert_int_equal(held_out, 20);
    for (int i = 0; i < 101; i++) assert_int_equal(seen[order[s][i]]++, 0);
  }
  assert_memory_equal(order[0], order[2], sizeof order[0]);
  assert_true(memcmp(order[0], order[1], sizeof order[0]) != 0);
  assert_int_equal(fd_probe_split(2, 0, 0.2, order[0], &held_out), FD_DATA);
}

/* --- features -------------------------------------------------------------------------------------------------------- */

/* Each row of a table of mixed lengths has the same bits as by itself, whatever its neighbours. */
static void features_know_no_padding(void **state) {
  (void)state;
  fd_config c;
  fd_device *dev;
  fd_network *network;
  fd_config_defaults(&c);
  c.model.channels = 20, c.model.hidden = 24, c.model.track = 4, c.model.networks = 1, c.model.cls = 3;
  c.device.threads = 2;
  assert_ok(fd_device_open(&dev, &c, 0, 1));
  assert_ok(fd_network_create(&network, &c, 100));
  float *params = calloc(network->params.size, sizeof *params);
  fd_params_init(&network->params, drawn_seed(5), params);
  fd_encoder encoder = {"test", network, params, dev, 3, NULL};
  fd_table table = random_table(300, 150);
  for (int kind = FD_FEATURES_TOKENS; kind <= FD_FEATURES_BOTH; kind++) {
    int width = fd_features_width(network, (fd_features)kind);
    float *all = malloc(300 * (size_t)width * sizeof *all), *alone = malloc((size_t)width * sizeof *alone);
    memset(all, 0xff, 300 * (size_t)width * sizeof *all);
    assert_ok(fd_features_compute(&encoder, (fd_features)kind, &table, fd_comm_self(), all));
    for (int r = 0; r < 300; r += 7) {
      fd_table one = {.rows = 1,
                      .classes = 2,
                      .start = (int64_t[]){0, table.start[r + 1] - table.start[r]},
                      .symbols = table.symbols + table.start[r],
                      .label = table.label};
      assert_ok(fd_features_compute(&encoder, (fd_features)kind, &one, fd_comm_self(), alone));
      assert_memory_equal(all + (size_t)r * (size_t)width, alone, (size_t)width * sizeof *alone);
    }
    for (int i = 0; i < 300 * width; i++) assert_true(isfinite(all[i]));
    free(all);
    free(alone);
  }
  fd_table_free(&table);
  free(params);
  fd_network_destroy(&network);
  fd_device_close(&dev);
}

/* --- the probe ------------------------------------------------------------------------------------------------------- */

enum { PROBED = 120, ASKED = 50, PROBE_SEEDS = 3, MOST_CLASSES = 3 };

/* Rows of random sequences, whose label says, most of the time, how much G and C they have. */
static fd_table labelled_table(int rows, int classes) {
  fd_table t = random_table(rows, 60);
  t.classes = classes;
  for (int r = 0; r < rows; r++) {
    int strong = 0, length = (int)(t.start[r + 1] - t.start[r]);
    for (int i = 0; i < length; i++) strong += t.symbols[t.start[r] + i] == FD_C || t.symbols[t.start[r] + i] == FD_G;
    t.label[r] = draw(4) ? (strong * 20 > length * 9) + (classes > 2 && strong * 20 > length * 12) : (int)draw((uint32_t)classes);
  }
  return t;
}

/* What a probe is asked, and the scores and test logits of a fit. */
typedef struct asked {
  const fd_table *table[2]; /* training and test rows */
  fd_probe_score score;
  double logits[ASKED * MOST_CLASSES];
} asked;

/* One fit, step by step: lambda has the least loss on the rows that the seed's split holds out, after fits of the other training
 * rows; then all training rows are fitted. */
static void plain_fit(asked *a, const fd_design *train, const fd_design *test, int seed, int k) {
  int order[PROBED], held_out, predicted[ASKED], classes = a->table[0]->classes;
  const int *label = a->table[0]->label, *truth = a->table[1]->label;
  fd_logistic *m;
  fd_scores s;
  fd_areas areas;
  a->score = (fd_probe_score){.k = k, .dims = train->dims, .selection_loss = INFINITY};
  assert_ok(fd_probe_split(train->rows, (uint64_t)seed, 0.3, order, &held_out));
  assert_int_equal(held_out, 3 * PROBED / 10);
  for (int l = 0; l <= FD_PROBE_LAMBDAS; l++) {
    double lambda = l < FD_PROBE_LAMBDAS ? fd_probe_lambdas[l] : a->score.lambda, loss;
    int chooses = l < FD_PROBE_LAMBDAS, rows = chooses ? PROBED - held_out : PROBED;
    assert_ok(fd_logistic_create(&m, classes, train->dims));
    assert_ok(fd_logistic_fit(m, train, label, chooses ? order + held_out : NULL, rows, lambda, NULL));
    if (chooses) assert_ok(fd_logistic_loss(m, train, label, order, held_out, &loss));
    if (chooses && loss < a->score.selection_loss) a->score.selection_loss = loss, a->score.lambda = lambda;
    if (!chooses) assert_ok(fd_logistic_predict(m, test, a->logits));
    fd_logistic_free(&m);
  }
  fd_likeliest(ASKED, a->logits, classes, predicted);
  assert_ok(fd_scores_of(ASKED, truth, predicted, classes, &s));
  assert_ok(fd_areas_of(ASKED, truth, a->logits, classes, &areas));
  a->score.auroc = areas.roc, a->score.auprc = areas.precision;
  a->score.accuracy = s.accuracy, a->score.f1 = s.f1, a->score.mcc = s.mcc;
}

/* The same with k-mer counts, alone or joined with features: k has the least loss, too. */
static void plain_kmers(asked *a, const fd_design *features, int seed) {
  static asked best;
  best = (asked){.score.selection_loss = INFINITY};
  for (int k = 1; k <= 3; k++) {
    fd_sparse *kmers, *joined = NULL;
    assert_ok(fd_kmers_create(&kmers, a->table[0], a->table[1], k));
    if (features) assert_ok(fd_joined_create(&joined, features, kmers));
    plain_fit(a, features ? &joined->train : &kmers->train, features ? &joined->test : &kmers->test, seed, k);
    if (a->score.selection_loss < best.score.selection_loss) best = *a;
    fd_sparse_free(&joined);
    fd_sparse_free(&kmers);
  }
  *a = best;
}

static void check_item(const asked *a, const fd_probe_item *item, int seed) {
  const fd_probe_score *got = &item->score[seed], *want = &a->score;
  if (got->lambda != want->lambda || got->k != want->k)
    fail_msg("%s, seed %d: lambda %g, k %g; expected %g, %g", item->name, seed, got->lambda, got->k, want->lambda, want->k);
  assert_near(got->selection_loss, want->selection_loss, 1e-4); /* the fits begin elsewhere */
  assert_near(got->dims, want->dims, 0);
  assert_near(got->accuracy, want->accuracy, 1e-12);
  assert_near(got->f1, want->f1, 1e-12);
  assert_near(got->mcc, want->mcc, 1e-12);
  assert_near(got->auroc, want->auroc, 1e-12);
  assert_near(got->auprc, want->auprc, 1e-12);
  for (int i = 0; i < ASKED * a->table[0]->classes && !seed; i++) assert_near(item->test[i], a->logits[i], 1e-12);
}

/* Checks an encoder's item of one seed, and the one of its features joined with k-mer counts. Only the training rows determine
 * how features are whitened. */
static void check_encoder(asked *a, const fd_encoder *encoder, const fd_probe_item *item, int seed) {
  int width = encoder->network->channels;
  float *x[2];
  double *white[2], plane[2 * ASKED];
  fd_design design[2];
  fd_whitening *w;
  for (int i = 0; i < 2; i++) {
    x[i] = malloc((size_t)(a->table[i]->rows * width) * sizeof *x[i]);
    white[i] = malloc((size_t)(a->table[i]->rows * width) * sizeof *white[i]);
    assert_ok(fd_features_compute(encoder, FD_FEATURES_TOKENS, a->table[i], fd_comm_self(), x[i]));
  }
  assert_ok(fd_whitening_fit(&w, x[0], PROBED, width));
  for (int i = 0; i < 2; i++) {
    assert_ok(fd_whitening_apply(w, x[i], a->table[i]->rows, white[i]));
    design[i] = (fd_design){.rows = a->table[i]->rows, .dims = w->kept, .dense = white[i]};
  }
  plain_fit(a, &design[0], &design[1], seed, 0);
  check_item(a, item, seed);
  fd_whitening_plane(w, x[1], ASKED, plane);
  for (int i = 0; i < 2 * ASKED && !seed; i++) assert_near(item->plane[i], plane[i], 1e-12);
  for (int i = 0; i < 2 && !seed; i++) assert_near(item->share[i], w->share[i], 1e-12);
  plain_kmers(a, design, seed);
  check_item(a, item + 1, seed);
  fd_whitening_free(&w);
  for (int i = 0; i < 2; i++) free(x[i]), free(white[i]);
}

/* Probes the encoders of `encoder`, of which the third is the untrained one with the weights `params`, on rows of these classes.
 */
static void check_probe(const fd_encoder encoder[3], float *params, int classes) {
  fd_table train = labelled_table(PROBED, classes), test = labelled_table(ASKED, classes);
  const fd_probe_options o = {.features = FD_FEATURES_TOKENS,
                              .seeds = PROBE_SEEDS,
                              .selection = 0.3,
                              .untrained = 1,
                              .run_seed = drawn_seed(40),
                              .kmers = 1,
                              .joined = 1,
                              .ks = 3,
                              .k = {1, 2, 3}};
  const fd_probe_task task = {fd_comm_self(), &train, &test, 2, encoder, &encoder[2], NULL, 0};
  static fd_probe_result r;
  static asked a;
  assert_ok(fd_probe_run(&o, &task, &r));
  assert_int_equal(r.items, 7);
  for (int seed = 0; seed < PROBE_SEEDS; seed++) {
    a = (asked){.table = {&train, &test}};
    fd_params_init(&encoder->network->params, drawn_seed(40) + (uint64_t)seed, params);
    for (int i = 0; i < 3; i++) {
      assert_string_equal(r.item[2 * i].name, encoder[i].name);
      check_encoder(&a, &encoder[i], &r.item[2 * i], seed);
    }
    plain_kmers(&a, NULL, seed);
    check_item(&a, &r.item[6], seed);
  }
  fd_probe_result_free(&r);
  fd_table_free(&train);
  fd_table_free(&test);
}

/* The probe of two encoders and of the untrained network, with and without k-mer counts, and of the counts. */
static void a_probe_is_fitted_step_by_step(void **state) {
  (void)state;
  static const char *const names[3] = {"teacher", "student", "untrained"};
  fd_config c;
  fd_device *dev;
  fd_network *network;
  float *params[3];
  fd_encoder encoder[3];
  fd_config_defaults(&c);
  c.model.channels = 12, c.model.hidden = 16, c.model.track = 3, c.model.networks = 1, c.model.cls = 2;
  c.device.threads = 1;
  assert_ok(fd_device_open(&dev, &c, 0, 1));
  assert_ok(fd_network_create(&network, &c, 60));
  for (int i = 0; i < 3; i++) {
    params[i] = malloc(network->params.size * sizeof *params[i]);
    fd_params_init(&network->params, drawn_seed(5) + (uint64_t)i, params[i]);
    encoder[i] = (fd_encoder){names[i], network, params[i], dev, 2, NULL};
  }
  for (int classes = 2; classes <= MOST_CLASSES; classes++) check_probe(encoder, params[2], classes);
  for (int i = 0; i < 3; i++) free(params[i]);
  fd_network_destroy(&network);
  fd_device_close(&dev);
}

/* --- context tables -------------------------------------------------------------------------------------------------- */

/* Counts the middle nucleotide of 2 * reach + 1, with some neighbours masked, by scanning all windows each time. */
static void plain_context(const fd_windows *train, const fd_windows *test, const uint8_t *mask, int reach, double *loss,
                          double *accuracy) {
  int n = 0, hits = 0;
  *loss = 0;
  for (int64_t w = 0; w < test->count; w++)
    for (int t = 0; t < test->length; t++) {
      const uint8_t *x = test->symbols + w * test->length, *hidden = mask + w * test->length;
      double count[4] = {0};
      if (!hidden[t] || x[t] >= FD_N) continue;
      for (int64_t v = 0; v < train->count; v++)
        for (int s = reach; s + reach < train->length; s++) {
          const uint8_t *y = train->symbols + v * train->length;
          int fits = y[s] < FD_N;
          for (int d = -reach; d <= reach && fits; d++) {
            int at = t + d, known = d && at >= 0 && at < test->length && !hidden[at] && x[at] < FD_N;
            fits = y[s + d] < FD_N && (!known || y[s + d] == x[at]);
          }
          if (fits) count[y[s]]++;
        }
      int best = 0;
      for (int c = 1; c < 4; c++) best = count[c] > count[best] ? c : best;
      *loss -= log((count[x[t]] + 1) / (count[0] + count[1] + count[2] + count[3] + 4));
      hits += best == x[t];
      n++;
    }
  *loss /= n;
  *accuracy = (double)hits / n;
}

static void context_tables(void **state) {
  (void)state;
  enum { LENGTH = 30, TRAIN = 40, TEST = 6 };
  static uint8_t symbols[2][TRAIN * LENGTH], mask[TEST * LENGTH];
  for (int i = 0; i < TRAIN * LENGTH; i++)
    for (int k = 0; k < 2; k++) symbols[k][i] = draw(15) ? (uint8_t)draw(draw(2) ? 2 : 4) : FD_N;
  for (int i = 0; i < TEST * LENGTH; i++) mask[i] = draw(3) == 0;
  fd_windows train = {TRAIN, LENGTH, symbols[0], NULL, NULL}, test = {TEST, LENGTH, symbols[1], NULL, NULL};
  for (int reach = 0; reach <= 5; reach++) {
    fd_context_table *table;
    double loss, accuracy, plain_loss, plain_accuracy;
    int64_t masked;
    assert_ok(fd_context_table_fit(&table, &train, reach));
    assert_ok(fd_context_table_score(table, &test, mask, &loss, &accuracy, &masked));
    plain_context(&train, &test, mask, reach, &plain_loss, &plain_accuracy);
    assert_true(masked > 20);
    assert_near(loss, plain_loss, 1e-9);
    assert_near(accuracy, plain_accuracy, 1e-12);
    fd_context_table_free(&table);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scores_against_counting),
      cmocka_unit_test(whitening_gives_the_identity),
      cmocka_unit_test(classifier_finds_the_minimum),
      cmocka_unit_test(kmers_against_counting),
      cmocka_unit_test(joined_features_are_both),
      cmocka_unit_test(splits_are_permutations),
      cmocka_unit_test(features_know_no_padding),
      cmocka_unit_test(a_probe_is_fitted_step_by_step),
      cmocka_unit_test(context_tables),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
