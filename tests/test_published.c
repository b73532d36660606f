/* Tests the published encoders (Nucleotide Transformer, DNABERT-2, BERT) against golden values of independent implementations,
 * from folders with the published names of tensors: hidden states of every layer, logits, and gradients of all parameters. */
#include "golden5.h"

#include <stdlib.h>

#include "model/network.h"

static fd_device *dev;

#define GOLDEN5 "../shared/golden5"
enum { SETTINGS = 14 };

typedef struct published {
  const char *folder, *name, *last; /* last: name of the last node of layer %d */
  const char *settings[SETTINGS];
} published;

static const published nt_v1 = {"tests/golden",
                                "ntv1_d8",
                                "esm.encoder.layer.%d.output",
                                {"model.encoder=nt_v1", "model.channels=8", "model.hidden=12", "model.layers=3", "model.heads=2",
                                 "model.vocabulary=4105", "model.positions=16", "model.epsilon=1e-12"}};
static const published nt_v2 = {GOLDEN5,
                                "ntv2_d48",
                                "esm.encoder.layer.%d.output",
                                {"model.encoder=nt_v2", "model.channels=48", "model.hidden=128", "model.layers=3",
                                 "model.heads=4", "model.vocabulary=4107", "model.positions=130", "model.epsilon=1e-12"}};
static const published dnabert_2 = {
    GOLDEN5,
    "dnabert2_d48",
    "bert.encoder.layer.%d.mlp.layernorm",
    {"model.encoder=dnabert_2", "model.channels=48", "model.hidden=96", "model.layers=3", "model.heads=6", "model.vocabulary=521",
     "model.positions=512", "model.epsilon=1e-12", "model.lm_head=tied", "task.outputs=2", "task.features=cls", "task.hidden=48",
     "task.activation=tanh"}};
static const published bert = {GOLDEN5,
                               "bert_d48",
                               "bert.encoder.layer.%d.output.LayerNorm",
                               {"model.encoder=bert", "model.channels=48", "model.hidden=96", "model.layers=3", "model.heads=4",
                                "model.vocabulary=521", "model.positions=64", "model.epsilon=1e-12", "task.outputs=3",
                                "task.features=cls", "task.hidden=48", "task.activation=tanh"}};

/* A model with a pass over the packed rows of a case. */
typedef struct work {
  golden5 g;
  fd_safetensors weights;
  fd_config config;
  fd_network *network;
  fd_pass *pass;
  fd_spaces spaces;
  fd_seqs seqs;
  int length, *ids, *row; /* length of padded sequences; of each packed row its id, and its index among the padded rows */
  float *params, *grads;
} work;

static const fd_tensor *find(const fd_safetensors *file, const char *name) {
  const fd_tensor *t = fd_safetensors_find(file, name);
  if (!t) fail_msg("no tensor %s", name);
  return t;
}

/* The published name of a parameter; the published classifier is the task's head. */
static void published_name(const fd_param *p, char name[FD_TENSOR_NAME]) {
  int hidden = fd_param_is_of(p, "task.hidden"), out = fd_param_is_of(p, "task.out");
  snprintf(name, FD_TENSOR_NAME, "%s%s",
           hidden ? "bert.pooler.dense"
           : out  ? "classifier"
                  : "",
           hidden || out ? strrchr(p->name, '.') : p->name);
}

static void load(work *w, const published *p) {
  char path[FD_PATH_MAX];
  static char settings[SETTINGS][64];
  char *setting[SETTINGS];
  int n = 0;
  for (; p->settings[n]; n++) snprintf(setting[n] = settings[n], sizeof settings[n], "%s", p->settings[n]);
  assert_ok(fd_config_parse(&w->config, "", 0, "test", setting, n));
  assert_ok(fd_network_create(&w->network, &w->config, 100));
  snprintf(path, sizeof path, "%s/%s_hf/model.safetensors", p->folder, p->name);
  assert_ok(fd_safetensors_read(path, &w->weights));
  size_t size = w->network->params.size;
  w->params = calloc(size, sizeof(float)), w->grads = malloc(size * sizeof(float));
  for (size_t i = 0; i < size; i++) w->grads[i] = NAN;
  for (int i = 0; i < w->network->params.count; i++) {
    const fd_param *q = &w->network->params.item[i];
    char name[FD_TENSOR_NAME];
    published_name(q, name);
    const fd_tensor *t = find(&w->weights, name);
    assert_int_equal(t->bytes, q->size * sizeof(float));
    memcpy(w->params + q->offset, t->data, t->bytes);
  }
}

