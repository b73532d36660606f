/* Tests BarcodeMAE: forward pass, losses, gradients and weights after steps against golden5's values of independent
 * implementations (mae_k4, onecycle_200), on the CPU and on the emulated GPU or FINDNA_PLUGIN's; packed rows against the full
 * length. */
#include "find_gpu.h"
#include "golden5.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/output.h"
#include "commands/command.h"
#include "model/bert.h"
#include "objective/objective.h"
#include "train/schedule.h"

enum { SETTINGS = 22, STEPS = 3, WIDTH = 32 };

/* A model, its state, and a pass over batches of the golden file. */
typedef struct work {
  golden5 g;
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_pass *pass;
  fd_spaces spaces;
  fd_batch *batch;
  fd_totals totals;
  int length, *row; /* length of padded sequences; row: [packed rows] index among the padded rows */
  uint8_t *hidden;
  float *params, *grads, *moments[2]; /* device */
  double *sums;
} work;

static void configure(work *w, const char *weight, const char *device, const char *precision) {
  const char *settings[SETTINGS] = {"model.encoder=mae",
                                    "model.channels=32",
                                    "model.hidden=64",
                                    "model.layers=2",
                                    "model.decoder_layers=2",
                                    "model.heads=4",
                                    "model.tokenizer=kmer",
                                    "model.kmer=4",
                                    "model.vocabulary=258",
                                    "model.positions=64",
                                    "model.epsilon=1e-12",
                                    "objective.mnm_weight=0",
                                    "objective.cl_weight=0",
                                    "teacher.kind=none",
                                    "optim.lr=0.002",
                                    "optim.schedule=one_cycle",
                                    "optim.weight_decay=1e-5",
                                    "device.threads=2",
                                    weight,
                                    device,
                                    precision};
  char text[SETTINGS][48], *setting[SETTINGS];
  for (int i = 0; i < SETTINGS - 1; i++) snprintf(setting[i] = text[i], sizeof text[i], "%s", settings[i]);
  assert_ok(fd_config_parse(&w->config, "", 0, "test", setting, SETTINGS - 1));
}

/* The name of a parameter in the golden file. Of the decoder's embedding table only the first row, that of [MASK], is used: it is
 * our parameter. */
static const char *theirs(const char *ours, char name[128]) {
  if (!strncmp(ours, "bert.", 5)) snprintf(name, 128, "encoder.%s", ours + 5);
  else if (!strcmp(ours, "decoder.mask.weight")) snprintf(name, 128, "decoder.bert.embeddings.word_embeddings.weight");
  else if (!strncmp(ours, "decoder.projection", 18)) snprintf(name, 128, "%s", ours + 8);
  else if (!strncmp(ours, "decoder.classifier", 18)) snprintf(name, 128, "%s", ours);
  else snprintf(name, 128, "decoder.bert.%s", ours + 8);
  return name;
}

static void load(work *w) {
  size_t size = w->network->params.size;
  float *values = malloc(size * sizeof *values);
  for (int i = 0; i < w->network->params.count; i++) {
    char name[128];
    const fd_param *p = &w->network->params.item[i];
    const fd_tensor *t = golden5_find(&w->g, "w0.", theirs(p->name, name));
    assert_true(t->bytes >= p->size * sizeof *values);
    memcpy(values + p->offset, t->data, p->size * sizeof *values);
  }
  w->params = on_device(w->dev, NULL, size * sizeof *values), w->grads = on_device(w->dev, NULL, size * sizeof *values);
  for (int i = 0; i < 2; i++) w->moments[i] = on_device(w->dev, NULL, size * sizeof *values);
  w->sums = on_device(w->dev, NULL, FD_TERMS * sizeof *w->sums);
  assert_ok(w->dev->copy(w->dev, w->params, values, size * sizeof *values));
  free(values);
}

/* Sets the targets of the hidden rows, then of the visible ones, and the weights 1 of rows that count. */
static void fill_targets(work *w, const int *ids, int rows) {
  int n = 0;
  w->batch->masked = w->batch->visible = 0;
  for (int hidden = 1; hidden >= 0; hidden--)
    for (int r = 0; r < rows; r++) {
      if (w->hidden[r] != hidden) continue;
      w->batch->host_target[n] = ids[r] < 2 ? 0 : (float)(ids[r] - 2);
      w->batch->host_target[rows + n++] = ids[r] < 2 ? 0 : 1;
      if (ids[r] >= 2) (*(hidden ? &w->batch->masked : &w->batch->visible))++;
    }
  w->totals = (fd_totals){w->batch->seqs.count, (double)w->batch->masked, (double)w->batch->visible, 0};
}

