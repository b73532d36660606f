/* Evaluations on held-out windows: the scores against counting in plain C, and the warnings of the collapse monitor. */
#include "check.h"

#include "small_run.h"
#include "train/evaluate.h"

enum { WINDOWS = 7, LENGTH = 30 };

/* A run with micro-batches of 4 windows and some steps of training, and windows of which every sixth symbol is N. */
static void open_evaluated(small_run *r, fd_windows *w, int64_t seed) {
  *r = (small_run){.config = small_config(12, 16, 2, 1)};
  *w = many_windows(WINDOWS, LENGTH);
  for (int i = 0; i < w->count * w->length; i += 6) w->symbols[i] = FD_N;
  r->config.run.seed = seed;
  r->config.model.cls = 1, r->config.model.blocks = 3;
  r->config.train.batch = 4, r->config.train.virtual_ranks = 1, r->config.train.steps = 9;
  r->config.objective.mnm_tau = 0.5;
  r->config.aug.mask_rate = 0.4;
  open_run(r, w);
  fd_step step;
  for (int i = 0; i < 5; i++) assert_ok(fd_trainer_step(r->trainer, &step));
}

/* The student's logits of one sequence of one-hot rows, of which the last is [CLS]. */
static void logits_of(const small_run *r, int rows, const float *x, float *z) {
  int start[2] = {0, rows};
  fd_seqs seqs = {.count = 1, .cls = 1, .start = start};
  const fd_extent extent = {rows, 1, 1};
  fd_spaces spaces;
  fd_pass *pass;
  assert_ok(fd_network_pass(&pass, r->network, r->dev, (fd_demand){1u << FD_OUT_LOGITS, 0, 0}, extent));
  assert_ok(fd_spaces_create(&spaces, r->dev, fd_pass_spaces(pass), extent));
  assert_ok(fd_spaces_set(&spaces, &seqs));
  fd_pass_forward(pass, &spaces, r->state->array[FD_STUDENT], x);
  memcpy(z, fd_network_output(r->network, pass, FD_OUT_LOGITS).at, (size_t)rows * FD_SYMBOLS * sizeof *z);
  fd_spaces_destroy(&spaces);
  fd_pass_destroy(&pass);
}

/* Adds the scores of a window, whose masked symbols are zero rows of the input; a masked N is no target. */
static void score_window(const small_run *r, const fd_windows *w, int64_t window, fd_held_out *sums) {
  uint8_t mask[LENGTH];
  float x[(LENGTH + 1) * FD_SYMBOLS] = {0}, z[(LENGTH + 1) * FD_SYMBOLS];
  const uint8_t *symbols = w->symbols + window * LENGTH;
  fd_held_out_mask(&r->config, w, window, mask);
  for (int t = 0; t < LENGTH; t++)
    if (!mask[t]) x[t * FD_SYMBOLS + symbols[t]] = 1;
  logits_of(r, LENGTH + 1, x, z);
  for (int t = 0; t < LENGTH; t++) {
    double sum = 0;
    int correct = 1;
    if (!mask[t] || symbols[t] == FD_N) continue;
    for (int c = 0; c < FD_SYMBOLS; c++) {
      double above = (double)z[t * FD_SYMBOLS + c] - (double)z[t * FD_SYMBOLS + symbols[t]];
      sum += exp(above / r->config.objective.mnm_tau);
      correct &= above <= 0;
    }
    sums->loss += log(sum), sums->accuracy += correct, sums->masked++;
  }
}

/* 7 windows make a whole and a partial chunk; the temperature is that of training. */
static void scores_are_means_over_the_masked_nucleotides(void **state) {
  (void)state;
  small_run r;
  fd_windows w;
  fd_held_out got, want = {0};
  open_evaluated(&r, &w, 3);
  for (int64_t i = 0; i < WINDOWS; i++) score_window(&r, &w, i, &want);
  assert_ok(fd_evaluate_held_out(r.trainer, FD_STUDENT, &w, WINDOWS + 5, NULL, &got));
  assert_true(want.masked > 30);
  assert_int_equal(got.masked, want.masked);
  assert_near(got.loss, want.loss / (double)want.masked, 1e-9);
  assert_near(got.accuracy, want.accuracy / (double)want.masked, 1e-12);
  close_run(&r);
  free(w.symbols);
}

/* A window's mask is a function of the run's seed and its index. */
static void masks_depend_on_seed_and_window(void **state) {
  (void)state;
  enum { MANY = 400 };
  uint8_t mask[4][MANY];
  fd_windows w = {2, MANY, NULL, NULL, NULL};
  fd_config c;
  int masked = 0;
  fd_config_defaults(&c);
  for (int i = 0; i < 4; i++) {
    c.run.seed = 1 + i / 2;
    fd_held_out_mask(&c, &w, i % 2, mask[i]);
    for (int other = 0; other < i; other++) assert_memory_not_equal(mask[i], mask[other], MANY);
    for (int t = 0; t < MANY; t++) masked += mask[i][t];
  }
  assert_near(masked / (4.0 * MANY), c.aug.mask_rate, 0.05);
}

