/* Pooling and one or two linear layers, in a graph and on the host. */
#include "model/task_head.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HEAD = 4095 /* number of its dropout, after those of all layers */ };

static const char *name_of(char name[FD_NAME_MAX], const fd_head_shape *shape, const char *part) {
  snprintf(name, FD_NAME_MAX, "%s.%s", shape->name, part);
  return name;
}

fd_value fd_head(fd_graph *graph, fd_value latent, const fd_head_shape *shape) {
  char name[FD_NAME_MAX];
  const fd_dropout_settings dropout = {shape->dropout, shape->key, HEAD};
  fd_value x;
  if (shape->first) x = fd_first(graph, name_of(name, shape, "first"), latent, shape->features == FD_FEATURES_BOTH);
  else if (shape->features == FD_FEATURES_MAX)
    x = fd_pool_max(graph, name_of(name, shape, "max"), latent, shape->space, FD_FEATURES_TOKENS);
  else x = fd_pool(graph, name_of(name, shape, "pool"), latent, shape->space, shape->features);
  if (shape->hidden) x = fd_linear(graph, name_of(name, shape, "hidden"), x, shape->hidden, 1);
  if (shape->hidden && shape->tanh) x = fd_activation(graph, name_of(name, shape, "tanh"), x, FD_ACT_TANH);
  else if (shape->hidden) x = fd_gelu(graph, name_of(name, shape, "gelu"), x);
  if (shape->dropout > 0) x = fd_dropout(graph, name_of(name, shape, "drop"), x, &dropout);
  return fd_linear(graph, name_of(name, shape, "out"), x, shape->outputs, 1);
}

fd_value fd_task_head_add(fd_task_head *h, fd_graph *graph, const fd_config *c, fd_value latent) {
  const fd_head_shape shape = {
      .name = "task",
      .features = (fd_features)c->task.features,
      .space = FD_SEQUENCES,
      .hidden = (int)c->task.hidden,
      .outputs = (int)c->task.outputs,
      .tanh = c->task.activation == FD_TASK_TANH,
      .dropout = (float)fd_config_head_dropout(c),
      .key = fd_rng_key_of((uint64_t)c->run.seed, FD_RNG_DROPOUT),
      .first = fd_config_reads_ids(c) && (c->task.features == FD_FEATURES_CLS || c->task.features == FD_FEATURES_BOTH)};
  *h = (fd_task_head){.outputs = shape.outputs,
                      .kind = c->task.kind,
                      .features = c->task.features,
                      .width = latent.width * (c->task.features == FD_FEATURES_BOTH ? 2 : 1),
                      .hidden = shape.hidden,
                      .tanh = shape.tanh};
  return fd_head(graph, latent, &shape);
}

void fd_task_head_find(fd_task_head *h, const fd_params *params) {
  h->hidden_weight = fd_params_find(params, "task.hidden.weight");
  h->hidden_bias = fd_params_find(params, "task.hidden.bias");
  h->out_weight = fd_params_find(params, "task.out.weight");
  h->out_bias = fd_params_find(params, "task.out.bias");
}

static void apply(const fd_param *weight, const fd_param *bias, const float *params, const double *x, double *y) {
  const float *w = params + weight->offset, *b = params + bias->offset;
  int out = weight->shape[0], in = weight->shape[1];
  for (int o = 0; o < out; o++) {
    y[o] = (double)b[o];
    for (int i = 0; i < in; i++) y[o] += (double)w[(size_t)o * (size_t)in + (size_t)i] * x[i];
  }
}

int fd_task_head_inner_width(const fd_task_head *h) { return h->hidden ? h->hidden : h->width; }

void fd_task_head_inner(const fd_task_head *h, const float *params, const float *features, double *inner) {
  double x[h->width];
  for (int i = 0; i < h->width; i++) x[i] = (double)features[i];
  if (!h->hidden) memcpy(inner, x, sizeof x);
  else apply(h->hidden_weight, h->hidden_bias, params, x, inner);
  for (int i = 0; i < h->hidden; i++) inner[i] = h->tanh ? tanh(inner[i]) : inner[i] * (0.5 * (1 + erf(inner[i] * M_SQRT1_2)));
}

void fd_task_head_apply(const fd_task_head *h, const float *params, const float *features, double *z) {
  double inner[fd_task_head_inner_width(h)];
  fd_task_head_inner(h, params, features, inner);
  apply(h->out_weight, h->out_bias, params, inner, z);
}

void fd_task_head_predict(const fd_task_head *h, double *z) {
  double largest = z[0], sum = 0;
  if (h->kind == FD_TASK_VALUES) return;
  for (int o = 1; o < h->outputs; o++) largest = fmax(largest, z[o]);
  for (int o = 0; o < h->outputs; o++) sum += z[o] = exp(z[o] - largest);
  for (int o = 0; o < h->outputs; o++) z[o] /= sum;
}
