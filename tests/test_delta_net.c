/* The gated delta net against golden5's values of independent implementations (gdn_h2, gdn_h3): outputs and gradients, on the
 * CPU and on the emulated GPU or the GPU of FINDNA_PLUGIN; the same bits for any number of threads. */
#include "delta_bits.h"
#include "find_gpu.h"
#include "golden5.h"

#include <stdlib.h>

#include "model/delta_net.h"

/* A net after an identity linear layer, whose output gradient is then the gradient by the input. */
typedef struct work {
  golden5 g;
  fd_config config;
  fd_device *dev;
  fd_params params;
  fd_graph graph;
  fd_value x, y;
  fd_spaces spaces;
  fd_seqs seqs;
  fd_pass *pass;
  float *w, *grads, *input; /* device */
  int width, rows, *row;    /* for each packed row, its row in the padded tensor */
} work;

static const fd_tensor *find(const work *w, const char *group, const char *name) {
  char full[128];
  snprintf(full, sizeof full, "%s%s", group, name);
  const fd_tensor *t = fd_safetensors_find(&w->g.theirs, full);
  if (!t) fail_msg("no tensor %s", full);
  return t;
}

static int number(const work *w, const char *name) {
  return (int)json_integer_value(json_object_get(json_object_get(w->g.root, "config"), name));
}

static void *put_there(fd_device *dev, const void *from, size_t bytes) {
  void *at;
  assert_ok(dev->alloc(dev, &at, bytes, "test"));
  if (from) assert_ok(dev->copy(dev, at, from, bytes));
  return at;
}

static void load(work *w) {
  float *values = calloc(w->params.size, sizeof *values);
  for (int i = 0; i < w->params.count; i++) {
    const fd_param *p = &w->params.item[i];
    if (!strcmp(p->name, "before.weight"))
      for (int c = 0; c < w->width; c++) values[p->offset + (size_t)(c * w->width + c)] = 1;
    else memcpy(values + p->offset, find(w, "w.", p->name + strlen("net."))->data, p->size * sizeof *values);
  }
  w->w = put_there(w->dev, values, w->params.size * sizeof *values);
  w->grads = put_there(w->dev, NULL, w->params.size * sizeof *values);
  free(values);
}

static int open_work(work *w, const char *name, char *device) {
  memset(w, 0, sizeof *w);
  if (!golden5_open(&w->g, name)) return 0;
  char *settings[] = {device, (char[]){"device.threads=2"}, (char[]){"device.precision=fp32"}};
  assert_ok(fd_config_parse(&w->config, "", 0, "test", settings, 3));
  assert_ok(fd_device_open(&w->dev, &w->config, 0, 1));
  const fd_delta_net net = {number(w, "heads"), number(w, "dk"), number(w, "dv"), 1e-5f};
  w->width = number(w, "d");
  w->x = fd_graph_begin(&w->graph, &w->params, FD_TOKENS, w->width);
  w->x = fd_linear_unbiased(&w->graph, "before", w->x, w->width, 0);
  w->y = fd_delta_net_both(&w->graph, "net", w->x, &net);
  assert_ok(w->graph.status);
  load(w);
  return 1;
}

static void close_work(work *w) {
  w->dev->release(w->dev, w->w), w->dev->release(w->dev, w->grads);
  fd_graph_free(&w->graph);
  fd_params_free(&w->params);
  fd_device_close(&w->dev);
  golden5_close(&w->g);
}

/* Copies sequences of these lengths from a padded tensor into packed rows. */
static void set_rows(work *w, int count, int padded, const int *lengths) {
  assert_ok(fd_seqs_create(&w->seqs, w->dev, count, 0));
  w->seqs.count = count, w->seqs.micro_batches = 1;
  w->row = malloc(sizeof *w->row * (size_t)(count * padded));
  w->rows = 0;
  for (int i = 0; i < count; i++) {
    for (int t = 0; t < (lengths ? lengths[i] : padded); t++) w->row[w->rows++] = i * padded + t;
    w->seqs.start[i + 1] = w->rows;
  }
  assert_ok(fd_seqs_send(&w->seqs, w->dev));
}

static float *packed(const work *w, const fd_tensor *t) {
  float *rows = malloc(sizeof *rows * (size_t)(w->rows * w->width));
  for (int r = 0; r < w->rows; r++)
    memcpy(rows + r * w->width, (const float *)t->data + w->row[r] * w->width, sizeof *rows * (size_t)w->width);
  return rows;
}

static double bound_of(const work *w, const char *group) {
  return fmax(1e-5 * golden5_measured(&w->g, group, "largest_value"), 5 * golden5_measured(&w->g, group, "maxabs"));
}

static void compare_values(const char *what, const float *ours, const float *theirs, size_t n, double bound) {
  for (size_t i = 0; i < n; i++)
    if (!(fabs((double)ours[i] - (double)theirs[i]) <= bound))
      fail_msg("%s[%zu]: %.9g, expected %.9g within %.2g", what, i, (double)ours[i], (double)theirs[i], bound);
}

static void compare_rows(const work *w, const char *group, const char *name, fd_mat m) {
  char full[32];
  snprintf(full, sizeof full, "%s%s", group, name);
  float *ours = malloc(sizeof *ours * (size_t)(w->rows * w->width)), *theirs = packed(w, find(w, full, ""));
  assert_ok(fd_mat_read(w->dev, m, 0, w->rows, w->width, ours));
  compare_values(full, ours, theirs, (size_t)(w->rows * w->width), bound_of(w, full));
  free(ours), free(theirs);
}

