/* Networks and training without golden files: invariants of the model, the summation tree, schedules, skipped steps, and a small
 * model that learns a known source. */
#include "check.h"

#include <jansson.h>

#include "base/finite.h"
#include "small_run.h"
#include "train/evaluate.h"
#include "train/gradients.h"

/* Latents of one sequence of one-hot rows with `cls` zero rows at the end. */
static float *latents(small_run *r, const float *params, int T, const float *x) {
  int start[2] = {0, T};
  fd_seqs seqs = {.count = 1, .cls = 1, .start = start};
  const fd_extent extent = {T, 1, 1};
  fd_spaces spaces;
  fd_pass *pass;
  float *out = malloc((size_t)T * (size_t)r->network->channels * sizeof *out);
  assert_ok(fd_network_pass(&pass, r->network, r->dev, (fd_demand){1u << FD_OUT_LATENT, 0, 0}, extent));
  assert_ok(fd_spaces_create(&spaces, r->dev, fd_pass_spaces(pass), extent));
  assert_ok(fd_spaces_set(&spaces, &seqs));
  fd_pass_forward(pass, &spaces, params, x);
  memcpy(out, fd_network_output(r->network, pass, FD_OUT_LATENT).at, (size_t)T * (size_t)r->network->channels * sizeof *out);
  fd_spaces_destroy(&spaces);
  fd_pass_destroy(&pass);
  return out;
}

static float *random_rows(int T) {
  float *x = calloc((size_t)T * FD_SYMBOLS, sizeof *x);
  for (int t = 0; t < T; t++) {
    uint32_t word[4];
    fd_philox(word, drawn_key(1), 9, (uint64_t)t);
    x[t * FD_SYMBOLS + (int)fd_below(word[0], 4)] = 1;
  }
  return x;
}

static fd_windows one_window(int length) { return (fd_windows){1, length, calloc((size_t)length, 1), NULL, NULL}; }

/* f(roll(x, k)) = roll(f(x), k) for whole networks, bit for bit, [CLS] rows included; also with shifts beyond the length. */
static void networks_are_circular(void **state) {
  (void)state;
  const int lengths[] = {128, 130, 37};
  for (int i = 0; i < 3; i++) {
    int T = lengths[i], k = 11;
    small_run r = {.config = small_config(33, 40, 3, 2)};
    r.config.model.blocks = 10; /* 11 tracks: shifts up to 512 */
    r.config.train.batch = r.config.train.virtual_ranks = 1;
    r.config.model.cls = 10;
    fd_windows w = one_window(T - 10);
    open_run(&r, &w);
    size_t d = (size_t)r.network->channels;
    float *x = random_rows(T), *rolled = malloc((size_t)T * FD_SYMBOLS * sizeof *rolled);
    for (int t = 0; t < T; t++)
      memcpy(rolled + (size_t)t * FD_SYMBOLS, x + (size_t)((t + k) % T) * FD_SYMBOLS, FD_SYMBOLS * sizeof *x);
    float *y = latents(&r, r.state->array[FD_STUDENT], T, x), *y_rolled = latents(&r, r.state->array[FD_STUDENT], T, rolled);
    for (int t = 0; t < T; t++) assert_memory_equal(y_rolled + (size_t)t * d, y + (size_t)((t + k) % T) * d, d * sizeof *y);
    free(x), free(rolled), free(y), free(y_rolled), free(w.symbols);
    close_run(&r);
  }
}

/* One network of ceil(log2 T) blocks with enough tracks: every output depends on every input; with one block fewer it does
 * not. */