/* Sends batch `step` of the golden file: the rows with attention, packed. `hide` -1: hides the rows that the file hides; 0: none;
 * 1: all. */
static void take_batch(work *w, int step, int hide) {
  char group[16];
  snprintf(group, sizeof group, "in%d.", step);
  const int *ids = golden5_find(&w->g, group, "ids")->data;
  const uint8_t *attention = golden5_find(&w->g, group, "attention")->data, *hidden = golden5_find(&w->g, group, "hidden")->data;
  int rows = 0, padded = w->batch->seqs.count * w->length, *packed = malloc((size_t)padded * sizeof *packed);
  for (int i = 0; i < padded; i++) {
    if (attention[i]) {
      packed[rows] = ids[i], w->row[rows] = i;
      w->hidden[rows++] = hide < 0 ? hidden[i] : (uint8_t)hide;
    }
    if ((i + 1) % w->length == 0) w->batch->seqs.start[(i + 1) / w->length] = rows;
  }
  w->batch->rows = rows;
  w->batch->seqs.hidden = hide ? w->hidden : NULL;
  fill_targets(w, packed, rows);
  fd_device *dev = w->dev;
  size_t bytes = (size_t)rows * sizeof(float);
  assert_ok(fd_seqs_send(&w->batch->seqs, dev));
  assert_ok(dev->copy(dev, w->batch->student, packed, (size_t)rows * sizeof *packed));
  assert_ok(dev->copy(dev, w->batch->target, w->batch->host_target, bytes));
  assert_ok(dev->copy(dev, w->batch->weight, w->batch->host_target + rows, bytes));
  assert_ok(fd_spaces_set(&w->spaces, &w->batch->seqs));
  free(packed);
}

static fd_value value_of(const fd_graph *graph, const char *name) {
  for (int i = 0; i < graph->nodes; i++)
    if (!strcmp(graph->node[i].name, name)) return graph->node[i].out;
  fail_msg("no node %s", name);
  return FD_NONE;
}

static void open_pass(work *w, fd_extent extent) {
  size_t values = (size_t)w->network->graph.values;
  unsigned char *flags = calloc(2, values);
  for (int i = 0; i < FD_OUTPUTS; i++) {
    int id = w->network->out[i].id;
    if (id != FD_NO_VALUE) flags[id] = 1, flags[values + (size_t)id] = fd_objective_reads(&w->config) >> i & 1;
  }
  flags[value_of(&w->network->graph, "decoder.projection").id] = 1;
  assert_ok(fd_pass_create(&w->pass, &w->network->graph, w->dev, &(fd_ends){flags, flags + values, 0}, extent));
  assert_ok(fd_spaces_create(&w->spaces, w->dev, fd_pass_spaces(w->pass), extent));
  free(flags);
}

static int open_in(work *w, const char *weight, const char *device, const char *precision) {
  memset(w, 0, sizeof *w);
  if (!golden5_open(&w->g, "mae_k4")) return 0;
  configure(w, weight, device, precision);
  assert_ok(fd_device_open(&w->dev, &w->config, 0, 1));
  assert_ok(fd_network_create(&w->network, &w->config, 100));
  load(w);
  const fd_tensor *ids = golden5_find(&w->g, "in0.", "ids");
  int count = (int)ids->shape[0], rows = count * (int)ids->shape[1];
  w->length = (int)ids->shape[1];
  w->row = malloc((size_t)rows * sizeof *w->row), w->hidden = malloc((size_t)rows);
  assert_ok(fd_batch_create(&w->batch, w->dev, count, rows, 0));
  w->batch->seqs.count = count;
  open_pass(w, (fd_extent){rows, count, 0});
  return 1;
}

static int open_work(work *w, const char *weight, const char *device) {
  return open_in(w, weight, device, "device.precision=fp32");
}

static void close_work(work *w) {
  void *all[] = {w->params, w->grads, w->moments[0], w->moments[1], w->sums};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) w->dev->release(w->dev, all[i]);
  fd_pass_destroy(&w->pass);
  fd_spaces_destroy(&w->spaces);
  fd_batch_destroy(&w->batch);
  fd_network_destroy(&w->network);
  fd_device_close(&w->dev);
  golden5_close(&w->g);
  free(w->row), free(w->hidden);
}

