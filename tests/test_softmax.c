/* The classifier for many classes: compared with the same steps in double precision; the same bits with any number of threads;
 * dense and sparse rows; what it learns, and how it selects its epochs. */
#include "check.h"
#include "draws.h"

#include "config/config.h"
#include "tasks/softmax.h"

static uint64_t drawn;

static double draw(void) {
  uint32_t word[4];
  fd_philox(word, drawn_key(17), 1, drawn++);
  return word[0] / 4294967296.0;
}

static fd_device *open_device(int threads) {
  fd_config config;
  fd_device *dev;
  fd_config_defaults(&config);
  config.device.threads = threads;
  assert_ok(fd_device_open(&dev, &config, 0, 1));
  return dev;
}

/* Rows around one centre per class; labels in cyclic order. */
static void make_rows(int rows, int dims, int classes, double spread, double *x, int *label) {
  double *centre = malloc((size_t)(classes * dims) * sizeof *centre);
  for (int i = 0; i < classes * dims; i++) centre[i] = 2 * draw() - 1;
  for (int r = 0; r < rows; r++) {
    label[r] = r % classes;
    for (int c = 0; c < dims; c++) x[r * dims + c] = centre[label[r] * dims + c] + spread * (2 * draw() - 1);
  }
  free(centre);
}

/* Steps of AdamW on the mean negative log-likelihood of batches, as specified in softmax.h, in double. */
static void plain_run(const double *x, const int *label, int rows, int dims, int classes, int epochs, int most, uint64_t seed,
                      double *w) {
  int width = dims + 1, steps = (rows + FD_SOFTMAX_BATCH - 1) / FD_SOFTMAX_BATCH, n = classes * width, t = 0;
  double *g = calloc((size_t)n, sizeof *g), *m = calloc((size_t)n, sizeof *m), *v = calloc((size_t)n, sizeof *v), z[64];
  for (int epoch = 0; epoch < epochs; epoch++)
    for (int first = 0; first < rows; first += FD_SOFTMAX_BATCH) {
      int count = rows - first < FD_SOFTMAX_BATCH ? rows - first : FD_SOFTMAX_BATCH;
      double lr =
          1e-3 * (1 + cos(3.14159265358979323846 * (epoch * steps + first / FD_SOFTMAX_BATCH) / ((double)most * steps))) / 2;
      memset(g, 0, (size_t)n * sizeof *g);
      for (int i = 0; i < count; i++) {
        int row = (int)fd_permute(seed, (uint64_t)epoch, (uint64_t)rows, (uint64_t)(first + i));
        double sum = 0;
        for (int k = 0; k < classes; k++) {
          z[k] = w[k * width + dims];
          for (int c = 0; c < dims; c++) z[k] += w[k * width + c] * x[row * dims + c];
          sum += exp(z[k]);
        }
        for (int k = 0; k < classes; k++) {
          double d = (exp(z[k]) / sum - (k == label[row])) / count;
          for (int c = 0; c < dims; c++) g[k * width + c] += d * x[row * dims + c];
          g[k * width + dims] += d;
        }
      }
      t++;
      for (int i = 0; i < n; i++) {
        m[i] = 0.9 * m[i] + 0.1 * g[i], v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
        w[i] -= lr * (1e-2 * w[i] + m[i] / (1 - pow(0.9, t)) / (sqrt(v[i] / (1 - pow(0.999, t))) + 1e-8));
      }
    }
  free(g), free(m), free(v);
}