static void compare_gradients(const work *w, const char *group) {
  char prefix[32], name[32];
  float *ours = malloc(w->params.size * sizeof *ours);
  snprintf(prefix, sizeof prefix, "%sgrad.", group);
  snprintf(name, sizeof name, "%sgrad", group);
  assert_ok(w->dev->copy(w->dev, ours, w->grads, w->params.size * sizeof *ours));
  assert_ok(w->dev->sync(w->dev));
  for (int i = 0; i < w->params.count; i++) {
    const fd_param *p = &w->params.item[i];
    if (!strcmp(p->name, "before.weight")) continue;
    compare_values(p->name, ours + p->offset, find(w, prefix, p->name + strlen("net."))->data, p->size, bound_of(w, name));
  }
  free(ours);
}

static void compare_length(work *w, const char *group, const int *lengths) {
  const fd_tensor *x = find(w, group, "x");
  set_rows(w, (int)x->shape[0], (int)x->shape[1], lengths);
  size_t values = (size_t)w->graph.values;
  unsigned char *flags = calloc(2, values);
  flags[w->y.id] = flags[values + (size_t)w->y.id] = 1;
  fd_extent extent = {w->rows, w->seqs.count, 0};
  assert_ok(fd_pass_create(&w->pass, &w->graph, w->dev, &(fd_ends){flags, flags + values, 0}, extent));
  assert_ok(fd_spaces_create(&w->spaces, w->dev, fd_pass_spaces(w->pass), extent));
  assert_ok(fd_spaces_set(&w->spaces, &w->seqs));
  float *rows = packed(w, x), *dy = packed(w, find(w, group, "dy"));
  size_t bytes = sizeof *rows * (size_t)(w->rows * w->width);
  w->input = put_there(w->dev, rows, bytes);
  fd_pass_forward(w->pass, &w->spaces, w->w, w->input);
  compare_rows(w, group, "y", fd_pass_value(w->pass, w->y));
  fd_mat to = fd_pass_gradient(w->pass, w->y);
  assert_int_equal(to.stride, w->width); /* fp32 needs no padding for widths of whole vectors */
  assert_ok(w->dev->copy(w->dev, to.at, dy, bytes));
  fd_pass_backward(w->pass, w->grads, NULL);
  compare_rows(w, group, "dx", fd_pass_gradient(w->pass, w->x));
  compare_gradients(w, group);
  w->dev->release(w->dev, w->input);
  fd_pass_destroy(&w->pass);
  fd_spaces_destroy(&w->spaces);
  fd_seqs_destroy(&w->seqs, w->dev);
  free(w->row), free(rows), free(dy), free(flags);
}

/* Checks all lengths of the file, and its batch of unequal lengths. */
static void check(const char *name, const char *device) {
  work w;
  char setting[32], group[16];
  snprintf(setting, sizeof setting, "%s", device);
  if (!open_work(&w, name, setting)) return;
  json_t *config = json_object_get(w.g.root, "config"), *lengths = json_object_get(config, "lengths"),
         *ragged = json_object_get(config, "ragged");
  int ragged_lengths[8];
  for (size_t i = 0; i < json_array_size(lengths); i++) {
    snprintf(group, sizeof group, "L%d.", (int)json_integer_value(json_array_get(lengths, i)));
    compare_length(&w, group, NULL);
  }
  for (size_t i = 0; i < json_array_size(ragged); i++) ragged_lengths[i] = (int)json_integer_value(json_array_get(ragged, i));
  compare_length(&w, "ragged.", ragged_lengths);
  close_work(&w);
}

static void on_the_cpu(void **state) {
  (void)state;
  check("gdn_h2", "device.kind=cpu");
  check("gdn_h3", "device.kind=cpu");
  check("gdn_h2", "device.simd=generic");
}

static void on_the_gpu(void **state) {
  (void)state;
  if (!find_gpu()) return;
  check("gdn_h2", "device.kind=cuda");
  check("gdn_h3", "device.kind=cuda");
}

static void bits_do_not_depend_on_threads(void **state) {
  (void)state;
  fd_config config;
  fd_config_defaults(&config);
  fd_seqs seqs = random_seqs(0, 300);
  int rows = fd_seqs_rows(&seqs);
  enum { WIDTH = 66, TAPS = 4 };
  float *x = random_floats((size_t)(rows * BITS_OF), 1), *first = NULL, *first_dw = NULL, *y = poison((size_t)rows * WIDTH);
  for (int threads = 1; threads < 9; threads += threads < 3 ? 1 : 5) {
    config.device.threads = threads;
    fd_device *dev;
    assert_ok(fd_device_open(&dev, &config, 0, 1));
    float *out = delta_there(dev, &seqs, x, 0), *dw = poison(WIDTH * TAPS + WIDTH);
    fd_mat m = {x, BITS_OF, FD_FP32};
    dev->ops.causal_conv_weights(dev, &seqs, WIDTH, TAPS, 0, m, fd_mat_columns(m, 1), dw);
    fd_norm norm = {WIDTH / 2, 1, 1e-5f, x, NULL};
    dev->ops.gated_norm_backward(dev, rows, 1, 2, &norm, m, m, m, fd_dense(y, WIDTH), fd_dense(y, WIDTH), dw + WIDTH * TAPS);
    if (first) {
      assert_memory_equal(out, first, sizeof *x * (size_t)(rows * BITS_OF));
      assert_memory_equal(dw, first_dw, sizeof *dw * (WIDTH * TAPS + WIDTH / 2));
      free(out), free(dw);
    } else first = out, first_dw = dw;
    fd_device_close(&dev);
  }
  free(x), free(y), free(first), free(first_dw), free(seqs.start);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(on_the_cpu), cmocka_unit_test(on_the_gpu),
                                     cmocka_unit_test(bits_do_not_depend_on_threads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
