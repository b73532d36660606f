/* HAD: student, decoder, alignment with a frozen teacher, gradients and weights after steps, compared with golden5's values from
 * independent implementations (had_d32, had_with_n), on the CPU and on the emulated GPU or the GPU of FINDNA_PLUGIN; and the size
 * of the published student. */
#include "find_gpu.h"
#include "golden5.h"

#include <stdlib.h>

#include "objective/frozen.h"
#include "objective/objective.h"
#include "train/decay.h"

enum { STEPS = 3, SETTINGS = 40 };

/* A student and its teacher, their state, and passes over the batches of a golden file. */
typedef struct work {
  golden5 g;
  fd_config config, teacher_config;
  fd_device *dev;
  fd_network *network, *teacher;
  fd_frozen *frozen;
  float *taught; /* the teacher's weights */
  fd_pass *pass;
  fd_spaces spaces;
  fd_batch *batch;
  fd_totals totals;
  int count, length, groups; /* sequences of a batch; letters and groups of each */
  uint8_t *hidden;
  float *params, *grads, *moments[2]; /* device */
  double *sums;
} work;

static int number(const work *w, const char *section, const char *name) {
  json_t *config = json_object_get(w->g.root, "config");
  return (int)json_integer_value(json_object_get(*section ? json_object_get(config, section) : config, name));
}

/* Adds "key=value" to settings. */
static void set(char settings[][48], int *n, const char *key, int value) {
  assert_true(*n < SETTINGS);
  snprintf(settings[(*n)++], 48, "%s=%d", key, value);
}

static void parse(fd_config *config, char settings[][48], int n) {
  char *list[SETTINGS];
  for (int i = 0; i < n; i++) list[i] = settings[i];
  assert_ok(fd_config_parse(config, "", 0, "test", list, n));
}

static void configure(work *w, const char *device, const char *pool, const char *weight) {
  static const char *const fixed[] = {
      "model.encoder=had",   "model.tokenizer=letters", "model.vocabulary=7",   "objective.mnm_weight=0", "objective.cl_weight=0",
      "teacher.kind=frozen", "optim.lr=0.001",          "optim.beta2=0.95",     "optim.weight_decay=0.1", "optim.decay=matrices",
      "optim.clip=1",        "device.threads=2",        "device.precision=fp32"};
  char settings[SETTINGS][48];
  int n = 0;
  for (; n < (int)(sizeof fixed / sizeof *fixed); n++) snprintf(settings[n], 48, "%s", fixed[n]);
  snprintf(settings[n++], 48, "%s", device), snprintf(settings[n++], 48, "%s", pool), snprintf(settings[n++], 48, "%s", weight);
  set(settings, &n, "model.channels", number(w, "", "d")), set(settings, &n, "model.layers", number(w, "", "gdn_layers"));
  set(settings, &n, "model.heads", number(w, "", "attn_heads")), set(settings, &n, "model.hidden", number(w, "", "ffn"));
  set(settings, &n, "model.delta_heads", number(w, "gdn", "heads")),
      set(settings, &n, "model.delta_keys", number(w, "gdn", "dk"));
  set(settings, &n, "model.delta_values", number(w, "gdn", "dv"));
  set(settings, &n, "model.decoder_hidden", number(w, "", "decoder_ffn"));
  set(settings, &n, "teacher.width", number(w, "teacher", "d"));
  parse(&w->config, settings, n);
  n = 0;
  snprintf(settings[n++], 48, "model.encoder=nt_v2"), snprintf(settings[n++], 48, "model.epsilon=1e-12");
  set(settings, &n, "model.channels", number(w, "teacher", "d")),
      set(settings, &n, "model.layers", number(w, "teacher", "layers"));
  set(settings, &n, "model.heads", number(w, "teacher", "heads")), set(settings, &n, "model.hidden", number(w, "teacher", "ffn"));
  parse(&w->teacher_config, settings, n);
}

/* A parameter's name in the golden file: the decoder's query, a table of one row here, has another name. */
static const char *theirs(const char *ours) { return !strcmp(ours, "decoder.query.weight") ? "decoder.query" : ours; }

