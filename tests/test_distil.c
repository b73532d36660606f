/* Distillation against golden5's values of independent implementations: the loss (kd_loss_*), and a training step of each
 * published student (kd_transformer, kd_hybrid, kd_cnn), on the CPU and on the emulated GPU or the GPU of FINDNA_PLUGIN; and
 * running statistics. */
#include "find_gpu.h"
#include "golden5.h"

#include "train/trainer.h"

enum { ALPHAS = 3, TEMPERATURES = 3 };

/* alpha CE + (1 - alpha) T^2 KL, both as means, at the README's bounds. */
static void check_losses(const char *name) {
  golden5 g;
  fd_config config;
  fd_device *dev;
  if (!golden5_open(&g, name)) return;
  fd_config_defaults(&config);
  assert_ok(fd_device_open(&dev, &config, 0, 1));
  const fd_tensor *z = fd_safetensors_find(&g.theirs, "student_logits"), *t = fd_safetensors_find(&g.theirs, "teacher_logits"),
                  *y = fd_safetensors_find(&g.theirs, "labels");
  int count = (int)z->shape[0], classes = (int)z->shape[1];
  float label[count], weight[count], dz[count * classes];
  for (int i = 0; i < count; i++) label[i] = (float)((const int *)y->data)[i], weight[i] = 1;
  json_t *losses = json_object_get(g.root, "losses");
  assert_int_equal(json_array_size(losses), ALPHAS * TEMPERATURES);
  for (size_t k = 0; k < ALPHAS * TEMPERATURES; k++) {
    json_t *expected = json_array_get(losses, k);
    double alpha = json_number_value(json_object_get(expected, "alpha")), T = json_number_value(json_object_get(expected, "T")),
           hard, soft, loss = json_number_value(json_object_get(expected, "loss"));
    char gradient[32];
    dev->ops.class_loss(dev, count, classes, z->data, label, weight, (float)(alpha / count), dz, &hard);
    dev->ops.soft_loss(dev, count, classes, z->data, t->data, (float)T, (float)((1 - alpha) / count), dz, &soft);
    assert_near(hard / count, json_number_value(json_object_get(expected, "hard")), 1e-5 * hard / count);
    assert_near(soft / count, json_number_value(json_object_get(expected, "soft")), 1e-5 * soft / count);
    assert_near((alpha * hard + (1 - alpha) * soft) / count, loss, 1e-5 * loss);
    snprintf(gradient, sizeof gradient, "grad.%.1f.%.0f", alpha, T);
    golden5_compare(&g, fd_safetensors_find(&g.theirs, gradient), dz);
  }
  fd_device_close(&dev);
  golden5_close(&g);
}

static void two_classes(void **state) { (void)state, check_losses("kd_loss_c2"); }
static void five_classes(void **state) { (void)state, check_losses("kd_loss_c5"); }

/* A student of the file, its trainer, and the results of a step. */
typedef struct student {
  golden5 g;
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  fd_trainer *trainer;
  int packed; /* padded tokens are left out; otherwise they are masked in attention */
  float *logits, *gradient, *weights;
  uint8_t *hidden;
} student;

static const fd_tensor *find(const student *t, const char *group, const char *name) {
  char full[192];
  snprintf(full, sizeof full, "%s%s", group, name);
  const fd_tensor *found = fd_safetensors_find(&t->g.theirs, full);
  if (!found) fail_msg("no tensor %s", full);
  return found;
}

/* The name of a parameter in the file. */
static const char *theirs(const char *ours, char name[128]) {
  if (!strncmp(ours, "task.hidden.", 12)) snprintf(name, 128, "bert.pooler.dense.%s", ours + 12);
  else if (!strncmp(ours, "task.out.", 9)) snprintf(name, 128, "classifier.%s", ours + 9);
  else snprintf(name, 128, "%s", ours);
  return name;
}