static void every_output_sees_every_input(void **state) {
  (void)state;
  const int lengths[] = {64, 130};
  for (int i = 0; i < 2; i++) {
    for (int missing = 0; missing < 2; missing++) {
      int T = lengths[i], blocks = i ? 8 : 6, unseen = 0;
      small_run r = {.config = small_config((blocks + 1) * 2, 24, 2, 1)};
      r.config.model.blocks = blocks - missing;
      r.config.train.batch = r.config.train.virtual_ranks = 1;
      fd_windows w = one_window(T - 10);
      open_run(&r, &w);
      size_t d = (size_t)r.network->channels;
      /* Large weights, so that the effect does not vanish below rounding over many blocks. */
      for (size_t j = 0; j < r.network->params.size; j++) r.state->array[FD_STUDENT][j] *= 2;
      float *x = random_rows(T), *y = latents(&r, r.state->array[FD_STUDENT], T, x);
      x[0] += 0.5f; /* changes only input position 0; other positions follow by circularity */
      float *changed = latents(&r, r.state->array[FD_STUDENT], T, x);
      for (int t = 0; t < T; t++) unseen += !memcmp(y + (size_t)t * d, changed + (size_t)t * d, d * sizeof *y);
      if (!missing) assert_int_equal(unseen, 0);
      else if (T == 64) assert_int_equal(unseen, 1); /* the distance 63 = 1 + 2 + 4 + 8 + 16 + 32 takes six blocks */
      free(x), free(y), free(changed), free(w.symbols);
      close_run(&r);
    }
  }
}

static void paper_model_has_its_parameters(void **state) {
  (void)state;
  fd_config c;
  fd_config_defaults(&c);
  fd_network *network;
  assert_ok(fd_network_create(&network, &c, 1000));
  assert_int_equal(network->blocks, 10);
  assert_int_equal(network->params.size, 12651873);
  fd_network_destroy(&network);
}

static void tree_of_sums_is_balanced_and_bounded(void **state) {
  (void)state;
  fd_config c = small_config(4, 4, 2, 1);
  fd_device *dev;
  assert_ok(fd_device_open(&dev, &c, 0, 1));
  for (int n = 1; n <= 64; n *= 2) {
    fd_gradients *g;
    float leaf[64], *sum;
    double *statistics;
    assert_ok(fd_gradients_create(&g, dev, fd_comm_self(), NULL, &(fd_gradients_shape){.leaves = n, .size = 1, .statistics = 1}));
    int log2n = 0;
    while (1 << log2n < n) log2n++;
    assert_true(fd_gradients_buffers(g) <= log2n + 2);
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < n; i++) {
        float *out = fd_gradients_leaf(g, &statistics);
        *out = leaf[i] = 1.0f / (float)(3 * i + round + 1);
        *statistics = i;
        fd_gradients_add(g);
      }
      for (int width = n; width > 1; width /= 2) /* pairs of neighbours */
        for (int i = 0; i < width / 2; i++) leaf[i] = leaf[2 * i] + leaf[2 * i + 1];
      assert_ok(fd_gradients_finish(g, &sum, &statistics));
      assert_true(*sum == leaf[0]);
      assert_near(*statistics, n * (n - 1) / 2.0, 0);
    }
    fd_gradients_destroy(&g);
  }
  fd_device_close(&dev);
}

static void schedules_equal_given_values(void **state) {
  (void)state;
  json_t *root = json_load_file("tests/golden/schedules.json", 0, NULL);
  fd_config c;
  fd_config_defaults(&c);
  for (int t = 0; t < 100; t++) {
    assert_near(fd_schedule_lr(&c, t, 100), json_number_value(json_array_get(json_object_get(root, "lr"), (size_t)t)), 1e-15);
    assert_near(fd_schedule_momentum(&c, t, 100), json_number_value(json_array_get(json_object_get(root, "ema"), (size_t)t)),
                1e-15);
  }
  assert_int_equal(fd_schedule_steps(&c, 100000), 50 * 100000 / 64);
  c.optim.schedule = FD_SCHEDULE_ONE_CYCLE;
  for (int steps = 1; steps < 5; steps++)
    for (int t = 0; t < steps; t++)
      for (c.optim.warmup = 0; c.optim.warmup <= 1; c.optim.warmup += 0.125)
        assert_true(fd_schedule_lr(&c, t, steps) > 0 && fd_schedule_lr(&c, t, steps) <= c.optim.lr * (1 + 1e-12));
  json_decref(root);
}