static float *values_of(const work *w, const char *group, const fd_params *params) {
  float *values = calloc(params->size, sizeof *values);
  for (int i = 0; i < params->count; i++) {
    const fd_param *p = &params->item[i];
    char full[160];
    snprintf(full, sizeof full, "%s%s", group, theirs(p->name));
    const fd_tensor *t = fd_safetensors_find(&w->g.theirs, full);
    if (!t) continue; /* the teacher's head of masked words, which is never run */
    assert_int_equal(t->bytes, p->size * sizeof *values);
    memcpy(values + p->offset, t->data, t->bytes);
  }
  return values;
}

static void open_state(work *w) {
  size_t bytes = w->network->params.size * sizeof(float);
  float *values = values_of(w, "w0.", &w->network->params);
  w->params = on_device(w->dev, values, bytes), w->grads = on_device(w->dev, NULL, bytes);
  for (int i = 0; i < 2; i++) w->moments[i] = on_device(w->dev, NULL, bytes);
  w->sums = on_device(w->dev, NULL, FD_TERMS * sizeof *w->sums);
  free(values);
}

static void open_teacher(work *w) {
  w->taught = values_of(w, "teacher.", &w->teacher->params);
  const fd_beside beside = {.tokens = w->groups + 1, .ids = 1, .aligned = w->length};
  assert_ok(fd_frozen_create(&w->frozen, w->dev, w->teacher, w->taught, 1u << FD_OUT_LATENT,
                             (fd_extent){w->count * (w->groups + 1), w->count, 0}));
  assert_ok(fd_batch_add(w->batch, &beside, w->count));
}

static int open_work(work *w, const char *file, const char *device, const char *pool, const char *weight) {
  memset(w, 0, sizeof *w);
  if (!golden5_open(&w->g, file)) return 0;
  configure(w, device, pool, weight);
  w->count = number(w, "", "batch"), w->groups = number(w, "", "groups"), w->length = FD_GROUP * w->groups;
  int rows = w->count * w->length;
  fd_extent extent = {rows, w->count, 0};
  assert_ok(fd_device_open(&w->dev, &w->config, 0, 1));
  assert_ok(fd_network_create(&w->network, &w->config, w->length));
  assert_ok(fd_network_create(&w->teacher, &w->teacher_config, w->length));
  open_state(w);
  w->hidden = malloc((size_t)rows);
  assert_ok(fd_batch_create(&w->batch, w->dev, w->count, rows, 0));
  open_teacher(w);
  unsigned reads = fd_objective_reads(&w->config);
  assert_ok(fd_network_pass(&w->pass, w->network, w->dev, (fd_demand){reads | 1u << FD_OUT_LATENT, reads, 0}, extent));
  assert_ok(fd_spaces_create(&w->spaces, w->dev, fd_pass_spaces(w->pass), extent));
  return 1;
}

static void close_work(work *w) {
  void *all[] = {w->params, w->grads, w->moments[0], w->moments[1], w->sums};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) w->dev->release(w->dev, all[i]);
  fd_pass_destroy(&w->pass);
  fd_spaces_destroy(&w->spaces);
  fd_batch_destroy(&w->batch);
  fd_frozen_destroy(&w->frozen);
  fd_network_destroy(&w->network);
  fd_network_destroy(&w->teacher);
  fd_device_close(&w->dev);
  golden5_close(&w->g);
  free(w->hidden), free(w->taught);
}

/* Sets the row of the teacher's features with which each group, or letter, is aligned; -1: none. */
static void fill_aligned(work *w, const uint8_t *aligned) {
  int each = w->config.objective.distil_pool == FD_DISTIL_REPEAT ? FD_GROUP : 1, n = w->count * w->groups * each;
  w->batch->aligned_rows = 0;
  for (int r = 0; r < n; r++) {
    int group = r / each;
    w->batch->host_aligned[r] = aligned[group] ? group / w->groups * (w->groups + 1) + 1 + group % w->groups : -1;
    w->batch->aligned_rows += aligned[group];
  }
  assert_ok(w->dev->copy(w->dev, w->batch->aligned, w->batch->host_aligned, (size_t)n * sizeof(int)));
}