/* Compares a value over all, the visible or the hidden tokens with a tensor of padded rows. */
static void compare_rows(work *w, const char *name, fd_value value, double bound) {
  const float *expected = golden5_find(&w->g, "", name)->data;
  int n = 0, width = value.width, rows = fd_pass_rows(w->pass, value.space);
  float *ours = malloc(((size_t)rows * (size_t)width + 1) * sizeof *ours);
  assert_ok(fd_mat_read(w->dev, fd_pass_value(w->pass, value), 0, rows, width, ours));
  for (int r = 0; r < w->batch->rows; r++) {
    if (value.space != FD_TOKENS && w->hidden[r] != (value.space == FD_HIDDEN)) continue;
    for (int c = 0; c < width; c++) {
      double there = (double)expected[w->row[r] * width + c], here = (double)ours[n * width + c];
      if (!(fabs(here - there) <= bound)) fail_msg("%s, row %d, column %d: %.9g, expected %.9g", name, r, c, here, there);
    }
    n++;
  }
  assert_int_equal(n, rows);
  free(ours);
}

/* Compares all gradients (`rate` 0), or all parameters after an update with learning rate `rate`. */
static void compare_all(work *w, const char *group, const float *values, double rate) {
  size_t size = w->network->params.size;
  float *ours = malloc(size * sizeof *ours);
  golden5_bound moved = golden5_moved(&w->g, group, rate);
  double bound = rate > 0 ? moved.value : golden5_bound_of(&w->g, group), root = rate > 0 ? moved.rms : bound;
  assert_ok(w->dev->copy(w->dev, ours, values, size * sizeof *ours));
  assert_ok(w->dev->sync(w->dev));
  for (int i = 0; i < w->network->params.count; i++) {
    char prefix[32], name[128];
    const fd_param *p = &w->network->params.item[i];
    snprintf(prefix, sizeof prefix, "%s.", group);
    const float *expected = golden5_find(&w->g, prefix, theirs(p->name, name))->data;
    int noise = rate > 0 && strstr(p->name, ".key.bias") != NULL; /* its gradient is 0 up to rounding */
    double squares = 0;
    for (size_t k = 0; k < p->size; k++) {
      double d = (double)ours[p->offset + k] - (double)expected[k];
      squares += d * d;
      if (!(fabs(d) <= (noise ? STEPS * rate : bound))) fail_msg("%s.%s[%zu]: off by %.3g", group, p->name, k, d);
    }
    if (!noise && !(sqrt(squares / (double)p->size) <= root)) fail_msg("%s.%s: root mean square", group, p->name);
  }
  free(ours);
}

static void check_outputs(work *w) {
  const fd_network *net = w->network;
  double logits = golden5_bound_of(&w->g, "logits");
  compare_rows(w, "projected", value_of(&net->graph, "decoder.projection"), 2e-5); /* the file states no fp32 error for it */
  compare_rows(w, "logits", net->out[FD_OUT_HIDDEN], logits);
  if (net->out[FD_OUT_VISIBLE].id == FD_NO_VALUE) return;
  compare_rows(w, "logits", net->out[FD_OUT_VISIBLE], logits);
  compare_rows(w, "logits", net->out[FD_OUT_LOGITS], logits);
}

/* Computes the loss, its terms and the gradients; `look`: also checks the outputs, which the backward pass overwrites. */
static double run(work *w, int look, double *terms) {
  double sums[FD_TERMS];
  const fd_outputs outputs = {.batch = w->batch, .spaces = &w->spaces, .network = w->network, .student = w->pass};
  fd_pass_forward(w->pass, &w->spaces, w->params, w->batch->student);
  if (look) check_outputs(w);
  fd_pass_clear(w->pass);
  w->dev->ops.zero(w->dev, sizeof sums, w->sums);
  fd_objective_run(&w->config, w->dev, &outputs, &w->totals, w->sums);
  fd_pass_backward(w->pass, w->grads, NULL);
  assert_ok(w->dev->copy(w->dev, sums, w->sums, sizeof sums));
  assert_ok(w->dev->sync(w->dev));
  return fd_objective_loss(&w->config, &w->totals, sums, terms);
}