/* The [CLS] rows of student and teacher for the monitor's views of each window. */
static void cls_rows(const small_run *r, const fd_windows *w, float *p, float *q) {
  fd_trainer *t = r->trainer;
  size_t each = (size_t)r->state->cls * (size_t)r->state->width;
  fd_loader loader;
  fd_loader_init(&loader, &r->config, w);
  loader.augment = fd_rng_key_of((uint64_t)r->config.run.seed, FD_RNG_MONITOR);
  loader.noise = fd_rng_key_of((uint64_t)r->config.run.seed, FD_RNG_MONITOR_NOISE);
  fd_source source = fd_loader_source(&loader);
  for (int i = 0; i < w->count; i++, p += each, q += each) {
    fd_batch *b = t->held_out;
    const fd_outputs o = {b, &t->spaces, t->network, t->student, t->teacher, NULL, NULL, r->state->width, NULL, NULL};
    source.make(source.context, (uint64_t)i, 1, b);
    assert_ok(source.upload(source.context, b));
    assert_ok(fd_spaces_set(&t->spaces, &b->seqs));
    fd_pass_forward(t->student, &t->spaces, r->state->array[FD_STUDENT], b->student);
    fd_pass_forward(t->teacher, &t->spaces, r->state->array[FD_TEACHER], b->teacher);
    const fd_compared c = fd_objective_compare(&r->config, &o);
    int first = c.seqs->start[1] - r->state->cls;
    assert_ok(fd_mat_read(r->dev, c.student, first, r->state->cls, r->state->width, p));
    assert_ok(fd_mat_read(r->dev, c.teacher, first, r->state->cls, r->state->width, q));
  }
}

/* Value n of distribution d of a matrix [cls, width]. */
static double value_at(const small_run *r, const float *x, int d, int n) {
  int along = r->config.objective.cl_axis == FD_AXIS_D;
  return (double)(along ? x[d * r->state->width + n] : x[n * r->state->width + d]);
}

/* The same without the mean of the distribution's values. */
static double value_apart(const small_run *r, const float *x, int d, int n, int values) {
  double mean = 0;
  for (int k = 0; k < values; k++) mean += value_at(r, x, d, k) / values;
  return value_at(r, x, d, n) - mean;
}

/* Probability n of the softmax of a distribution. */
static double probability(const small_run *r, const float *x, const float *centre, double tau, int d, int n, int values) {
  double sum = 0;
  for (int k = 0; k < values; k++)
    sum +=
        exp((value_at(r, x, d, k) - value_at(r, x, d, n) - (centre ? value_at(r, centre, d, k) - value_at(r, centre, d, n) : 0)) /
            tau);
  return 1 / sum;
}

/* The statistics by their definitions. */
static fd_monitor plain_monitor(const small_run *r, const float *p, const float *q, int windows) {
  const fd_config *c = &r->config;
  const float *centre = r->state->array[FD_CENTRE];
  int cls = r->state->cls, width = r->state->width, along = c->objective.cl_axis == FD_AXIS_D, values = along ? width : cls;
  int distributions = along ? cls : width, each = cls * width;
  fd_monitor m = {.windows = windows, .entropy_limit = log(values)};
  double marginal = 0, pq = 0, pp = 0, qq = 0;
  for (int d = 0; d < distributions; d++)
    for (int n = 0; n < values; n++) {
      double mean = 0, mean_p = 0, mean_q = 0;
      for (int w = 0; w < windows; w++) {
        double taught = probability(r, q + w * each, centre, c->objective.tau_teacher, d, n, values),
               learned = probability(r, p + w * each, NULL, c->objective.tau_student, d, n, values);
        mean += taught / windows;
        m.entropy -= taught * log(taught) / windows / distributions;
        m.cross_entropy -= taught * log(learned) / windows / distributions;
        mean_p += value_apart(r, p + w * each, d, n, values) / windows;
        mean_q += value_apart(r, q + w * each, d, n, values) / windows;
      }
      marginal -= mean * log(mean) / distributions;
      for (int w = 0; w < windows; w++) {
        double a = value_apart(r, p + w * each, d, n, values) - mean_p, b = value_apart(r, q + w * each, d, n, values) - mean_q;
        pq += a * b, pp += a * a, qq += b * b;
      }
      m.centre_norm += pow(value_apart(r, centre, d, n, values), 2);
    }
  m.mutual_information = marginal - m.entropy, m.gain = marginal - m.cross_entropy;
  m.correlation = pq / sqrt(pp * qq), m.centre_norm = sqrt(m.centre_norm);
  return m;
}