/* The hybrid has a single convolution, whose name in the file has no number. */
static const fd_tensor *tensor_of(const student *t, const char *group, const fd_param *p) {
  char name[128], full[192];
  snprintf(full, sizeof full, "%s%s", group, theirs(p->name, name));
  const fd_tensor *found = fd_safetensors_find(&t->g.theirs, full);
  return found || strncmp(p->name, "conv1.", 6) ? find(t, group, name)
                                                : (snprintf(name, sizeof name, "conv.%s", p->name + 6), find(t, group, name));
}

static void make(student *t, fd_batch *batch) {
  const fd_tensor *ids = find(t, "", "ids"), *taught = find(t, "", "teacher_logits");
  const uint8_t *attention = find(t, "", "attention")->data;
  int length = (int)ids->shape[1], at = 0, *to = (int *)(void *)batch->scratch;
  for (int i = 0; i < (int)ids->shape[0]; i++) {
    for (int k = i * length; k < (i + 1) * length; k++) {
      if (t->packed && !attention[k]) continue;
      t->hidden[at] = !attention[k];
      to[at++] = ((const int *)ids->data)[k];
    }
    batch->seqs.start[i + 1] = at;
    batch->host_target[i] = (float)((const int *)find(t, "", "labels")->data)[i];
    batch->host_target[ids->shape[0] + i] = 1;
  }
  memcpy(batch->host_logits, taught->data, taught->bytes);
  batch->seqs.count = (int)ids->shape[0], batch->rows = at;
  batch->seqs.hidden = t->packed ? NULL : t->hidden;
}

static void make_rows(void *context, uint64_t first, int count, fd_batch *batch) {
  (void)first, (void)count;
  make(context, batch);
}

static fd_status upload(void *context, fd_batch *batch) {
  (void)context;
  size_t count = (size_t)batch->seqs.count;
  FD_TRY(fd_seqs_send(&batch->seqs, batch->dev));
  FD_TRY(batch->dev->copy(batch->dev, batch->target, batch->host_target, count * sizeof(float)));
  FD_TRY(batch->dev->copy(batch->dev, batch->weight, batch->host_target + count, count * sizeof(float)));
  FD_TRY(batch->dev->copy(batch->dev, batch->logits, batch->host_logits, 2 * count * sizeof(float)));
  return batch->dev->copy(batch->dev, batch->student, batch->scratch, (size_t)batch->rows * sizeof(int));
}

static void take_outputs(void *context, const fd_outputs *outputs) {
  student *t = context;
  int count = outputs->batch->seqs.count;
  assert_ok(fd_mat_read(t->dev, fd_network_output(t->network, outputs->student, FD_OUT_TASK), 0, count, 2, t->logits));
}

static void take_gradient(void *context, const float *gradient) {
  student *t = context;
  assert_ok(t->dev->copy(t->dev, t->gradient, gradient, t->network->params.size * sizeof *gradient));
  assert_ok(t->dev->sync(t->dev));
}

static void put_weights(student *t) {
  for (int i = 0; i < t->network->params.count; i++) {
    const fd_param *p = &t->network->params.item[i];
    const fd_tensor *from = tensor_of(t, "w0.", p);
    assert_int_equal(from->bytes, p->size * sizeof(float));
    memcpy(t->weights + p->offset, from->data, from->bytes);
  }
  assert_ok(t->dev->copy(t->dev, t->state->array[FD_STUDENT], t->weights, t->network->params.size * sizeof(float)));
}