/* Packs the rows with attention. */
static void pack(work *w) {
  const fd_tensor *ids = find(&w->g.theirs, "ids"), *attention = find(&w->g.theirs, "attention");
  int sequences = (int)ids->shape[0], rows = 0;
  w->length = (int)ids->shape[1];
  size_t n = (size_t)(sequences * w->length);
  w->ids = malloc(n * sizeof(int)), w->row = malloc(n * sizeof(int));
  assert_ok(fd_seqs_create(&w->seqs, dev, sequences, 0));
  w->seqs.count = sequences;
  for (int s = 0; s < sequences; s++) {
    for (int t = 0; t < w->length; t++) {
      int from = s * w->length + t;
      if (!((const uint8_t *)attention->data)[from]) continue;
      w->ids[rows] = ((const int *)ids->data)[from];
      w->row[rows++] = from;
    }
    w->seqs.start[s + 1] = rows;
  }
}

static fd_value value_of(const work *w, const char *name) {
  for (int i = 0; i < w->network->graph.nodes; i++)
    if (!strcmp(w->network->graph.node[i].name, name)) return w->network->graph.node[i].out;
  fail_msg("no node %s", name);
  return FD_NONE;
}

/* Compares the packed rows of a value with the golden file's padded rows. */
static void compare_rows(const work *w, const char *name, fd_value value) {
  const fd_tensor *t = find(&w->g.theirs, name);
  fd_mat m = fd_pass_value(w->pass, value);
  golden5_bound allowed = golden5_allows(&w->g, name);
  for (int r = 0; r < fd_seqs_rows(&w->seqs); r++)
    for (int c = 0; c < value.width; c++) {
      double ours = (double)((const float *)m.at)[(size_t)r * (size_t)m.stride + (size_t)c];
      double expected = (double)((const float *)t->data)[(size_t)w->row[r] * (size_t)value.width + (size_t)c];
      if (!(fabs(ours - expected) <= allowed.value))
        fail_msg("%s, row %d, column %d: %.9g, expected %.9g within %.2g", name, r, c, ours, expected, allowed.value);
    }
}

static void open_work(work *w, const published *p, unsigned given) {
  unsigned char *flags;
  char name[64];
  memset(w, 0, sizeof *w);
  assert_true(golden5_open_in(&w->g, p->folder, p->name));
  load(w, p);
  pack(w);
  size_t values = (size_t)w->network->graph.values;
  flags = calloc(2, values);
  for (int i = 0; i < FD_OUTPUTS; i++) {
    int id = w->network->out[i].id;
    if (id == FD_NO_VALUE) continue;
    flags[id] = 1, flags[values + (size_t)id] = given >> i & 1;
  }
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, p->last, i);
    flags[value_of(w, name).id] = 1;
  }
  if (w->network->out[FD_OUT_TASK].id != FD_NO_VALUE) flags[value_of(w, "task.tanh").id] = 1;
  const fd_extent extent = {fd_seqs_rows(&w->seqs), w->seqs.count, 0};
  assert_ok(fd_pass_create(&w->pass, &w->network->graph, dev, &(fd_ends){flags, flags + values, 0}, extent));
  assert_ok(fd_spaces_create(&w->spaces, dev, fd_pass_spaces(w->pass), extent));
  assert_ok(fd_spaces_set(&w->spaces, &w->seqs));
  fd_pass_forward(w->pass, &w->spaces, w->params, (const float *)(const void *)w->ids);
  for (int i = 0; i < 3; i++) {
    char hidden[16];
    snprintf(name, sizeof name, p->last, i);
    snprintf(hidden, sizeof hidden, "hidden.%d", i + 1);
    compare_rows(w, hidden, value_of(w, name));
  }
  fd_pass_clear(w->pass);
  free(flags);
}

static void close_work(work *w) {
  fd_pass_destroy(&w->pass);
  fd_spaces_destroy(&w->spaces);
  fd_seqs_destroy(&w->seqs, dev);
  fd_network_destroy(&w->network);
  fd_safetensors_free(&w->weights);
  golden5_close(&w->g);
  free(w->ids), free(w->row), free(w->params), free(w->grads);
}

/* Softmax cross-entropy: replaces z by the gradient and returns the loss. */
static double cross_entropy(int n, double *z, int target, double scale) {
  double most = -INFINITY, sum = 0;
  for (int i = 0; i < n; i++) most = fmax(most, z[i]);
  for (int i = 0; i < n; i++) sum += exp(z[i] - most);
  double loss = most + log(sum) - z[target];
  for (int i = 0; i < n; i++) z[i] = scale * (exp(z[i] - most) / sum - (i == target));
  return loss;
}

/* Compares the gradients of all parameters of the encoder, by name. */
static void compare_gradients(work *w, const char *prefix) {
  int compared = 0;
  fd_pass_backward(w->pass, w->grads, NULL);
  for (int i = 0; i < w->network->params.count; i++) {
    const fd_param *q = &w->network->params.item[i];
    char name[FD_TENSOR_NAME], published[FD_TENSOR_NAME];
    published_name(q, published);
    snprintf(name, sizeof name, "%s.%.90s", prefix, published);
    const fd_tensor *t = fd_safetensors_find(&w->g.theirs, name);
    if (!t) continue;
    assert_int_equal(t->bytes, q->size * sizeof(float));
    golden5_compare(&w->g, t, w->grads + q->offset);
    compared++;
  }
  assert_true(compared > 30);
}