/* The loss over all rows, with our weights and with the plain version's. */
static void steps_are_those_of_a_plain_version(void **state) {
  (void)state;
  static const int shapes[][3] = {{300, 5, 3}, {513, 17, 30}, {256, 1, 2}, {7, 33, 7}};
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    int rows = shapes[s][0], dims = shapes[s][1], classes = shapes[s][2];
    double *x = malloc((size_t)(rows * dims) * sizeof *x), *w = calloc((size_t)(classes * (dims + 1)), sizeof *w), plain = 0,
           ours;
    int *label = malloc((size_t)rows * sizeof *label);
    make_rows(rows, dims, classes, 0.5, x, label);
    for (int r = 0; r < rows; r++) x[r * dims] += 3 * (label[r] % 2); /* there is something to learn, wherever the centres are */
    const fd_design design = {.rows = rows, .dims = dims, .dense = x};
    fd_device *dev = open_device(2);
    fd_softmax *model;
    assert_ok(fd_softmax_create(&model, dev, classes, dims));
    assert_ok(fd_softmax_run(model, &(fd_softmax_fit){&design, label, NULL, rows, 20, 25, 9, NULL, NULL}));
    assert_ok(fd_softmax_predict(model, &design, label, NULL, rows, NULL, &ours));
    plain_run(x, label, rows, dims, classes, 20, 25, 9, w);
    for (int r = 0; r < rows; r++) {
      double sum = 0, at = 0;
      for (int k = 0; k < classes; k++) {
        double z = w[k * (dims + 1) + dims];
        for (int c = 0; c < dims; c++) z += w[k * (dims + 1) + c] * x[r * dims + c];
        sum += exp(z), at = k == label[r] ? z : at;
      }
      plain += (log(sum) - at) / rows;
    }
    assert_true(plain < log(classes) - 0.001);
    assert_near(ours, plain, 2e-5);
    fd_softmax_free(&model);
    fd_device_close(&dev);
    free(x), free(w), free(label);
  }
}

enum { ROWS = 900, DIMS = 24, CLASSES = 300 };
static double rows_of[ROWS * DIMS];
static int labels[ROWS], predicted[2][ROWS];

static void any_number_of_threads(void **state) {
  (void)state;
  double loss[2];
  make_rows(ROWS, DIMS, CLASSES, 0.2, rows_of, labels);
  const fd_design design = {.rows = ROWS, .dims = DIMS, .dense = rows_of};
  for (int i = 0; i < 2; i++) {
    fd_device *dev = open_device(1 + 2 * i);
    fd_softmax *model;
    assert_ok(fd_softmax_create(&model, dev, CLASSES, DIMS));
    assert_ok(fd_softmax_run(model, &(fd_softmax_fit){&design, labels, NULL, ROWS, 3, 3, 1, NULL, NULL}));
    assert_ok(fd_softmax_predict(model, &design, labels, NULL, ROWS, predicted[i], &loss[i]));
    fd_softmax_free(&model);
    fd_device_close(&dev);
  }
  assert_memory_equal(loss, loss + 1, sizeof *loss);
  assert_memory_equal(predicted[0], predicted[1], sizeof predicted[0]);
}

/* Sparse rows minus a shift equal dense rows. */
static void sparse_rows(void **state) {
  (void)state;
  static float value[ROWS * DIMS];
  static int column[ROWS * DIMS];
  static int64_t start[ROWS + 1];
  double shift[DIMS], loss[2];
  for (int c = 0; c < DIMS; c++) shift[c] = c % 5 * 0.25;
  for (int r = 0; r < ROWS; r++) {
    start[r + 1] = start[r];
    for (int c = 0; c < DIMS; c++) {
      int there = draw() < 0.3;
      float v = (float)(int)(8 * draw());
      if (there) value[start[r + 1]] = v, column[start[r + 1]++] = c;
      rows_of[r * DIMS + c] = (there ? (double)v : 0) - shift[c];
    }
    labels[r] = r % CLASSES;
  }
  const fd_design designs[2] = {{.rows = ROWS, .dims = DIMS, .dense = rows_of},
                                {.rows = ROWS, .dims = DIMS, .start = start, .column = column, .value = value, .shift = shift}};
  for (int i = 0; i < 2; i++) {
    fd_device *dev = open_device(1);
    fd_softmax *model;
    assert_ok(fd_softmax_create(&model, dev, CLASSES, DIMS));
    assert_ok(fd_softmax_run(model, &(fd_softmax_fit){&designs[i], labels, NULL, ROWS, 2, 2, 1, NULL, NULL}));
    assert_ok(fd_softmax_predict(model, &designs[i], labels, NULL, ROWS, NULL, &loss[i]));
    fd_softmax_free(&model);
    fd_device_close(&dev);
  }
  assert_near(loss[0], loss[1], 1e-6);
}