/* An order-2 chain: the next symbol is a function of the last two with probability 0.9. */
static fd_windows chain_windows(int count, int length, uint64_t seed) {
  static const uint8_t next[4][4] = {{3, 1, 2, 0}, {2, 3, 0, 1}, {3, 1, 0, 2}, {3, 0, 1, 2}};
  fd_windows w = {count, length, malloc((size_t)(count * length)), NULL, NULL};
  for (int i = 0; i < count * length; i++) {
    uint32_t word[4];
    fd_philox(word, drawn_key(seed), 1, (uint64_t)i);
    int t = i % length;
    w.symbols[i] = t >= 2 && fd_unit(word[0]) < 0.9f ? next[w.symbols[i - 2]][w.symbols[i - 1]] : (uint8_t)fd_below(word[1], 4);
  }
  return w;
}

static void learning_happens(void **state) {
  (void)state;
  fd_windows train = chain_windows(2400, 118, 1), held_out = chain_windows(128, 118, 2);
  small_run r = {.config = small_config(32, 64, 4, 1)};
  r.config.train.batch = r.config.train.virtual_ranks = 8;
  r.config.train.steps = 300;
  r.config.optim.lr = 3e-3;
  open_run(&r, &train);
  fd_held_out before, after;
  fd_monitor monitor;
  fd_step step;
  assert_ok(fd_evaluate_held_out(r.trainer, FD_STUDENT, &held_out, 128, NULL, &before));
  assert_ok(fd_evaluate_monitor(r.trainer, &held_out, 128, &monitor));
  assert_true(monitor.entropy > 0 && monitor.entropy <= monitor.entropy_limit && fabs(monitor.correlation) <= 1);
  for (int t = 0; t < 300; t++) {
    assert_ok(fd_trainer_step(r.trainer, &step));
    assert_false(step.skipped);
  }
  assert_ok(fd_evaluate_held_out(r.trainer, FD_STUDENT, &held_out, 128, NULL, &after));
  printf("# held-out accuracy %.1f %% -> %.1f %%, %.3f nats\n", 100 * before.accuracy, 100 * after.accuracy, after.loss);
  assert_true(before.accuracy < 0.45);
  assert_true(after.accuracy >= 0.65);
  assert_true(after.loss < 1.0);
  close_run(&r);
  free(train.symbols), free(held_out.symbols);
}

/* A gradient that is not finite changes only the position in the data. */
static void steps_without_finite_gradients_are_skipped(void **state) {
  (void)state;
  fd_windows train = chain_windows(64, 54, 1);
  small_run r = {.config = small_config(12, 16, 2, 1)};
  r.config.train.batch = r.config.train.virtual_ranks = 4;
  r.config.train.steps = 10;
  open_run(&r, &train);
  fd_step step;
  size_t n = r.network->params.size * sizeof(float), c = r.state->size[FD_CENTRE] * sizeof(float);
  assert_ok(fd_trainer_step(r.trainer, &step));
  float *teacher = malloc(n), *m = malloc(n), *centre = malloc(c);
  memcpy(teacher, r.state->array[FD_TEACHER], n), memcpy(m, r.state->array[FD_ADAM_M], n),
      memcpy(centre, r.state->array[FD_CENTRE], c);
  float kept = r.state->array[FD_STUDENT][3];
  r.state->array[FD_STUDENT][3] = INFINITY;
  assert_ok(fd_trainer_step(r.trainer, &step));
  assert_true(step.skipped);
  assert_memory_equal(teacher, r.state->array[FD_TEACHER], n);
  assert_memory_equal(m, r.state->array[FD_ADAM_M], n);
  assert_memory_equal(centre, r.state->array[FD_CENTRE], c);
  assert_true(r.state->step == 2 && r.state->skipped == 1 && r.state->updates == 1 && r.state->draws == 8);
  r.state->array[FD_STUDENT][3] = kept;
  assert_ok(fd_trainer_step(r.trainer, &step));
  assert_true(!step.skipped && r.state->bad_in_row == 0);
  close_run(&r);
  free(teacher), free(m), free(centre), free(train.symbols);
}

/* AdamW's bias correction counts updates: after a skipped step, a run updates like one that never made it, on the same windows.
 */