static void take_batch(work *w, int step) {
  char group[16];
  snprintf(group, sizeof group, "in%d.", step);
  const int *ids = golden5_find(&w->g, group, "ids")->data, *target = golden5_find(&w->g, group, "target")->data,
            *taught = golden5_find(&w->g, group, "teacher_ids")->data;
  int rows = w->count * w->length, n = 0;
  fd_batch *b = w->batch;
  for (int i = 0; i <= w->count; i++) b->seqs.start[i] = i * w->length;
  for (int r = 0; r < rows; r++) {
    w->hidden[r] = target[r] >= 0;
    if (w->hidden[r]) b->host_target[n] = (float)target[r], b->host_target[rows + n++] = 1;
  }
  b->seqs.count = w->count, b->seqs.hidden = w->hidden, b->rows = rows, b->masked = n;
  assert_ok(fd_seqs_send(&b->seqs, w->dev));
  assert_ok(w->dev->copy(w->dev, b->student, ids, (size_t)rows * sizeof *ids));
  assert_ok(w->dev->copy(w->dev, b->target, b->host_target, (size_t)n * sizeof(float)));
  assert_ok(w->dev->copy(w->dev, b->weight, b->host_target + rows, (size_t)n * sizeof(float)));
  for (int i = 0; i < w->count; i++) fd_view_put_ids(b->taught, i, taught + i * (w->groups + 1), w->groups + 1);
  assert_ok(fd_view_send(b->taught, w->count));
  fill_aligned(w, golden5_find(&w->g, group, "aligned")->data);
  assert_ok(fd_spaces_set(&w->spaces, &b->seqs));
  assert_ok(fd_frozen_take(w->frozen, b->taught));
  w->totals = (fd_totals){w->count, n, 0, (double)b->aligned_rows};
}

static void compare_rows(work *w, const char *name, fd_mat m, int width) {
  const fd_tensor *t = golden5_find(&w->g, "", name);
  const float *expected = t->data;
  int rows = (int)(t->bytes / sizeof(float)) / width;
  float *ours = malloc(t->bytes);
  assert_ok(fd_mat_read(w->dev, m, 0, rows, width, ours));
  for (int i = 0; i < rows * width; i++)
    if (!(fabs((double)ours[i] - (double)expected[i]) <= golden5_bound_of(&w->g, name)))
      fail_msg("%s[%d]: %.9g, expected %.9g", name, i, (double)ours[i], (double)expected[i]);
  free(ours);
}

/* Compares gradients (`rate` 0), or weights after steps with this learning rate, which bounds their deviation. */
static void compare_all(work *w, const char *group, const float *values, double rate) {
  golden5_bound moved = golden5_moved(&w->g, group, rate);
  double bound = rate > 0 ? moved.value : golden5_bound_of(&w->g, group), root = rate > 0 ? moved.rms : bound, squares = 0;
  size_t size = w->network->params.size;
  float *ours = malloc(size * sizeof *ours);
  char prefix[32];
  snprintf(prefix, sizeof prefix, "%s.", group);
  assert_ok(w->dev->copy(w->dev, ours, values, size * sizeof *ours));
  assert_ok(w->dev->sync(w->dev));
  for (int i = 0; i < w->network->params.count; i++) {
    const fd_param *p = &w->network->params.item[i];
    const float *expected = golden5_find(&w->g, prefix, theirs(p->name))->data;
    for (size_t k = 0; k < p->size; k++) {
      double d = (double)ours[p->offset + k] - (double)expected[k];
      squares += d * d;
      if (!(fabs(d) <= bound)) fail_msg("%s.%s[%zu]: off by %.3g, allowed %.3g", group, p->name, k, d, bound);
    }
  }
  if (!(sqrt(squares / (double)size) <= root)) fail_msg("%s: root mean square %.3g", group, sqrt(squares / (double)size));
  free(ours);
}

static double run(work *w, int look, double *terms) {
  double sums[FD_TERMS];
  const fd_outputs outputs = {
      .batch = w->batch, .spaces = &w->spaces, .network = w->network, .student = w->pass, .frozen = w->frozen};
  fd_frozen_forward(w->frozen);
  fd_pass_forward(w->pass, &w->spaces, w->params, w->batch->student);
  if (look) compare_rows(w, "student", fd_network_output(w->network, w->pass, FD_OUT_LATENT), w->network->channels);
  if (look) compare_rows(w, "logits", fd_network_output(w->network, w->pass, FD_OUT_HIDDEN), 4);
  fd_pass_clear(w->pass);
  w->dev->ops.zero(w->dev, sizeof sums, w->sums);
  fd_objective_run(&w->config, w->dev, &outputs, &w->totals, w->sums);
  fd_pass_backward(w->pass, w->grads, NULL);
  assert_ok(w->dev->copy(w->dev, sums, w->sums, sizeof sums));
  assert_ok(w->dev->sync(w->dev));
  return fd_objective_loss(&w->config, &w->totals, sums, terms);
}