static void compare_losses(work *w, const char *group, int step, double loss, const double *terms) {
  const json_t *expected = golden5_step(&w->g, group, step);
  golden5_loss(expected, "loss", loss);
  golden5_loss(expected, "hidden", terms[FD_TERM_hidden]);
  golden5_loss(expected, "visible", terms[FD_TERM_visible]);
}

/* An AdamW step in the one-cycle schedule of nine steps, of which the file contains the first three. */
static double update(work *w, int step) {
  double lr = fd_schedule_lr(&w->config, step, 9), b1 = fd_schedule_beta1(&w->config, step, 9), b2 = 0.999;
  const fd_adamw h = {.lr = (float)lr,
                      .decay = (float)(lr * w->config.optim.weight_decay),
                      .epsilon = 1e-8f,
                      .beta1 = (float)b1,
                      .rest1 = (float)(1 - b1),
                      .beta2 = (float)b2,
                      .rest2 = (float)(1 - b2),
                      .c1 = (float)(1 - pow(b1, step + 1)),
                      .c2 = (float)(1 - pow(b2, step + 1)),
                      .clip = 1};
  w->dev->ops.adamw(w->dev, w->network->params.size, &h, w->grads, w->params, w->moments[0], w->moments[1], NULL, 0);
  return lr;
}

static void check(const char *weight, const char *group, const char *device) {
  work w;
  char part[16];
  if (!open_work(&w, weight, device)) return;
  for (int step = 0; step < STEPS; step++) {
    double terms[FD_TERMS];
    take_batch(&w, step, -1);
    double loss = run(&w, step == 0, terms);
    compare_losses(&w, group, step, loss, terms);
    snprintf(part, sizeof part, "%s.grad", group);
    if (step == 0) compare_all(&w, part, w.grads, 0);
    double rate = update(&w, step);
    snprintf(part, sizeof part, "%s.w%d", group, step + 1);
    if (step != 1) compare_all(&w, part, w.params, rate);
  }
  close_work(&w);
}

static void steps_on_the_cpu(void **state) {
  (void)state;
  check("objective.hidden_weight=1", "w1.0", "device.kind=cpu");
  check("objective.hidden_weight=0.7", "w0.7", "device.kind=cpu");
  check("objective.hidden_weight=0.7", "w0.7", "device.simd=generic");
}

static void steps_on_the_gpu(void **state) {
  (void)state;
  if (!find_gpu()) return;
  check("objective.hidden_weight=1", "w1.0", "device.kind=cuda");
  check("objective.hidden_weight=0.7", "w0.7", "device.kind=cuda");
}

/* Checks the mean latents with nothing hidden, as in inference. */
static void embeddings(const char *device) {
  work w;
  if (!open_work(&w, "objective.hidden_weight=1", device)) return;
  take_batch(&w, 0, 0);
  fd_pass_forward(w.pass, &w.spaces, w.params, w.batch->student);
  float *latent = malloc((size_t)w.batch->rows * WIDTH * sizeof *latent);
  const float *expected = golden5_find(&w.g, "", "embedding")->data;
  assert_ok(fd_mat_read(w.dev, fd_network_output(w.network, w.pass, FD_OUT_LATENT), 0, w.batch->rows, WIDTH, latent));
  for (int s = 0; s < w.batch->seqs.count; s++)
    for (int c = 0; c < WIDTH; c++) {
      int first = w.batch->seqs.start[s], last = w.batch->seqs.start[s + 1];
      double mean = 0;
      for (int r = first; r < last; r++) mean += (double)latent[r * WIDTH + c] / (last - first);
      assert_near(mean, (double)expected[s * WIDTH + c], 1e-5);
    }
  free(latent);
  close_work(&w);
}

/* Checks a batch with nothing hidden, or nothing visible: losses and gradients are finite, and parameters without rows get zero
 * gradients. */
static void ends(const char *device, const char *precision, int hide) {
  work w;
  double terms[FD_TERMS];
  if (!open_in(&w, "objective.hidden_weight=0.7", device, precision)) return;
  take_batch(&w, 0, hide);
  size_t size = w.network->params.size;
  float *grads = malloc(size * sizeof *grads);
  double loss = run(&w, 0, terms);
  assert_ok(w.dev->copy(w.dev, grads, w.grads, size * sizeof *grads));
  assert_ok(w.dev->sync(w.dev));
  assert_true(isfinite(loss) && loss > 0 && terms[hide ? FD_TERM_visible : FD_TERM_hidden] == 0);
  for (int i = 0; i < w.network->params.count; i++) {
    const fd_param *p = &w.network->params.item[i];
    int unused = hide ? !strncmp(p->name, "bert.", 5) || !strncmp(p->name, "decoder.projection", 18)
                      : !strcmp(p->name, "decoder.mask.weight");
    double most = 0;
    for (size_t k = 0; k < p->size; k++) most = fmax(most, fabs((double)grads[p->offset + k]));
    for (size_t k = 0; k < p->size; k++) assert_true(isfinite(grads[p->offset + k]));
    assert_true(unused ? most == 0 : most > 0);
  }
  free(grads);
  close_work(&w);
}