static void a_skipped_step_is_no_update(void **state) {
  (void)state;
  fd_windows train = chain_windows(64, 54, 1);
  small_run skips = {.config = small_config(12, 16, 2, 1)};
  skips.config.train.batch = skips.config.train.virtual_ranks = 4;
  skips.config.train.steps = 10;
  skips.config.optim.schedule = FD_SCHEDULE_CONSTANT, skips.config.optim.warmup = 0;
  small_run plain = skips;
  fd_step step;
  open_run(&skips, &train);
  open_run(&plain, &train);
  assert_ok(fd_trainer_step(skips.trainer, &step));
  assert_ok(fd_trainer_step(plain.trainer, &step));
  float kept = skips.state->array[FD_STUDENT][3];
  skips.state->array[FD_STUDENT][3] = INFINITY;
  assert_ok(fd_trainer_step(skips.trainer, &step));
  assert_true(step.skipped);
  skips.state->array[FD_STUDENT][3] = kept;
  plain.state->draws += 4;
  assert_ok(fd_trainer_step(skips.trainer, &step));
  assert_ok(fd_trainer_step(plain.trainer, &step));
  assert_int_equal(skips.state->updates, 2);
  static const fd_array arrays[] = {FD_STUDENT, FD_ADAM_M, FD_ADAM_V};
  for (int i = 0; i < 3; i++)
    assert_memory_equal(skips.state->array[arrays[i]], plain.state->array[arrays[i]],
                        plain.state->size[arrays[i]] * sizeof(float));
  close_run(&skips);
  close_run(&plain);
  free(train.symbols);
}

/* A value in the state that is not finite: the step is skipped if it affects the loss or the gradient, and fails if it affects
 * only the update. Infinity in the second moment changes no weight; a checkpoint refuses it (test_numbers.sh). */
static void a_state_that_is_not_finite_is_not_trained_on(void **state) {
  (void)state;
  static const float bad[] = {NAN, INFINITY, -INFINITY};
  fd_windows train = chain_windows(64, 54, 1);
  for (int array = 0; array < FD_ARRAYS; array++) {
    for (int k = 0; k < 3 && array != FD_BEST; k++) {
      small_run r = {.config = small_config(12, 16, 2, 1)};
      r.config.train.batch = r.config.train.virtual_ranks = 4;
      r.config.train.steps = 10;
      open_run(&r, &train);
      fd_step step;
      for (int i = 0; i < 2; i++) assert_ok(fd_trainer_step(r.trainer, &step));
      r.state->array[array][r.state->size[array] / 2] = bad[k];
      fd_status status = fd_trainer_step(r.trainer, &step);
      if (array == FD_ADAM_V && bad[k] > 0) assert_ok(status);
      else if (array == FD_ADAM_M || array == FD_ADAM_V || (array == FD_CENTRE && bad[k] > 0))
        assert_int_equal(status, FD_NUMERIC); /* an infinite centre makes a probability of 0 */
      else assert_true(status == FD_OK && step.skipped && r.state->bad_in_row == 1 && r.state->updates == 2);
      close_run(&r);
    }
  }
  free(train.symbols);
}

/* Finite gradients whose squares overflow fp32: without the guard the second moment would be infinite. */
static void gradients_too_large_to_square_are_skipped(void **state) {
  (void)state;
  fd_windows train = chain_windows(64, 54, 1);
  for (int clipped = 0; clipped < 2; clipped++) {
    small_run r = {.config = small_config(12, 16, 2, 1)};
    r.config.train.batch = r.config.train.virtual_ranks = 4;
    r.config.train.steps = 10;
    r.config.objective.mnm_weight = 1e24;
    r.config.optim.clip = clipped;
    open_run(&r, &train);
    fd_step step;
    for (int i = 0; i < 3; i++) assert_ok(fd_trainer_step(r.trainer, &step));
    assert_true(isfinite(step.grad_norm) && step.grad_norm > 1e20);
    assert_int_equal(r.state->skipped, clipped ? 0 : 3);
    for (int array = 0; array < FD_ARRAYS; array++)
      assert_int_equal(fd_first_bad(r.state->array[array], r.state->size[array]), r.state->size[array]);
    close_run(&r);
  }
  free(train.symbols);
}

/* An update that makes parameters infinite, as the learning rate overflows fp32. */
static void an_update_that_is_not_finite_ends_the_run(void **state) {
  (void)state;
  fd_windows train = chain_windows(64, 54, 1);
  small_run r = {.config = small_config(12, 16, 2, 1)};
  r.config.train.batch = r.config.train.virtual_ranks = 4;
  r.config.train.steps = 10;
  r.config.optim.lr = 1e39, r.config.optim.schedule = FD_SCHEDULE_CONSTANT;
  open_run(&r, &train);
  fd_step step;
  assert_int_equal(fd_trainer_step(r.trainer, &step), FD_NUMERIC);
  close_run(&r);
  free(train.symbols);
}

