/* Pooling of sequences, the learned rows of [CLS] tokens, and exact GELU on the CPU: small tensors, plain loops. */
#include <math.h>

#include "cpu/backend.h"

typedef struct pool_call {
  const fd_seqs *seqs;
  int channels, cls;
  size_t stride;
  const float *x, *dout;
  float *out, *dx;
  int *place;
} pool_call;

/* The rows [*first, *last) of a sequence that are pooled. */
static void rows_of(const pool_call *c, int i, int *first, int *last) {
  int middle = c->seqs->start[i + 1] - c->seqs->cls;
  *first = c->cls ? middle : c->seqs->start[i];
  *last = c->cls ? c->seqs->start[i + 1] : middle;
}

static void mean_item(void *context, int i, int thread) {
  (void)thread;
  pool_call *c = context;
  int first, last;
  rows_of(c, i, &first, &last);
  for (int k = 0; k < c->channels; k++) {
    double sum = 0;
    for (int r = first; r < last; r++) sum += (double)c->x[(size_t)r * (size_t)c->channels + (size_t)k];
    c->out[(size_t)i * c->stride + (size_t)k] = (float)(sum / (last - first));
  }
}

void fd_cpu_pool_mean(fd_device *dev, const fd_seqs *seqs, int channels, int cls, fd_mat x, size_t stride, float *out) {
  pool_call call = {.seqs = seqs, .channels = channels, .cls = cls, .stride = stride, .x = x.at, .out = out};
  fd_pool_run(fd_cpu_of(dev)->pool, seqs->count, mean_item, &call);
}

static void mean_backward_item(void *context, int i, int thread) {
  (void)thread;
  pool_call *c = context;
  int first, last;
  rows_of(c, i, &first, &last);
  const float *dout = c->dout + (size_t)i * c->stride;
  float share = 1.0f / (float)(last - first);
  for (int r = first; r < last; r++) {
    float *dx = c->dx + (size_t)r * (size_t)c->channels;
    for (int k = 0; k < c->channels; k++) dx[k] += dout[k] * share;
  }
}

void fd_cpu_pool_mean_backward(fd_device *dev, const fd_seqs *seqs, int channels, int cls, const float *dout, size_t stride,
                               fd_mat dx) {
  pool_call call = {.seqs = seqs, .channels = channels, .cls = cls, .stride = stride, .dout = dout, .dx = dx.at};
  fd_pool_run(fd_cpu_of(dev)->pool, seqs->count, mean_backward_item, &call);
}

/* A NaN counts as the largest value. */
static void max_item(void *context, int i, int thread) {
  (void)thread;
  pool_call *c = context;
  int first, last, *place = c->place ? c->place + (size_t)i * (size_t)c->channels : NULL;
  float *out = c->out + (size_t)i * c->stride;
  rows_of(c, i, &first, &last);
  for (int k = 0; k < c->channels; k++) out[k] = -INFINITY;
  for (int k = 0; place && k < c->channels; k++) place[k] = first;
  for (int r = first; r < last; r++) {
    const float *x = c->x + (size_t)r * (size_t)c->channels;
    for (int k = 0; k < c->channels; k++) {
      if (!(x[k] > out[k] || (isnan(x[k]) && !isnan(out[k])))) continue;
      out[k] = x[k];
      if (place) place[k] = r;
    }
  }
}

void fd_cpu_pool_max(fd_device *dev, const fd_seqs *seqs, int channels, int cls, fd_mat x, size_t stride, float *out,
                     int *place) {
  pool_call call = {.seqs = seqs, .channels = channels, .cls = cls, .stride = stride, .x = x.at, .out = out, .place = place};
  fd_pool_run(fd_cpu_of(dev)->pool, seqs->count, max_item, &call);
}

void fd_cpu_pool_max_backward(fd_device *dev, const fd_seqs *seqs, int channels, const float *dout, size_t stride,
                              const int *place, fd_mat dx) {
  (void)dev;
  for (int s = 0; s < seqs->count; s++)
    for (int k = 0; k < channels; k++)
      ((float *)dx.at)[(size_t)place[(size_t)s * (size_t)channels + (size_t)k] * (size_t)channels + (size_t)k] +=
          dout[(size_t)s * stride + (size_t)k];
}

void fd_cpu_cls_add(fd_device *dev, const fd_seqs *seqs, int width, const float *w, fd_mat x) {
  (void)dev;
  size_t n = (size_t)seqs->cls * (size_t)width;
  for (int s = 0; s < seqs->count; s++) {
    float *rows = (float *)x.at + (size_t)(seqs->start[s + 1] - seqs->cls) * (size_t)width;
    for (size_t i = 0; i < n; i++) rows[i] += w[i];
  }
}

void fd_cpu_cls_add_backward(fd_device *dev, const fd_seqs *seqs, int width, fd_mat dy, float *dw) {
  (void)dev;
  size_t n = (size_t)seqs->cls * (size_t)width;
  for (size_t i = 0; i < n; i++) {
    double sum = 0;
    for (int s = 0; s < seqs->count; s++)
      sum += (double)((const float *)dy.at)[(size_t)(seqs->start[s + 1] - seqs->cls) * (size_t)width + i];
    dw[i] = (float)sum;
  }
}

void fd_cpu_gelu_forward(fd_device *dev, size_t n, const float *x, float *y) {
  (void)dev;
  for (size_t i = 0; i < n; i++) y[i] = (float)(0.5 * (double)x[i] * (1 + erf((double)x[i] * M_SQRT1_2)));
}

void fd_cpu_gelu_backward(fd_device *dev, size_t n, const float *x, const float *dy, float *dx) {
  (void)dev;
  for (size_t i = 0; i < n; i++) {
    double v = (double)x[i], slope = 0.5 * (1 + erf(v * M_SQRT1_2)) + v * exp(-0.5 * v * v) * (0.5 * M_2_SQRTPI * M_SQRT1_2);
    dx[i] = (float)((double)dy[i] * slope);
  }
}
