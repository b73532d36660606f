/* Small graphs over random packs of sequences, passes through them in poisoned memory, and their gradients against central
 * differences. */
#ifndef FD_TESTS_GRAPHS_H
#define FD_TESTS_GRAPHS_H

#include "values.h"

#include "model/nodes.h"

enum { INPUT = 4 }; /* columns of a graph's input */

static fd_device *dev;

typedef struct trial {
  fd_params params;
  fd_graph graph;
  fd_value x; /* the input */
  fd_seqs tokens;
  fd_extent extent;
  fd_spaces spaces;
  unsigned char *wanted, *given; /* [values] */
  float *input, *w, *g;
  uint8_t *hidden; /* [rows] */
  int training;
  int holds; /* whether passes have memory for the gradient */
} trial;

/* Hides about half of the tokens: all, or none, of some sequences. */
static inline void hide_tokens(trial *t) {
  t->hidden = calloc((size_t)fd_seqs_rows(&t->tokens) + 1, 1);
  for (int i = 0; i < t->tokens.count; i++) {
    uint32_t kind = word() % 4;
    for (int r = t->tokens.start[i]; r < t->tokens.start[i + 1] - t->tokens.cls; r++)
      t->hidden[r] = kind == 0 || (kind > 1 && word() & 1);
  }
  t->tokens.hidden = t->hidden;
}

/* Sequences of unequal lengths, fewer than there is memory for, and an empty graph. */
static inline void begin_trial(trial *t, int cls, int longest) {
  *t = (trial){.training = 1};
  t->tokens = random_seqs(cls, longest);
  t->tokens.draws = calloc((size_t)t->tokens.count, sizeof *t->tokens.draws);
  for (int i = 0; i < t->tokens.count; i++) t->tokens.draws[i] = (uint64_t)word() << 9 | (uint64_t)i;
  t->extent = (fd_extent){fd_seqs_rows(&t->tokens) + between(0, 9), t->tokens.count + between(0, 2), cls};
  t->input = random_floats((size_t)fd_seqs_rows(&t->tokens) * INPUT, 1);
  t->x = fd_graph_begin(&t->graph, &t->params, FD_TOKENS, INPUT);
}

/* After the graph is complete: allocates parameters, gradients and the flags of values. */
static inline void graph_is_whole(trial *t) {
  assert_ok(t->graph.status);
  size_t values = (size_t)t->graph.values;
  t->wanted = calloc(values, 1), t->given = calloc(values, 1);
  t->w = random_floats(t->params.size, 0.6f);
  t->g = malloc((t->params.size + 1) * sizeof *t->g);
}