static void compare_losses(json_t *expected, double loss, const double *terms) {
  golden5_loss(expected, "loss", loss);
  golden5_loss(expected, "rec", terms[FD_TERM_hidden]);
  golden5_loss(expected, "dist", terms[FD_TERM_distil]);
}

/* AdamW with clipping, without weight decay of biases, norms and the like. */
static void update(work *w, int step, json_t *expected) {
  double squares, norm, b1 = 0.9, b2 = 0.95;
  w->dev->ops.sum_squares(w->dev, w->network->params.size, w->grads, &squares);
  norm = sqrt(squares);
  assert_near(norm, json_number_value(json_object_get(expected, "grad_norm")), 1e-4 * norm);
  const fd_adamw h = {.lr = 1e-3f,
                      .decay = (float)(1e-3 * w->config.optim.weight_decay),
                      .epsilon = 1e-8f,
                      .beta1 = (float)b1,
                      .rest1 = (float)(1 - b1),
                      .beta2 = (float)b2,
                      .rest2 = (float)(1 - b2),
                      .c1 = (float)(1 - pow(b1, step + 1)),
                      .c2 = (float)(1 - pow(b2, step + 1)),
                      .clip = (float)fmin(1, 1 / (norm + 1e-6))};
  const fd_decayed arrays = {w->grads, w->params, w->moments[0], w->moments[1], NULL, 0};
  fd_decay_update(&w->config, w->dev, &w->network->params, &h, &arrays);
}

static void check(const char *file, const char *name, const char *device, const char *pool, const char *weight) {
  work w;
  char part[48];
  if (!open_work(&w, file, device, pool, weight)) return;
  for (int step = 0; step < number(&w, "", "steps"); step++) {
    double terms[FD_TERMS];
    json_t *expected = golden5_step(&w.g, name, step);
    take_batch(&w, step);
    compare_losses(expected, run(&w, step == 0, terms), terms);
    snprintf(part, sizeof part, "%s.grad", name);
    if (step == 0) compare_all(&w, part, w.grads, 0);
    update(&w, step, expected);
    snprintf(part, sizeof part, "%s.w%d", name, step + 1);
    if (step != 1 && number(&w, "", "steps") == STEPS) compare_all(&w, part, w.params, 1e-3);
  }
  close_work(&w);
}

static void check_all(const char *device) {
  check("had_d32", "lambda1_mean", device, "objective.distil_pool=mean", "objective.distil_weight=1");
  check("had_d32", "lambda1_repeat", device, "objective.distil_pool=repeat", "objective.distil_weight=1");
  check("had_d32", "lambda0", device, "objective.distil_pool=mean", "objective.distil_weight=0");
  check("had_with_n", "lambda2_mean", device, "objective.distil_pool=mean", "objective.distil_weight=2");
  check("had_with_n", "lambda2_repeat", device, "objective.distil_pool=repeat", "objective.distil_weight=2");
}

static void steps_on_the_cpu(void **state) {
  (void)state;
  check_all("device.kind=cpu");
  check_all("device.simd=generic");
}

static void steps_on_the_gpu(void **state) {
  (void)state;
  if (find_gpu()) check_all("device.kind=cuda");
}

/* The paper's 1.1 million parameters, counted without the projection, which is dropped after pretraining. */
static void the_student_has_a_million_parameters(void **state) {
  (void)state;
  char settings[][48] = {"model.encoder=had",   "model.tokenizer=letters", "model.vocabulary=7",       "model.channels=128",
                         "model.layers=4",      "model.heads=4",           "objective.mnm_weight=0",   "objective.cl_weight=0",
                         "teacher.kind=frozen", "teacher.width=1024",      "objective.distil_weight=1"};
  fd_config config;
  fd_network *network;
  parse(&config, settings, (int)(sizeof settings / sizeof *settings));
  assert_ok(fd_network_create(&network, &config, 1020));
  assert_int_equal(fd_network_core(network), 1068704);
  assert_true(network->params.size > 1068704 + 1024 * 128);
  fd_network_destroy(&network);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_on_the_cpu), cmocka_unit_test(steps_on_the_gpu),
                                     cmocka_unit_test(the_student_has_a_million_parameters)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