/* model.recompute, and views that were not prepared ahead (after the position was moved, as on a resume), change no bit. */
static void ways_to_the_same_bits(void **state) {
  (void)state;
  fd_windows windows = many_windows(40, 50);
  small_run plain = {.config = busy_config()}, other = plain;
  fd_step a, b;
  other.config.model.recompute = 1;
  open_run(&plain, &windows);
  open_run(&other, &windows);
  size_t bytes = plain.network->params.size * sizeof(float);
  for (int i = 0; i < 6; i++) {
    assert_ok(fd_trainer_step(plain.trainer, &a));
    assert_ok(fd_trainer_step(other.trainer, &b));
    assert_true(a.loss == b.loss);
    if (i != 2) continue;
    assert_ok(fd_trainer_step(other.trainer, &b)); /* one step ahead, and back: its prepared views are the wrong ones */
    for (int k = 0; k < FD_ARRAYS; k++)
      if (plain.state->size[k]) memcpy(other.state->array[k], plain.state->array[k], plain.state->size[k] * sizeof(float));
    other.state->step = plain.state->step, other.state->draws = plain.state->draws, other.state->updates = plain.state->updates;
  }
  assert_memory_equal(plain.state->array[FD_STUDENT], other.state->array[FD_STUDENT], bytes);
  assert_memory_equal(plain.state->array[FD_TEACHER], other.state->array[FD_TEACHER], bytes);
  const fd_demand demand = fd_trainer_student(&plain.config, 2);
  assert_true((double)fd_network_pass_size(other.network, other.dev->form, demand, (fd_extent){100, 2, 10}) <
              0.55 * (double)fd_network_pass_size(plain.network, plain.dev->form, demand, (fd_extent){100, 2, 10}));
  close_run(&plain);
  close_run(&other);
  free(windows.symbols);
}

static void no_outputs(void *context, const fd_outputs *outputs) { (void)context, (void)outputs; }

/* What a test records in a step: the gradient, and whether the rows that the [CLS] term compares equal a plain projection of the
 * latents. */
typedef struct looked {
  small_run *run;
  float *gradient;
  int rows;
} looked;

static void keep_gradient(void *context, const float *gradient) {
  looked *l = context;
  memcpy(l->gradient, gradient, l->run->network->params.size * sizeof *gradient);
}

static double weight_at(const looked *l, const char *name, int row, int column) {
  const fd_param *p = fd_params_find(&l->run->network->params, name);
  return (double)
      l->run->state->array[FD_STUDENT][p->offset + (size_t)row * (size_t)(p->dims == 2 ? p->shape[1] : 1) + (size_t)column];
}

static void check_projection(void *context, const fd_outputs *o) {
  looked *l = context;
  const fd_config *config = &l->run->config;
  const fd_seqs *seqs = &o->batch->seqs;
  const fd_compared compared = fd_objective_compare(config, o);
  const float *latent = fd_network_output(o->network, o->student, FD_OUT_LATENT).at;
  int mean = config->objective.projection_of == FD_FEATURES_TOKENS, each = mean ? 1 : seqs->cls;
  int units = (int)config->model.hidden, channels = o->network->channels, outputs = (int)config->objective.prototypes;
  assert_int_equal(fd_seqs_rows(compared.seqs), seqs->count * each);
  for (int s = 0; s < seqs->count; s++)
    for (int k = 0; k < each; k++, l->rows++) {
      int middle = seqs->start[s + 1] - seqs->cls, first = mean ? seqs->start[s] : middle + k, last = mean ? middle : first + 1;
      const float *z = (const float *)compared.student.at + (size_t)(s * each + k) * (size_t)outputs;
      double hidden[64], x[64] = {0};
      for (int r = first; r < last; r++)
        for (int c = 0; c < channels; c++) x[c] += (double)latent[(size_t)r * (size_t)channels + (size_t)c] / (last - first);
      for (int h = 0; h < units; h++) {
        hidden[h] = weight_at(l, "projection.hidden.bias", h, 0);
        for (int c = 0; c < channels; c++) hidden[h] += weight_at(l, "projection.hidden.weight", h, c) * x[c];
        hidden[h] *= 0.5 * (1 + erf(hidden[h] * M_SQRT1_2));
      }
      for (int i = 0; i < outputs; i++) {
        double sum = weight_at(l, "projection.out.bias", i, 0);
        for (int h = 0; h < units; h++) sum += weight_at(l, "projection.out.weight", i, h) * hidden[h];
        assert_near((double)z[i], sum, 1e-5);
      }
    }
}