static void nothing_hidden_and_nothing_visible(void **state) {
  (void)state;
  embeddings("device.kind=cpu");
  for (int hide = 0; hide < 2; hide++) ends("device.kind=cpu", "device.precision=fp32", hide);
  if (!find_gpu()) return;
  embeddings("device.kind=cuda");
  for (int hide = 0; hide < 2; hide++) ends("device.kind=cuda", "device.precision=fp32", hide);
  for (int hide = 0; hide < 2; hide++) ends("device.kind=cuda", "device.precision=bf16", hide);
}

/* The encoder over all rows, with the hidden ones masked as keys; its parameters are the first ones of the network. */
typedef struct whole {
  fd_params params;
  fd_graph graph;
  fd_value latent;
  fd_pass *pass;
  fd_spaces spaces;
} whole;

static void open_whole(whole *f, const work *w) {
  const fd_bert encoder = {.prefix = "bert", .layers = 2, .visible = 1};
  const fd_extent extent = {w->batch->seqs.count * w->length, w->batch->seqs.count, 0};
  memset(f, 0, sizeof *f);
  fd_value ids = fd_graph_begin(&f->graph, &f->params, FD_TOKENS, 1);
  ids = fd_lookup(&f->graph, "bert.embeddings.word_embeddings", ids, FD_BY_ID, 258, WIDTH);
  f->latent = fd_bert_encode(&f->graph, &w->config, &encoder, ids);
  assert_ok(f->graph.status);
  unsigned char *flags = calloc(1, (size_t)f->graph.values);
  flags[f->latent.id] = 1;
  assert_ok(fd_pass_create(&f->pass, &f->graph, w->dev, &(fd_ends){flags, flags, 0}, extent));
  assert_ok(fd_spaces_create(&f->spaces, w->dev, fd_pass_spaces(f->pass), extent));
  assert_ok(fd_spaces_set(&f->spaces, &w->batch->seqs));
  f->pass->training = 1;
  free(flags);
}

/* Copies packed visible rows to their places among all rows; hidden rows are 0. */
static void spread(const work *w, const float *packed, float *all) {
  memset(all, 0, (size_t)w->batch->rows * WIDTH * sizeof *all);
  for (int r = 0; r < w->batch->rows; r++)
    if (!w->hidden[r]) memcpy(all + r * WIDTH, packed, WIDTH * sizeof *all), packed += WIDTH;
}

static void expect_close(const char *what, const float *a, const float *b, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)b[i]));
  for (size_t i = 0; i < n; i++)
    if (!(fabs((double)a[i] - (double)b[i]) <= 1e-5 * most)) fail_msg("%s[%zu]: %.9g, %.9g", what, i, (double)a[i], (double)b[i]);
}

/* A gradient by the latents with varied entries; zero in hidden rows. */
static void pull(const work *w, float *all) {
  for (int i = 0; i < w->batch->rows * WIDTH; i++) all[i] = w->hidden[i / WIDTH] ? 0 : (float)(i * 37 % 101) / 101 - 0.5f;
}

/* Computes latents, spread to their places among all rows, and the encoder's gradients from packed rows. */
static void run_packed(work *w, const float *pulled, float *latent, float *grads) {
  const fd_demand latents = {1u << FD_OUT_LATENT, 1u << FD_OUT_LATENT, 0};
  fd_pass *pass;
  assert_ok(fd_network_pass(&pass, w->network, w->dev, latents, (fd_extent){w->batch->rows, w->batch->seqs.count, 0}));
  pass->training = 1;
  fd_pass_forward(pass, &w->spaces, w->params, w->batch->student);
  spread(w, fd_network_output(w->network, pass, FD_OUT_LATENT).at, latent);
  float *to = fd_network_gradient(w->network, pass, FD_OUT_LATENT).at;
  for (int r = 0; r < w->batch->rows; r++)
    if (!w->hidden[r]) memcpy(to, pulled + r * WIDTH, WIDTH * sizeof *to), to += WIDTH;
  fd_pass_backward(pass, grads, NULL);
  fd_pass_destroy(&pass);
}

