/* The variants of encoder `transformer`: the latents of each against plain loops in double, from one-hot rows to the last
 * block. */
#include "values.h"

#include "model/network.h"

enum { TOKENS = 9, CLS = 2, WIDTH = 8, HIDDEN = 6, HEADS = 2, LAYERS = 2, DIM = WIDTH / HEADS };

typedef double rows[TOKENS][2 * HIDDEN > 3 * WIDTH ? 2 * HIDDEN : 3 * WIDTH];

/* A network and its parameters by name. */
typedef struct plain {
  const fd_config *config;
  const fd_network *network;
  const float *params;
} plain;

static const float *parameter(const plain *p, int block, const char *part, const char *what) {
  char name[FD_NAME_MAX];
  if (block < 0) snprintf(name, sizeof name, "%s.%s", part, what);
  else snprintf(name, sizeof name, "blocks.%d.%s.%s", block, part, what);
  const fd_param *found = fd_params_find(&p->network->params, name);
  return found ? p->params + found->offset : NULL;
}

/* y = x W^T + b, into columns `to` .. of y. */
static void linear(const plain *p, int block, const char *part, int in, int out, rows x, int to, rows y) {
  const float *w = parameter(p, block, part, "weight"), *b = parameter(p, block, part, "bias");
  for (int t = 0; t < TOKENS; t++)
    for (int o = 0; o < out; o++) {
      double sum = (double)b[o];
      for (int i = 0; i < in; i++) sum += x[t][i] * (double)w[o * in + i];
      y[t][to + o] = sum;
    }
}

/* Normalizes a row; without a norm of this name, copies the row. */
static void normalize(const plain *p, int block, const char *part, int here, rows x, rows y) {
  const float *w = parameter(p, block, part, "weight"), *b = parameter(p, block, part, "bias");
  for (int t = 0; t < TOKENS; t++) {
    double mean = 0, squares = 0;
    for (int c = 0; c < WIDTH && p->config->model.norm == FD_NORM_LAYER; c++) mean += x[t][c] / WIDTH;
    for (int c = 0; c < WIDTH; c++) squares += (x[t][c] - mean) * (x[t][c] - mean) / WIDTH;
    for (int c = 0; c < WIDTH; c++) {
      double z = (x[t][c] - mean) / sqrt(squares + p->config->model.epsilon);
      y[t][c] = here ? z * (double)w[c] + (b ? (double)b[c] : 0) : x[t][c];
    }
  }
}

static void turn(double *x, int t) {
  for (int i = 0; i < DIM / 2; i++) {
    double angle = t * pow(10000, -2.0 * i / DIM), a = x[i], b = x[DIM / 2 + i];
    x[i] = a * cos(angle) - b * sin(angle);
    x[DIM / 2 + i] = b * cos(angle) + a * sin(angle);
  }
}

/* Attention with queries, keys and values side by side in x, with rotary positions on queries and keys. */
static void attend(rows x, rows y) {
  for (int t = 0; t < TOKENS; t++)
    for (int h = 0; h < 2 * HEADS; h++) turn(x[t] + h * DIM, t);
  for (int h = 0; h < HEADS; h++)
    for (int t = 0; t < TOKENS; t++) {
      double weight[TOKENS], all = 0;
      for (int s = 0; s < TOKENS; s++) {
        double score = 0;
        for (int c = 0; c < DIM; c++) score += x[t][h * DIM + c] * x[s][WIDTH + h * DIM + c];
        all += weight[s] = exp(score / sqrt(DIM));
      }
      for (int c = 0; c < DIM; c++) {
        y[t][h * DIM + c] = 0;
        for (int s = 0; s < TOKENS; s++) y[t][h * DIM + c] += weight[s] / all * x[s][2 * WIDTH + h * DIM + c];
      }
    }
}

static double activated(int act, double x) {
  if (act == FD_ACT_RELU) return x > 0 ? x : 0;
  return act == FD_ACT_SILU ? x / (1 + exp(-x)) : 0.5 * x * (1 + erf(x * M_SQRT1_2));
}

static void add_rows(rows x, rows y) {
  for (int t = 0; t < TOKENS; t++)
    for (int c = 0; c < WIDTH; c++) x[t][c] += y[t][c];
}