/* The monitor's numbers, for both axes of the softmax. */
static void statistics_equal_their_definitions(void **state) {
  (void)state;
  enum { COUNT = 7 };
  for (int axis = FD_AXIS_K; axis <= FD_AXIS_D; axis++) {
    small_run r = {.config = small_config(12, 16, 2, 1)};
    fd_windows w = many_windows(COUNT, LENGTH);
    fd_monitor got;
    fd_step step;
    float p[COUNT * 3 * FD_SYMBOLS], q[COUNT * 3 * FD_SYMBOLS];
    r.config.model.cls = 3, r.config.model.blocks = 3, r.config.model.cls_tokens = FD_CLS_LEARNED;
    r.config.train.batch = 4, r.config.train.virtual_ranks = 1, r.config.train.steps = 9;
    r.config.objective.cl_axis = axis, r.config.objective.tau_student = 0.3, r.config.objective.tau_teacher = 0.2;
    r.config.teacher.momentum = 0.2, r.config.teacher.centre_momentum = 0.5;
    r.config.optim.lr = 0.03, r.config.optim.warmup = 0;
    open_run(&r, &w);
    for (int i = 0; i < 5; i++) assert_ok(fd_trainer_step(r.trainer, &step));
    cls_rows(&r, &w, p, q);
    const fd_monitor want = plain_monitor(&r, p, q, COUNT);
    assert_ok(fd_evaluate_monitor(r.trainer, &w, COUNT + 5, &got));
    assert_int_equal(got.windows, COUNT);
    assert_true(want.centre_norm > 1e-3 && fabs(want.correlation) > 1e-3 && want.mutual_information > 1e-4);
    assert_near(got.entropy, want.entropy, 1e-9);
    assert_near(got.entropy_limit, want.entropy_limit, 1e-12);
    assert_near(got.cross_entropy, want.cross_entropy, 1e-9);
    assert_near(got.mutual_information, want.mutual_information, 1e-9);
    assert_near(got.gain, want.gain, 1e-9);
    assert_near(got.correlation, want.correlation, 1e-9);
    assert_near(got.centre_norm, want.centre_norm, 1e-9);
    close_run(&r);
    free(w.symbols);
  }
}

/* Makes the teacher's distribution the same for each window: all weights are 0, so that it is the softmax of the centre. */
static void make_constant(const small_run *r, float most) {
  memset(r->state->array[FD_TEACHER], 0, r->state->size[FD_TEACHER] * sizeof(float));
  memset(r->state->array[FD_CENTRE], 0, r->state->size[FD_CENTRE] * sizeof(float));
  for (int i = 0; i < r->state->cls; i++) r->state->array[FD_CENTRE][(size_t)i * (size_t)r->state->width] = -most;
}

static void warns(const small_run *r, const fd_windows *w, int64_t count, const char *text) {
  fd_monitor m;
  assert_ok(fd_evaluate_monitor(r->trainer, w, count, &m));
  if (!text) assert_null(m.warning);
  else if (!m.warning || !strstr(m.warning, text))
    fail_msg("no warning with '%s', but '%s'", text, m.warning ? m.warning : "none");
}

/* Each way to collapse has its warning; few windows, and a student that predicts its teacher, have none. */
static void a_collapse_is_named(void **state) {
  (void)state;
  enum { COUNT = FD_MONITOR_WINDOWS };
  fd_windows w = many_windows(COUNT, 20);
  for (int i = 0; i < COUNT * 20; i++) w.symbols[i] = (uint8_t)(i / 20 % 4); /* windows of one letter, so that they differ */
  small_run r = {.config = small_config(12, 16, 2, 1)};
  fd_config *c = &r.config;
  c->run.seed = 0; /* not drawn: initial weights whose distributions differ between the letters */
  c->model.cls = 2, c->model.blocks = 3;
  c->objective.cl_space = FD_SPACE_PROJECTION, c->objective.cl_axis = FD_AXIS_D, c->objective.projection_of = FD_FEATURES_TOKENS;
  c->objective.tau_student = c->objective.tau_teacher = 1;
  c->train.batch = 64, c->train.virtual_ranks = 1, c->train.steps = 9;
  *c->aug.student = *c->aug.teacher = 0;
  open_run(&r, &w);
  float *student = r.state->array[FD_STUDENT], *teacher = r.state->array[FD_TEACHER];
  const fd_param *p = fd_params_find(&r.network->params, "projection.out.weight");
  assert_non_null(p);
  for (size_t i = p->offset; i < p->offset + p->size; i++) student[i] *= 1e4f; /* distributions that differ between windows */
  memcpy(teacher, student, r.network->params.size * sizeof *student);
  warns(&r, &w, COUNT, NULL);
  for (size_t i = p->offset; i < p->offset + p->size; i++) student[i] = -student[i];
  warns(&r, &w, COUNT, "no better than a constant");
  make_constant(&r, 0);
  warns(&r, &w, COUNT, "close to uniform");
  make_constant(&r, 4);
  warns(&r, &w, COUNT, "hardly depends on the window");
  make_constant(&r, 50);
  warns(&r, &w, COUNT, "same single choice");
  warns(&r, &w, COUNT - 1, NULL);
  close_run(&r);
  free(w.symbols);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scores_are_means_over_the_masked_nucleotides),
      cmocka_unit_test(masks_depend_on_seed_and_window),
      cmocka_unit_test(statistics_equal_their_definitions),
      cmocka_unit_test(a_collapse_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