static void run_whole(const work *w, const float *pulled, float *latent, float *grads) {
  size_t bytes = (size_t)w->batch->rows * WIDTH * sizeof(float);
  whole f;
  open_whole(&f, w);
  assert_int_equal(f.params.size, fd_network_core(w->network));
  fd_pass_forward(f.pass, &f.spaces, w->params, w->batch->student);
  memcpy(latent, fd_pass_value(f.pass, f.latent).at, bytes);
  for (int r = 0; r < w->batch->rows; r++)
    if (w->hidden[r]) memset(latent + r * WIDTH, 0, WIDTH * sizeof *latent);
  memcpy(fd_pass_gradient(f.pass, f.latent).at, pulled, bytes);
  fd_pass_backward(f.pass, grads, NULL);
  fd_pass_destroy(&f.pass);
  fd_spaces_destroy(&f.spaces);
  fd_graph_free(&f.graph);
  fd_params_free(&f.params);
}

/* Dropout is also keyed by positions in the whole sequence, so packed rows lose the same entries. */
static void packed_equals_full_length(void **state) {
  (void)state;
  static const char *const rates[] = {"train.dropout=0", "train.dropout=0.2"};
  float *kept = NULL;
  for (int dropped = 0; dropped < 2; dropped++) {
    work w;
    if (!open_work(&w, rates[dropped], "device.kind=cpu")) return;
    for (int i = 0; i < w.batch->seqs.count; i++) w.batch->seqs.draws[i] = (uint64_t)(1000 + 77 * i);
    take_batch(&w, 0, -1);
    size_t size = w.network->params.size, rows = (size_t)w.batch->rows * WIDTH;
    float *pulled = malloc(rows * sizeof *pulled), *latent[2], *grads[2];
    for (int k = 0; k < 2; k++) latent[k] = malloc(rows * sizeof(float)), grads[k] = malloc(size * sizeof(float));
    pull(&w, pulled);
    run_packed(&w, pulled, latent[0], grads[0]);
    run_whole(&w, pulled, latent[1], grads[1]);
    expect_close("latents", latent[1], latent[0], rows);
    expect_close("gradients", grads[1], grads[0], fd_network_core(w.network));
    if (dropped) assert_true(memcmp(kept, latent[0], rows * sizeof(float)));
    free(kept), free(pulled), free(latent[1]), free(grads[0]), free(grads[1]);
    kept = latent[0];
    close_work(&w);
  }
  free(kept);
}

/* Writes the golden model as `findna import` reads it. */
static void write_model(const work *w, const char *folder) {
  static const char config[] =
      "{\"format\": \"findna-model 1\", \"alphabet\": \"ACGTN\", \"encoder\": \"mae\", \"cls\": 1, "
      "\"channels\": 32, \"hidden\": 64, \"layers\": 2, \"heads\": 4, \"epsilon\": 1e-12, "
      "\"tokenizer\": \"kmer\", \"words\": \"\", \"kmer\": 4, \"vocabulary\": 258, \"positions\": 64, "
      "\"decoder_layers\": 2, \"mnm\": \"ce\", \"mnm_tau\": 1.0, \"window\": 96}";
  char path[FD_PATH_MAX];
  int count = w->network->params.count;
  fd_tensor *tensors = calloc((size_t)count, sizeof *tensors);
  for (int i = 0; i < count; i++) {
    const fd_param *p = &w->network->params.item[i];
    tensors[i] = fd_tensor_f32(p->name, p->shape[0], p->dims == 2 ? p->shape[1] : 0, w->params + p->offset);
  }
  assert_int_equal(mkdir(folder, 0700), 0);
  snprintf(path, sizeof path, "%s/model.safetensors", folder);
  assert_ok(fd_safetensors_write(path, tensors, count));
  snprintf(path, sizeof path, "%s/config.json", folder);
  assert_ok(fd_write_file(path, config, strlen(config)));
  free(tensors);
}

/* Writes the sequences of the first batch, cut to the 96 nucleotides that the model reads. */
static void write_sequences(const work *w, const char *path) {
  json_t *sequence, *first = json_array_get(json_object_get(w->g.root, "sequences"), 0);
  size_t i;
  FILE *out = fopen(path, "w");
  json_array_foreach(first, i, sequence) fprintf(out, ">%zu\n%.96s\n", i, json_string_value(sequence));
  assert_int_equal(fclose(out), 0);
}