static void run_block(const plain *p, int block, rows x) {
  int pre = p->config->model.norm_at == FD_NORM_PRE, gated = p->config->model.gated;
  rows h, a, b;
  normalize(p, block, "norm1", pre, x, h);
  linear(p, block, "attn.q", WIDTH, WIDTH, h, 0, a);
  linear(p, block, "attn.k", WIDTH, WIDTH, h, WIDTH, a);
  linear(p, block, "attn.v", WIDTH, WIDTH, h, 2 * WIDTH, a);
  attend(a, b);
  linear(p, block, "attn.o", WIDTH, WIDTH, b, 0, a);
  add_rows(x, a);
  normalize(p, block, "norm1", !pre, x, x);
  normalize(p, block, "norm2", pre, x, h);
  linear(p, block, "fc1", WIDTH, HIDDEN * (1 + gated), h, 0, a);
  for (int t = 0; t < TOKENS; t++)
    for (int c = 0; c < HIDDEN; c++) a[t][c] = activated(p->config->model.activation, a[t][c]) * (gated ? a[t][HIDDEN + c] : 1);
  linear(p, block, "fc2", HIDDEN, WIDTH, a, 0, b);
  add_rows(x, b);
  normalize(p, block, "norm2", !pre, x, x);
}

static void run_plain(const plain *p, const float *input, rows x) {
  rows one_hot;
  const float *cls = parameter(p, -1, "embedding", "cls");
  for (int t = 0; t < TOKENS; t++)
    for (int c = 0; c < FD_SYMBOLS; c++) one_hot[t][c] = (double)input[t * FD_SYMBOLS + c];
  linear(p, -1, "embedding", FD_SYMBOLS, WIDTH, one_hot, 0, x);
  for (int k = 0; k < CLS; k++)
    for (int c = 0; c < WIDTH; c++) x[TOKENS - CLS + k][c] += (double)cls[k * WIDTH + c];
  for (int i = 0; i < LAYERS; i++) run_block(p, i, x);
  normalize(p, -1, "norm", p->config->model.norm_at == FD_NORM_PRE, x, x);
}

static void compare_latents(fd_device *dev, const plain *p, const float *input) {
  const fd_extent extent = {TOKENS, 1, CLS};
  fd_pass *pass;
  fd_spaces spaces;
  fd_seqs seqs;
  rows x;
  float latent[TOKENS * WIDTH];
  assert_ok(fd_network_pass(&pass, p->network, dev, (fd_demand){1u << FD_OUT_LATENT, 0, 0}, extent));
  assert_ok(fd_spaces_create(&spaces, dev, fd_pass_spaces(pass), extent));
  assert_ok(fd_seqs_create(&seqs, dev, 1, CLS));
  seqs.count = 1, seqs.start[1] = TOKENS;
  assert_ok(fd_spaces_set(&spaces, &seqs));
  fd_pass_forward(pass, &spaces, p->params, input);
  assert_ok(fd_mat_read(dev, fd_network_output(p->network, pass, FD_OUT_LATENT), 0, TOKENS, WIDTH, latent));
  run_plain(p, input, x);
  for (int t = 0; t < TOKENS; t++)
    for (int c = 0; c < WIDTH; c++) assert_near((double)latent[t * WIDTH + c], x[t][c], 2e-5 * (1 + fabs(x[t][c])));
  fd_seqs_destroy(&seqs, dev);
  fd_spaces_destroy(&spaces);
  fd_pass_destroy(&pass);
}

static void every_form_equals_plain(void **state) {
  (void)state;
  static char form[8][48] = {"model.encoder=transformer",
                             "model.cls_tokens=learned",
                             "model.cls=2",
                             "model.channels=8",
                             "model.hidden=6",
                             "model.layers=2",
                             "model.heads=2"};
  char *settings[8];
  fd_device *dev;
  fd_config config;
  for (int i = 0; i < 8; i++) settings[i] = form[i];
  assert_ok(fd_config_parse(&config, "", 0, "test", settings, 7));
  assert_ok(fd_device_open(&dev, &config, 0, 1));
  for (int n = 0; n < 2 * 2 * 3 * 2; n++) {
    fd_network *network;
    config.model.norm_at = n % 2, config.model.norm = n / 2 % 2, config.model.activation = n / 4 % 3, config.model.gated = n / 12;
    assert_ok(fd_network_create(&network, &config, TOKENS));
    float *params = random_floats(network->params.size, 1), *input = random_floats(TOKENS * FD_SYMBOLS, 1);
    compare_latents(dev, &(plain){&config, network, params}, input);
    free(params), free(input);
    fd_network_destroy(&network);
  }
  fd_device_close(&dev);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_form_equals_plain)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