/* Sizes are from the file, other settings those of the students' published trainings. */
static void configure(student *t, const char *settings, const char *device) {
  char text[32][64], *setting[32], all[1024], *rest = all, *one;
  int n = 0;
  snprintf(all, sizeof all,
           "%s model.tokenizer=bpe model.vocabulary=521 objective.mnm_weight=0 objective.cl_weight=0 teacher.kind=logits "
           "task.outputs=2 optim.lr=0.001 optim.schedule=constant optim.warmup=0 optim.weight_decay=0.01 optim.decay=matrices "
           "optim.clip=1 "
           "train.virtual_ranks=1 device.threads=2 device.precision=fp32 %s",
           settings, device);
  while ((one = strsep(&rest, " "))) snprintf(setting[n] = text[n], sizeof *text, "%s", one), n++;
  json_t *c = json_object_get(t->g.root, "config");
  snprintf(setting[n] = text[n], sizeof *text, "objective.kd_alpha=%g", json_number_value(json_object_get(c, "alpha"))), n++;
  snprintf(setting[n] = text[n], sizeof *text, "objective.kd_temperature=%g", json_number_value(json_object_get(c, "T"))), n++;
  snprintf(setting[n] = text[n], sizeof *text, "train.batch=%d", (int)find(t, "", "ids")->shape[0]), n++;
  assert_ok(fd_config_parse(&t->config, "", 0, "test", setting, n));
}

static int open_student(student *t, const char *name, const char *settings, const char *device) {
  *t = (student){.packed = !strstr(settings, "padding")};
  if (!golden5_open(&t->g, name)) return 0;
  configure(t, settings, device);
  const fd_tensor *ids = find(t, "", "ids");
  int rows = (int)(ids->shape[0] * ids->shape[1]);
  fd_source source = {.context = t, .make = make_rows, .upload = upload, .beside = {.logits = 2}};
  assert_ok(fd_device_open(&t->dev, &t->config, 0, 1));
  assert_ok(fd_network_create(&t->network, &t->config, 100));
  assert_ok(fd_state_create(&t->state, &t->config, t->network, t->dev));
  assert_ok(fd_trainer_create(&t->trainer, &t->config, fd_comm_self(), t->dev, t->network, source, t->state, 1000, rows));
  size_t size = t->network->params.size * sizeof(float);
  t->logits = malloc((size_t)rows * sizeof(float)), t->hidden = malloc((size_t)rows);
  t->gradient = malloc(size), t->weights = malloc(size);
  put_weights(t);
  return 1;
}

static void close_student(student *t) {
  fd_trainer_destroy(&t->trainer);
  fd_state_destroy(&t->state);
  fd_network_destroy(&t->network);
  fd_device_close(&t->dev);
  golden5_close(&t->g);
  free(t->logits), free(t->hidden), free(t->gradient), free(t->weights);
}

static double bound_of(const student *t, const char *group) {
  return fmax(1e-5 * golden5_measured(&t->g, group, "largest_value"), 5 * golden5_measured(&t->g, group, "maxabs"));
}

static double largest(const float *values, size_t count) {
  double most = 0;
  for (size_t i = 0; i < count; i++) most = fmax(most, fabs((double)values[i]));
  return most;
}

/* Compares gradients, and after the step weights and running statistics. A bias before a batch normalization has no gradient but
 * rounding errors, whose signs AdamW makes steps of a whole learning rate. */
static void compare_params(student *t) {
  double gradient = bound_of(t, "grad"), rate = t->config.optim.lr,
         most = fmax(0.1 * rate, 5 * golden5_measured(&t->g, "w1", "maxabs")),
         root = fmax(1e-3 * rate, 5 * golden5_measured(&t->g, "w1", "rms"));
  size_t size = t->network->params.size * sizeof(float);
  assert_ok(t->dev->copy(t->dev, t->weights, t->state->array[FD_STUDENT], size));
  assert_ok(t->dev->sync(t->dev));
  for (int i = 0; i < t->network->params.count; i++) {
    const fd_param *p = &t->network->params.item[i];
    int running = fd_param_is_running(p);
    const float *theirs_now = tensor_of(t, running ? "running1." : "w1.", p)->data,
                *slope = running ? NULL : tensor_of(t, "grad.", p)->data;
    double squares = 0;
    int steps = slope && largest(slope, p->size) > gradient;
    for (size_t k = 0; k < p->size; k++) {
      double moved = (double)t->weights[p->offset + k] - (double)theirs_now[k];
      squares += moved * moved;
      if (running) assert_near(moved, 0, 1e-6);
      if (slope && !(fabs((double)t->gradient[p->offset + k] - (double)slope[k]) <= gradient))
        fail_msg("grad.%s[%zu] = %.9g, expected %.9g", p->name, k, (double)t->gradient[p->offset + k], (double)slope[k]);
      if (steps && !(fabs(moved) <= most)) fail_msg("w1.%s[%zu]: off by %.3g", p->name, k, moved);
    }
    if (steps && !(sqrt(squares / (double)p->size) <= root)) fail_msg("w1.%s: root mean square", p->name);
  }
}