/* `findna import` and `findna embed`, with nothing hidden. */
static void imported_and_embedded(void **state) {
  (void)state;
  work w;
  char folder[] = "/tmp/findna-mae-XXXXXX", here[4][sizeof folder + 8], line[4096];
  static const char *const names[] = {"/model", "/run", "/x.fa", "/e.tsv"};
  if (!open_work(&w, "objective.hidden_weight=1", "device.kind=cpu")) return;
  assert_non_null(mkdtemp(folder));
  for (int i = 0; i < 4; i++) snprintf(here[i], sizeof here[i], "%s%s", folder, names[i]);
  write_model(&w, here[0]);
  write_sequences(&w, here[2]);
  assert_ok(fd_command_import(fd_comm_self(), 3, (char *[]){"import", here[0], here[1], NULL}));
  assert_ok(fd_command_embed(fd_comm_self(), 5, (char *[]){"embed", here[1], here[2], "--output", here[3], NULL}));
  FILE *in = fopen(here[3], "r");
  assert_non_null(in);
  assert_non_null(fgets(line, sizeof line, in)); /* names of the columns */
  const float *expected = golden5_find(&w.g, "", "embedding")->data;
  for (int s = 0; s < w.batch->seqs.count; s++) {
    assert_non_null(fgets(line, sizeof line, in));
    strtok(line, "\t");
    for (int c = 0; c < WIDTH; c++) assert_near(strtod(strtok(NULL, "\t"), NULL), (double)expected[s * WIDTH + c], 1e-5);
  }
  fclose(in);
  snprintf(line, sizeof line, "rm -r %s", folder);
  assert_int_equal(system(line), 0);
  close_work(&w);
}

/* The schedule optim.schedule: one_cycle by itself, and AdamW with it on a toy loss. */
static void one_cycle_equals_torch(void **state) {
  (void)state;
  enum { N = 16, TOTAL = 200 };
  golden5 g;
  fd_config c;
  if (!golden5_open(&g, "onecycle_200")) return;
  fd_config_defaults(&c);
  c.optim.schedule = FD_SCHEDULE_ONE_CYCLE, c.optim.lr = 0.02, c.optim.warmup = 0.3;
  const float *a = fd_safetensors_find(&g.theirs, "a")->data, *b = fd_safetensors_find(&g.theirs, "b")->data;
  const float *w0 = fd_safetensors_find(&g.theirs, "w0")->data, *noise = fd_safetensors_find(&g.theirs, "noise")->data;
  const float *weights = fd_safetensors_find(&g.theirs, "weights")->data;
  double w[N], m[N] = {0}, v[N] = {0};
  for (int i = 0; i < N; i++) w[i] = (double)w0[i];
  for (size_t t = 0; t < TOTAL; t++) {
    double lr = fd_schedule_lr(&c, (int64_t)t, TOTAL), b1 = fd_schedule_beta1(&c, (int64_t)t, TOTAL);
    double there = json_number_value(json_array_get(json_object_get(g.root, "lr"), t));
    assert_near(lr, there, 1e-12 * there);
    assert_near(b1, json_number_value(json_array_get(json_object_get(g.root, "beta1"), t)), 1e-12);
    for (size_t i = 0; i < N; i++) {
      double gradient = (double)a[i] * (w[i] - (double)b[i]) + (double)noise[t * N + i];
      m[i] = b1 * m[i] + (1 - b1) * gradient, v[i] = 0.999 * v[i] + 0.001 * gradient * gradient;
      w[i] -= lr * 0.01 * w[i];
      w[i] -= lr * m[i] / (1 - pow(b1, (double)t + 1)) / (sqrt(v[i] / (1 - pow(0.999, (double)t + 1))) + 1e-8);
      assert_near(w[i], (double)weights[t * N + i], 2e-7);
    }
  }
  golden5_close(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(steps_on_the_cpu),
                                     cmocka_unit_test(steps_on_the_gpu),
                                     cmocka_unit_test(nothing_hidden_and_nothing_visible),
                                     cmocka_unit_test(packed_equals_full_length),
                                     cmocka_unit_test(imported_and_embedded),
                                     cmocka_unit_test(one_cycle_equals_torch)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