/* Checks the logits of masked words, the mean of their cross-entropies, and the gradients of all parameters. */
static void predict_words(work *w, const char *logits_name, const char *loss_name, const char *grads_name) {
  compare_rows(w, logits_name, w->network->out[FD_OUT_LOGITS]);
  const int *target = find(&w->g.theirs, "target")->data;
  fd_mat logits = fd_network_output(w->network, w->pass, FD_OUT_LOGITS),
         d = fd_network_gradient(w->network, w->pass, FD_OUT_LOGITS);
  int rows = fd_seqs_rows(&w->seqs), n = w->network->out[FD_OUT_LOGITS].width, masked = 0;
  for (int r = 0; r < rows; r++) masked += target[w->row[r]] >= 0;
  double *z = malloc((size_t)n * sizeof *z), loss = 0;
  for (int r = 0; r < rows; r++) {
    if (target[w->row[r]] < 0) continue;
    for (int i = 0; i < n; i++) z[i] = (double)((const float *)logits.at)[(size_t)r * (size_t)n + (size_t)i];
    loss += cross_entropy(n, z, target[w->row[r]], 1.0 / masked) / masked;
    for (int i = 0; i < n; i++) ((float *)d.at)[(size_t)r * (size_t)n + (size_t)i] = (float)z[i];
  }
  double expected = json_number_value(json_object_get(w->g.root, loss_name));
  assert_near(loss, expected, 1e-5 * expected);
  compare_gradients(w, grads_name);
  free(z);
}

static void nucleotide_transformer(const published *p) {
  work w;
  open_work(&w, p, 1u << FD_OUT_LOGITS);
  compare_rows(&w, "features", w.network->out[FD_OUT_LATENT]);
  predict_words(&w, "logits", "loss_fp64", "grad");
  close_work(&w);
}

static void nucleotide_transformer_1(void **state) { (void)state, nucleotide_transformer(&nt_v1); }

static void nucleotide_transformer_2(void **state) { (void)state, nucleotide_transformer(&nt_v2); }

/* Checks the pooled rows and class logits of sequences, and the gradients of all parameters. */
static void classify(work *w, const char *grads_name) {
  static const char *const names[] = {"pooled", "logits"};
  const fd_value values[] = {value_of(w, "task.tanh"), w->network->out[FD_OUT_TASK]};
  const int *label = find(&w->g.theirs, "labels")->data;
  for (int k = 0; k < 2; k++) {
    const float *theirs = find(&w->g.theirs, names[k])->data, *ours = fd_pass_value(w->pass, values[k]).at;
    for (int i = 0; i < w->seqs.count * values[k].width; i++)
      assert_near((double)ours[i], (double)theirs[i], golden5_allows(&w->g, names[k]).value);
  }
  int classes = values[1].width;
  const float *logits = fd_pass_value(w->pass, values[1]).at;
  float *d = fd_network_gradient(w->network, w->pass, FD_OUT_TASK).at;
  for (int s = 0; s < w->seqs.count; s++) {
    double z[8];
    for (int c = 0; c < classes; c++) z[c] = (double)logits[s * classes + c];
    cross_entropy(classes, z, label[s], 1.0 / w->seqs.count);
    for (int c = 0; c < classes; c++) d[s * classes + c] = (float)z[c];
  }
  compare_gradients(w, grads_name);
}

static void dna_bert(void **state) {
  (void)state;
  work w;
  open_work(&w, &dnabert_2, 1u << FD_OUT_TASK);
  classify(&w, "grad_cls");
  close_work(&w);
}

static void dna_bert_predicts_words(void **state) {
  (void)state;
  work w;
  open_work(&w, &dnabert_2, 1u << FD_OUT_LOGITS);
  predict_words(&w, "mlm_logits", "loss_mlm_fp64", "grad_mlm");
  close_work(&w);
}

static void plain_bert(void **state) {
  (void)state;
  work w;
  open_work(&w, &bert, 1u << FD_OUT_TASK);
  classify(&w, "grad");
  close_work(&w);
}

static int open_device(void **state) {
  (void)state;
  fd_config config;
  fd_config_defaults(&config);
  return fd_device_open(&dev, &config, 0, 1) != FD_OK;
}

static int close_device(void **state) {
  (void)state;
  fd_device_close(&dev);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(nucleotide_transformer_1), cmocka_unit_test(nucleotide_transformer_2),
                                     cmocka_unit_test(dna_bert), cmocka_unit_test(dna_bert_predicts_words),
                                     cmocka_unit_test(plain_bert)};
  return fd_exists("../shared/golden5") ? cmocka_run_group_tests(tests, open_device, close_device)
                                        : (printf("skipped - ../shared/golden5 is not here\n"), 0);
}