static inline void end_trial(trial *t) {
  void *all[] = {t->wanted, t->given, t->w, t->g, t->input, t->hidden, t->tokens.start, t->tokens.draws};
  fd_spaces_destroy(&t->spaces);
  fd_graph_free(&t->graph);
  fd_params_free(&t->params);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static inline void put_apart(fd_plan *plan) {
  plan->bytes = 0;
  for (int i = 0; i < plan->buffers; i++) {
    plan->buffer[i].offset = plan->bytes;
    plan->bytes += plan->buffer[i].bytes;
  }
}

/* Opens a pass with the planned memory, or with `apart` one whose buffers share no memory. */
static inline fd_pass *open_pass(trial *t, int apart) {
  const fd_ends ends = {t->wanted, t->given, t->holds};
  fd_plan plan;
  fd_pass *pass;
  assert_ok(fd_plan_make(&plan, &t->graph, &ends, dev->form, t->extent));
  if (apart) put_apart(&plan);
  assert_ok(fd_pass_of_plan(&pass, &t->graph, dev, &plan, &ends));
  pass->training = t->training;
  fd_spaces_destroy(&t->spaces);
  assert_ok(fd_spaces_create(&t->spaces, dev, fd_pass_spaces(pass), t->extent));
  assert_ok(fd_spaces_set(&t->spaces, &t->tokens));
  return pass;
}

static inline void run_forward(trial *t, fd_pass *pass) {
  memset(pass->memory, 0xff, pass->plan.bytes); /* not a number */
  fd_pass_forward(pass, &t->spaces, t->w, t->input);
}

/* The weight of an entry of a value in the loss. */
static inline float pull(int value, int row, int column) {
  uint32_t out[4];
  fd_philox(out, drawn_key(5), (uint64_t)value, (uint64_t)row << 32 | (uint64_t)column);
  return 2 * fd_unit(out[0]) - 1;
}

/* The weighted sum of all entries of the values whose gradients are given, and the sum of the squares of its terms. */
static inline double loss_of(const fd_pass *pass, double *squares) {
  double sum = 0;
  *squares = 0;
  for (int i = 0; i < pass->graph->nodes; i++) {
    fd_value v = pass->graph->node[i].out;
    if (!pass->given[v.id]) continue;
    fd_mat m = fd_pass_value(pass, v);
    for (int r = 0; r < fd_pass_rows(pass, v.space); r++)
      for (int c = 0; c < v.width; c++) {
        double one = (double)((const float *)m.at)[r * m.stride + c] * (double)pull(v.id, r, c);
        sum += one, *squares += one * one;
      }
  }
  return sum;
}

/* Computes the gradients by all parameters into t->g, which is poisoned before. */
static inline void run_backward(trial *t, fd_pass *pass) {
  run_forward(t, pass);
  fd_pass_clear(pass);
  for (int i = 0; i < t->graph.nodes; i++) {
    fd_value v = t->graph.node[i].out;
    if (!t->given[v.id]) continue;
    fd_mat m = fd_pass_gradient(pass, v);
    for (int r = 0; r < fd_pass_rows(pass, v.space); r++)
      for (int c = 0; c < v.width; c++) ((float *)m.at)[r * m.stride + c] = pull(v.id, r, c);
  }
  for (size_t i = 0; i <= t->params.size; i++) t->g[i] = NAN;
  fd_pass_backward(pass, pass->held ? pass->held : t->g, NULL);
  if (pass->held) memcpy(t->g, pass->held, t->params.size * sizeof *t->g);
  for (size_t i = 0; i < t->params.size; i++) assert_true(isfinite(t->g[i]));
  assert_true(isnan(t->g[t->params.size]));
}

/* The difference quotient of the loss as parameters first .. first + n - 1, which are `kept`, move along `sign` by `step` either
 * way; *squares: that of loss_of. */
static inline double quotient_of(trial *t, fd_pass *pass, size_t first, size_t n, const float *kept, const float *sign,
                                 float step, double *squares) {
  double side[2];
  for (int k = 0; k < 2; k++) {
    for (size_t i = 0; i < n; i++) t->w[first + i] = kept[i] + (k ? step : -step) * sign[i];
    run_forward(t, pass);
    side[k] = loss_of(pass, squares);
  }
  memcpy(t->w + first, kept, n * sizeof *kept);
  return (side[1] - side[0]) / (2 * (double)step);
}

/* The slope of the loss when parameters first .. first + n - 1 move along `sign`: steps are halved until the slopes extrapolated
 * from two of them and from the next two are within `close` and the rounding error *noise. 0 if they never are before the noise,
 * which grows as steps shrink, exceeds 20 `close`. */
static inline int slope_along(trial *t, fd_pass *pass, size_t first, size_t n, const float *sign, double close, double *slope,
                              double *noise) {
  float *kept = malloc((n + 1) * sizeof *kept), step = 8e-3f;
  double quotient[2] = {0, 0}, squares, before;
  int is_found = 0;
  memcpy(kept, t->w + first, n * sizeof *kept);
  for (int k = 0; !is_found && (k < 3 || *noise <= 20 * close); k++) {
    quotient[0] = quotient[1], before = *slope;
    quotient[1] = quotient_of(t, pass, first, n, kept, sign, step /= 2, &squares);
    *slope = (4 * quotient[1] - quotient[0]) / 3;
    *noise = 1.5e-6 * sqrt(squares) / (double)step;
    is_found = k > 1 && fabs(*slope - before) <= close + *noise;
  }
  free(kept);
  return is_found;
}

/* Fails unless the gradient by these parameters is the slope of the loss along random directions. Returns 0, without a
 * comparison, if the loss is too curved for a slope. */
static inline int gradient_is_slope(trial *t, fd_pass *pass, const char *what, size_t first, size_t n) {
  double along = 0, squares = 0, slope = 0, noise = 0;
  float *sign = malloc((n + 1) * sizeof *sign);
  for (size_t i = 0; i < n; i++) {
    sign[i] = word() & 1 ? 1 : -1;
    along += (double)(sign[i] * t->g[first + i]);
    squares += (double)t->g[first + i] * (double)t->g[first + i];
  }
  int is_found = slope_along(t, pass, first, n, sign, 1e-3 * sqrt(squares), &slope, &noise);
  double bound = 3e-3 * sqrt(squares) + 2 * noise;
  if (is_found && !(fabs(along - slope) <= bound))
    fail_msg("%s: gradient %.9g, slope %.9g, bound %.3g", what, along, slope, bound);
  free(sign);
  return is_found;
}

static inline int open_device(void **state) {
  (void)state;
  fd_config config;
  fd_config_defaults(&config);
  config.device.threads = 2;
  return fd_device_open(&dev, &config, 0, 1) != FD_OK;
}

static inline int close_device(void **state) {
  (void)state;
  fd_device_close(&dev);
  return 0;
}

#endif