static double loss_with(small_run *r, size_t i, float value) {
  float *w = r->state->array[FD_STUDENT], old = w[i];
  fd_step step;
  w[i] = value;
  r->state->draws = 0, r->state->step = 0; /* learning rate 0 and centre momentum 1: a step changes neither weights nor centre */
  assert_ok(fd_trainer_step(r->trainer, &step));
  w[i] = old;
  return step.loss;
}

/* The gradient of the whole loss with a projection and with learned [CLS] tokens, for both axes of the softmax. */
static void gradients_equal_finite_differences(void **state) {
  (void)state;
  fd_windows windows = many_windows(40, 50);
  for (int n = 0; n < 10; n++) {
    small_run r = {.config = small_config(15, 14, 3, 1)};
    fd_config *c = &r.config;
    c->model.cls = 3, c->model.cls_tokens = n & 1;
    int mean = n >= 8, projected = mean || n & 2;
    c->objective.projection_of = mean ? FD_FEATURES_TOKENS : FD_FEATURES_CLS;
    c->objective.cl_space = projected ? FD_SPACE_PROJECTION : FD_SPACE_LATENT, c->objective.prototypes = 7;
    c->objective.cl_axis = mean || n & 4 ? FD_AXIS_D : FD_AXIS_K;
    c->objective.tau_student = 0.3, c->objective.tau_teacher = 0.2, c->objective.cl_weight = 3;
    c->teacher.momentum = c->teacher.centre_momentum = 1;
    c->optim.lr = 0, c->optim.schedule = FD_SCHEDULE_CONSTANT;
    c->train.batch = 8, c->train.virtual_ranks = 4, c->train.steps = 1000;
    open_run(&r, &windows);
    size_t size = r.network->params.size;
    float *w = r.state->array[FD_STUDENT], *teacher = r.state->array[FD_TEACHER];
    looked l = {&r, malloc(size * sizeof(float)), 0};
    const fd_trace_points points = {&l, check_projection, keep_gradient}, gradient_alone = {&l, no_outputs, keep_gradient};
    for (size_t i = 0; i < size; i++) teacher[i] *= 1.5f; /* else student and teacher would agree as closely as possible */
    r.trainer->points = projected ? &points : &gradient_alone;
    fd_step step;
    assert_ok(fd_trainer_step(r.trainer, &step));
    assert_int_equal(l.rows, projected ? 8 * (mean ? 1 : 3) : 0);
    r.trainer->points = NULL;
    double largest = 0;
    for (size_t i = 0; i < size; i++) largest = fmax(largest, fabs((double)l.gradient[i]));
    assert_true(largest > 1e-2);
    for (int k = 0; k < r.network->params.count; k++)
      for (int of = 0; of < 3; of++) {
        const fd_param *p = &r.network->params.item[k];
        uint32_t word[4];
        fd_philox(word, drawn_key(5), (uint64_t)(8 * k + n), (uint64_t)of);
        size_t i = p->offset + fd_below(word[0], (uint32_t)p->size);
        float h = 0.004f;
        double slope = (loss_with(&r, i, w[i] + h) - loss_with(&r, i, w[i] - h)) / (2 * (double)h);
        assert_near((double)l.gradient[i], slope, 2e-3 * largest);
      }
    free(l.gradient);
    close_run(&r);
  }
  free(windows.symbols);
}