/* Separable classes are separated, also on rows that are not fitted; the epochs are selected on held-out rows. */
static void learns_and_chooses(void **state) {
  (void)state;
  enum { MANY = 4000, FIT = 3000, WIDTH = 40 };
  double *x = malloc((size_t)MANY * WIDTH * sizeof *x), loss;
  int *label = malloc(MANY * sizeof *label), *order = malloc(FIT * sizeof *order), *said = malloc(MANY * sizeof *said), epochs,
      hits = 0;
  make_rows(MANY, WIDTH, CLASSES, 0.4, x, label);
  for (int i = 0; i < MANY * WIDTH; i++) x[i] *= 4;
  for (int i = 0; i < FIT; i++) order[i] = (i * 7) % FIT;
  const fd_design train = {.rows = FIT, .dims = WIDTH, .dense = x},
                  test = {.rows = MANY - FIT, .dims = WIDTH, .dense = x + FIT * WIDTH};
  fd_device *dev = open_device(2);
  assert_ok(fd_softmax_select(dev, &train, label, CLASSES, order, FIT / 5, 3, &epochs, &loss));
  assert_in_range(epochs, 2, FD_SOFTMAX_EPOCHS);
  assert_true(loss < 0.8 * log(CLASSES));
  assert_ok(fd_softmax_classify(dev, &train, label, CLASSES, &test, 3, epochs, said));
  for (int i = 0; i < MANY - FIT; i++) hits += said[i] == label[FIT + i];
  assert_true(hits > 9 * (MANY - FIT) / 10);
  fd_device_close(&dev);
  free(x), free(label), free(order), free(said);
}

/* The epochs are those with the least loss on the held-out rows, up to the first after which it has not fallen for
 * FD_SOFTMAX_PATIENCE epochs: the same as fits of 1, 2, ... epochs of the same schedule. Large features make the loss rise and
 * fall, so that other rules give other epochs in some of the trials. */
static void epochs_are_those_of_least_loss(void **state) {
  (void)state;
  enum { MANY = 700, WIDTH = 6, FEW = 3, HELD_OUT = 60, TRIALS = 24 };
  double x[MANY * WIDTH], loss, said;
  int label[MANY], order[MANY], epochs;
  fd_device *dev = open_device(1);
  for (int trial = 0; trial < TRIALS; trial++) {
    double least = INFINITY;
    int best = 0;
    for (int i = 0; i < MANY; i++) label[i] = i % FEW, order[i] = i * 7 % MANY;
    for (int i = 0; i < MANY * WIDTH; i++) x[i] = 1000 * (1 + trial) * (2 * draw() - 1 + 0.3 * (i % FEW == label[i / WIDTH]));
    const fd_design design = {.rows = MANY, .dims = WIDTH, .dense = x};
    for (int n = 1; n <= FD_SOFTMAX_EPOCHS && n - best <= FD_SOFTMAX_PATIENCE; n++) {
      fd_softmax *model;
      assert_ok(fd_softmax_create(&model, dev, FEW, WIDTH));
      assert_ok(fd_softmax_run(
          model, &(fd_softmax_fit){&design, label, order + HELD_OUT, MANY - HELD_OUT, n, FD_SOFTMAX_EPOCHS, 3, NULL, NULL}));
      assert_ok(fd_softmax_predict(model, &design, label, order, HELD_OUT, NULL, &loss));
      if (loss < least) least = loss, best = n;
      fd_softmax_free(&model);
    }
    assert_ok(fd_softmax_select(dev, &design, label, FEW, order, HELD_OUT, 3, &epochs, &said));
    assert_int_equal(epochs, best);
    assert_near(said, least, 1e-12);
  }
  fd_device_close(&dev);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_are_those_of_a_plain_version),
      cmocka_unit_test(any_number_of_threads),
      cmocka_unit_test(sparse_rows),
      cmocka_unit_test(learns_and_chooses),
      cmocka_unit_test(epochs_are_those_of_least_loss),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
