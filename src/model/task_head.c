/* Pooling, one or two linear layers, and back. */
#include "model/task_head.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum { WEIGHT, BIAS };

static fd_status add_layer(fd_layer *layer, int in, int out, const char *prefix, const char *which, fd_params *params) {
  char name[FD_NAME_MAX];
  snprintf(name, sizeof name, "%s.%s", prefix, which);
  *layer = (fd_layer){.kind = &fd_layer_linear, .in = in, .out = out};
  return layer->kind->declare(layer, name, params);
}

fd_status fd_task_head_declare(fd_task_head *h, const char *prefix, fd_params *params) {
  if (h->hidden) FD_TRY(add_layer(&h->layer[0], h->width, h->hidden, prefix, "hidden", params));
  return add_layer(&h->layer[1], h->hidden ? h->hidden : h->width, h->outputs, prefix, "out", params);
}

fd_status fd_task_head_create(fd_task_head *h, const fd_config *c, fd_params *params) {
  h->outputs = (int)c->task.outputs;
  h->kind = c->task.kind;
  h->features = c->task.features;
  h->channels = (int)c->model.channels;
  h->width = h->channels * (h->features == FD_FEATURES_BOTH ? 2 : 1);
  h->hidden = (int)c->task.hidden;
  return h->outputs ? fd_task_head_declare(h, "task", params) : FD_OK;
}

size_t fd_task_pass_size(const fd_task_head *h, int count) {
  return 2 * (size_t)count * (size_t)(h->width + 2 * h->hidden + h->outputs) * sizeof(float);
}

fd_status fd_task_pass_create(fd_task_pass **pass, const fd_task_head *h, fd_device *dev, int count) {
  FD_TRY(fd_alloc(pass, 1, sizeof **pass, "the head's pass"));
  fd_task_pass *p = *pass;
  size_t n = (size_t)count, width = (size_t)h->width * n, hidden = (size_t)h->hidden * n, outputs = (size_t)h->outputs * n;
  p->dev = dev;
  fd_status status = dev->alloc(dev, &p->pool, fd_task_pass_size(h, count), "the head's pass");
  if (status != FD_OK) {
    fd_task_pass_destroy(pass);
    return status;
  }
  p->features = p->pool, p->dfeatures = p->features + width;
  p->hidden = p->dfeatures + width, p->dhidden = p->hidden + hidden;
  p->active = p->dhidden + hidden, p->dactive = p->active + hidden;
  p->z = p->dactive + hidden, p->dz = p->z + outputs;
  return FD_OK;
}

void fd_task_pass_destroy(fd_task_pass **pass) {
  if (!*pass) return;
  (*pass)->dev->release((*pass)->dev, (*pass)->pool);
  free(*pass);
  *pass = NULL;
}

/* Where the mean over the [CLS] rows stands in a row of features. */
static size_t cls_offset(const fd_task_head *h) { return h->features == FD_FEATURES_BOTH ? (size_t)h->channels : 0; }

void fd_task_head_forward(const fd_task_head *h, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat latent,
                          fd_task_pass *p) {
  const fd_layer *first = &h->layer[0], *out = &h->layer[1];
  size_t width = (size_t)h->width;
  int n = seqs->count;
  if (h->features != FD_FEATURES_CLS) dev->ops.pool_mean(dev, seqs, h->channels, 0, latent, width, p->features);
  if (h->features != FD_FEATURES_TOKENS)
    dev->ops.pool_mean(dev, seqs, h->channels, 1, latent, width, p->features + cls_offset(h));
  if (h->hidden) {
    dev->ops.linear_forward(dev, n, first->in, first->out, fd_dense(p->features, h->width), params + first->offset[WEIGHT],
                            params + first->offset[BIAS], fd_dense(p->hidden, h->hidden));
    dev->ops.gelu_forward(dev, (size_t)n * (size_t)h->hidden, p->hidden, p->active);
  }
  dev->ops.linear_forward(dev, n, out->in, out->out, fd_dense(h->hidden ? p->active : p->features, out->in),
                          params + out->offset[WEIGHT], params + out->offset[BIAS], fd_dense(p->z, h->outputs));
}

void fd_task_head_backward(const fd_task_head *h, fd_device *dev, const fd_seqs *seqs, const float *params, fd_task_pass *p,
                           fd_mat dlatent, float *grads) {
  const fd_layer *first = &h->layer[0], *out = &h->layer[1];
  size_t width = (size_t)h->width;
  int n = seqs->count;
  dev->ops.linear_backward(dev, n, seqs->parts, out->in, out->out, fd_dense(h->hidden ? p->active : p->features, out->in),
                           params + out->offset[WEIGHT], fd_dense(p->dz, h->outputs),
                           fd_dense(h->hidden ? p->dactive : p->dfeatures, out->in), grads + out->offset[WEIGHT],
                           grads + out->offset[BIAS]);
  if (h->hidden) {
    dev->ops.gelu_backward(dev, (size_t)n * (size_t)h->hidden, p->hidden, p->dactive, p->dhidden);
    dev->ops.linear_backward(dev, n, seqs->parts, first->in, first->out, fd_dense(p->features, h->width),
                             params + first->offset[WEIGHT], fd_dense(p->dhidden, h->hidden), fd_dense(p->dfeatures, h->width),
                             grads + first->offset[WEIGHT], grads + first->offset[BIAS]);
  }
  if (h->features != FD_FEATURES_CLS) dev->ops.pool_mean_backward(dev, seqs, h->channels, 0, p->dfeatures, width, dlatent);
  if (h->features != FD_FEATURES_TOKENS)
    dev->ops.pool_mean_backward(dev, seqs, h->channels, 1, p->dfeatures + cls_offset(h), width, dlatent);
}

static void apply(const fd_layer *layer, const float *params, const double *x, double *y) {
  const float *w = params + layer->offset[WEIGHT], *b = params + layer->offset[BIAS];
  for (int o = 0; o < layer->out; o++) {
    y[o] = (double)b[o];
    for (int i = 0; i < layer->in; i++) y[o] += (double)w[(size_t)o * (size_t)layer->in + (size_t)i] * x[i];
  }
}

void fd_task_head_apply(const fd_task_head *h, const float *params, const float *features, double *z) {
  double x[h->width], hidden[h->hidden + 1];
  for (int i = 0; i < h->width; i++) x[i] = (double)features[i];
  if (h->hidden) apply(&h->layer[0], params, x, hidden);
  for (int i = 0; i < h->hidden; i++) hidden[i] *= 0.5 * (1 + erf(hidden[i] * M_SQRT1_2));
  apply(&h->layer[1], params, h->hidden ? hidden : x, z);
}

void fd_task_head_predict(const fd_task_head *h, double *z) {
  double largest = z[0], sum = 0;
  if (h->kind == FD_TASK_VALUES) return;
  for (int o = 1; o < h->outputs; o++) largest = fmax(largest, z[o]);
  for (int o = 0; o < h->outputs; o++) sum += z[o] = exp(z[o] - largest);
  for (int o = 0; o < h->outputs; o++) z[o] /= sum;
}
