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
      cmocka_unit_test(a_collapse_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