/* Learning rate, momentum and beta1 follow from the number of the step, whether or not the steps before it updated anything. */
static void schedules_count_steps(void **state) {
  (void)state;
  fd_windows windows = many_windows(40, 50);
  small_run r = {.config = busy_config()};
  fd_step step;
  r.config.optim.schedule = FD_SCHEDULE_ONE_CYCLE;
  open_run(&r, &windows);
  size_t n = r.network->params.size, i = n / 2;
  looked l = {&r, malloc(n * sizeof(float)), 0};
  r.trainer->points = &(fd_trace_points){&l, no_outputs, keep_gradient};
  for (int t = 0; t < 4; t++) {
    float kept = r.state->array[FD_STUDENT][3];
    double m = (double)r.state->array[FD_ADAM_M][i], b1 = fd_schedule_beta1(&r.config, t, 12);
    if (t == 1) r.state->array[FD_STUDENT][3] = INFINITY;
    assert_ok(fd_trainer_step(r.trainer, &step));
    assert_int_equal(step.skipped, t == 1);
    assert_near(step.lr, fd_schedule_lr(&r.config, t, 12), 0);
    assert_near(step.momentum, fd_schedule_momentum(&r.config, t, 12), 0);
    if (t == 1) r.state->array[FD_STUDENT][3] = kept;
    else m = b1 * m + (1 - b1) * step.clip * (double)l.gradient[i];
    assert_near((double)r.state->array[FD_ADAM_M][i], m, 1e-5 * fabs(m));
  }
  free(l.gradient);
  close_run(&r);
  free(windows.symbols);
}

/* [CLS] tokens that are not learned start from equal rows; learned ones do not, and each of them changes in training. */
static void learned_tokens_differ(void **state) {
  (void)state;
  fd_windows windows = many_windows(40, 50);
  small_run r = {.config = busy_config()};
  open_run(&r, &windows);
  const fd_param *p = fd_params_find(&r.network->params, "embedding.cls");
  assert_true(p && p->shape[0] == 10 && p->shape[1] == 24);
  assert_true(fd_network_core(r.network) < r.network->params.size); /* the projection follows the core */
  size_t n = p->size * sizeof(float);
  float *before = malloc(n), *at = r.state->array[FD_STUDENT] + p->offset;
  memcpy(before, at, n);
  fd_step step;
  for (int i = 0; i < 3; i++) assert_ok(fd_trainer_step(r.trainer, &step));
  for (int k = 0; k < 10; k++) {
    assert_memory_not_equal(at + 24 * k, before + 24 * k, 24 * sizeof(float));
    for (int other = 0; other < k; other++) assert_memory_not_equal(at + 24 * k, at + 24 * other, 24 * sizeof(float));
  }
  free(before);
  close_run(&r);
  free(windows.symbols);
}

/* Without its loss term the projection does not exist even if configured: only the moving average. */
static void no_term_no_projection(void **state) {
  (void)state;
  fd_windows windows = many_windows(40, 50);
  small_run r = {.config = busy_config()};
  r.config.objective.cl_weight = 0;
  open_run(&r, &windows);
  assert_int_equal(fd_network_core(r.network), r.network->params.size);
  fd_step step;
  assert_ok(fd_trainer_step(r.trainer, &step));
  assert_true(!step.skipped && r.state->size[FD_CENTRE] == 10 * FD_SYMBOLS);
  close_run(&r);
  free(windows.symbols);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(networks_are_circular),
      cmocka_unit_test(every_output_sees_every_input),
      cmocka_unit_test(paper_model_has_its_parameters),
      cmocka_unit_test(tree_of_sums_is_balanced_and_bounded),
      cmocka_unit_test(schedules_equal_given_values),
      cmocka_unit_test(learning_happens),
      cmocka_unit_test(steps_without_finite_gradients_are_skipped),
      cmocka_unit_test(a_skipped_step_is_no_update),
      cmocka_unit_test(a_state_that_is_not_finite_is_not_trained_on),
      cmocka_unit_test(gradients_too_large_to_square_are_skipped),
      cmocka_unit_test(an_update_that_is_not_finite_ends_the_run),
      cmocka_unit_test(ways_to_the_same_bits),
      cmocka_unit_test(gradients_equal_finite_differences),
      cmocka_unit_test(schedules_count_steps),
      cmocka_unit_test(learned_tokens_differ),
      cmocka_unit_test(no_term_no_projection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