/* Compares the logits of an evaluation, with the running statistics of the start. */
static void compare_evaluated(student *t) {
  const fd_tensor *expected = fd_safetensors_find(&t->g.theirs, "eval_logits");
  int count = t->trainer->micro_size;
  fd_batch *batch;
  if (!expected) return;
  assert_ok(fd_batch_create(&batch, t->dev, count, (int)(find(t, "", "ids")->shape[0] * find(t, "", "ids")->shape[1]), 0));
  assert_ok(fd_batch_add(batch, &(fd_beside){.logits = 2}, count));
  make(t, batch);
  assert_ok(upload(NULL, batch));
  assert_ok(fd_spaces_set(&t->trainer->spaces, &batch->seqs));
  t->trainer->student->training = 0;
  fd_pass_forward(t->trainer->student, &t->trainer->spaces, t->state->array[FD_STUDENT], batch->student);
  assert_ok(fd_mat_read(t->dev, fd_network_output(t->network, t->trainer->student, FD_OUT_TASK), 0, count, 2, t->logits));
  golden5_compare(&t->g, expected, t->logits);
  fd_batch_destroy(&batch);
}

static void check_student(const char *name, const char *settings, const char *device) {
  student t;
  fd_step step;
  if (!open_student(&t, name, settings, device)) return;
  const fd_trace_points points = {&t, take_outputs, take_gradient};
  compare_evaluated(&t);
  t.trainer->points = &points;
  assert_ok(fd_trainer_step(t.trainer, &step));
  json_t *expected = json_array_get(json_object_get(t.g.root, "steps_fp64"), 0);
  const struct {
    const char *name;
    double ours, bound;
  } all[] = {{"loss", step.loss, 1e-5},
             {"hard", step.term[FD_TERM_task], 1e-5},
             {"soft", step.term[FD_TERM_soft], 1e-5},
             {"grad_norm", step.grad_norm, 1e-4}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    double there = json_number_value(json_object_get(expected, all[i].name));
    if (!(fabs(all[i].ours - there) <= all[i].bound * fabs(there) + 1e-7))
      fail_msg("%s: %s %.9g, expected %.9g", name, all[i].name, all[i].ours, there);
  }
  golden5_compare(&t.g, find(&t, "", "logits"), t.logits);
  compare_params(&t);
  close_student(&t);
}

static void check_students(const char *device) {
  check_student("kd_transformer",
                "model.encoder=bert model.channels=32 model.hidden=64 model.layers=4 model.heads=4 model.positions=64 "
                "model.epsilon=1e-12 task.features=cls task.hidden=32 task.activation=tanh",
                device);
  check_student("kd_hybrid",
                "model.encoder=hybrid model.channels=32 model.hidden=64 model.layers=3 model.heads=4 model.positions=64 "
                "model.epsilon=1e-12 model.filters=16 model.kernels=9 model.padding=48 task.features=max",
                device);
  check_student("kd_cnn",
                "model.encoder=cnn model.channels=24 model.filters=20 model.kernels=15,9,5,3 model.padding=44 task.features=max",
                device);
}

static void students_on_the_cpu(void **state) {
  (void)state;
  check_students("device.kind=cpu");
  check_students("device.simd=generic");
}

static void students_on_the_gpu(void **state) {
  (void)state;
  if (find_gpu()) check_students("device.kind=cuda");
}

/* The configurations have the sizes of the published students, with DNABERT-2's 4,096 words and two classes. */
static void configs_have_the_published_sizes(void **state) {
  (void)state;
  static const struct {
    const char *config;
    size_t parameters;
  } all[] = {{"kd-transformer", 32485634}, {"kd-hybrid", 26281346 - 590592} /* unused pooler */, {"kd-cnn", 3149314}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    char path[FD_PATH_MAX], words[] = "model.vocabulary=4096", tokenizer[] = "model.tokenizer=bpe", outputs[] = "task.outputs=2",
                            *setting[] = {words, tokenizer, outputs}, *text;
    fd_config config;
    fd_network *network;
    size_t bytes, learned = 0;
    assert_ok(fd_config_read(all[i].config, path, &text, &bytes));
    assert_ok(fd_config_parse(&config, text, bytes, path, setting, 3));
    assert_ok(fd_network_create(&network, &config, 300));
    for (int k = 0; k < network->params.count; k++)
      if (!fd_param_is_running(&network->params.item[k])) learned += network->params.item[k].size;
    assert_int_equal(learned, all[i].parameters);
    fd_network_destroy(&network);
    free(text);
  }
}

/* A running statistic keeps 0.9 of its value, and takes 0.1 of the mean over the micro-batches, whose sum is in the place of its
 * gradient; the optimizer then sees no gradient there. */
static void running_statistics_are_means_over_the_micro_batches(void **state) {
  (void)state;
  char *settings[] = {"model.encoder=cnn", "task.outputs=2",         "model.channels=6",      "model.filters=5",
                      "device.threads=1",  "objective.mnm_weight=0", "objective.cl_weight=0", "teacher.kind=none"};
  fd_config c;
  fd_device *dev;
  fd_network *network;
  fd_running r;
  assert_ok(fd_config_parse(&c, "", 0, "test", settings, sizeof settings / sizeof *settings));
  assert_ok(fd_device_open(&dev, &c, 0, 1));
  assert_ok(fd_network_create(&network, &c, 30));
  const fd_params *params = &network->params;
  float *gradient = malloc(params->size * sizeof *gradient), *student = malloc(params->size * sizeof *student);
  for (size_t i = 0; i < params->size; i++) gradient[i] = (float)(i % 7), student[i] = (float)(i % 5);
  assert_ok(fd_running_create(&r, dev, params));
  assert_int_equal(r.size, 2 * 5);
  assert_ok(fd_running_take(&r, gradient, student));
  for (size_t i = 0; i < params->size; i++) student[i] += 100; /* an update, which is undone for running statistics */
  assert_ok(fd_running_put(&r, 4, student));
  for (int k = 0; k < params->count; k++) {
    const fd_param *p = &params->item[k];
    for (size_t i = p->offset; i < p->offset + p->size; i++) {
      int runs = fd_param_is_running(p);
      assert_near((double)student[i], runs ? 0.9 * (double)(i % 5) + 0.1 * (double)(i % 7) / 4 : 100.0 + (double)(i % 5), 1e-5);
      assert_near((double)gradient[i], runs ? 0 : (double)(i % 7), 0);
    }
  }
  fd_running_free(&r);
  free(gradient), free(student);
  fd_network_destroy(&network);
  fd_device_close(&dev);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(two_classes),
                                     cmocka_unit_test(five_classes),
                                     cmocka_unit_test(students_on_the_cpu),
                                     cmocka_unit_test(students_on_the_gpu),
                                     cmocka_unit_test(configs_have_the_published_sizes),
                                     cmocka_unit_test(running_statistics_are_means_over_the_micro_batches)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
