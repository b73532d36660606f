/* Fits and applies softmax regression in mini-batches. */
#include "tasks/softmax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/guard.h"
#include "base/log.h"
#include "base/memory.h"
#include "train/schedule.h"

static const double rate = 1e-3, decay = 1e-2, beta1 = 0.9, beta2 = 0.999;

struct fd_softmax {
  fd_device *dev; /* a CPU: its memory is the host's */
  int classes, dims;
  size_t weights, size; /* floats of the weights, and of weights and biases */
  float *w, *g, *m, *v; /* [classes, dims], then [classes] */
  float *x, *z, *dz;    /* of a batch */
  float *target, *ones; /* [FD_SOFTMAX_BATCH] */
  double *sum;
  int64_t steps; /* AdamW's t */
};

fd_status fd_softmax_create(fd_softmax **model, fd_device *dev, int classes, int dims) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(model, 1, sizeof **model, "a classifier"));
  fd_softmax *s = *model;
  *s = (fd_softmax){.dev = dev, .classes = classes, .dims = dims, .weights = (size_t)classes * (size_t)dims};
  s->size = s->weights + (size_t)classes;
  FD_GO(fd_alloc(&s->w, s->size, sizeof *s->w, "the weights of a classifier"));
  FD_GO(fd_alloc(&s->x, (size_t)FD_SOFTMAX_BATCH * (size_t)dims, sizeof *s->x, "a classifier"));
  FD_GO(fd_alloc(&s->z, (size_t)FD_SOFTMAX_BATCH * (size_t)classes, sizeof *s->z, "a classifier"));
  FD_GO(fd_alloc(&s->target, FD_SOFTMAX_BATCH, sizeof *s->target, "a classifier"));
  FD_GO(fd_alloc(&s->ones, FD_SOFTMAX_BATCH, sizeof *s->ones, "a classifier"));
  FD_GO(fd_alloc(&s->sum, 1, sizeof *s->sum, "a classifier"));
  for (int i = 0; i < FD_SOFTMAX_BATCH; i++) s->ones[i] = 1;
done:
  if (status != FD_OK) fd_softmax_free(model);
  return status;
}

void fd_softmax_free(fd_softmax **model) {
  fd_softmax *s = *model;
  if (!s) return;
  free(s->w), free(s->g), free(s->m), free(s->v);
  free(s->x), free(s->z), free(s->dz);
  free(s->target), free(s->ones), free(s->sum);
  free(s);
  *model = NULL;
}

void fd_softmax_set(fd_softmax *s, const float *weights, const float *biases) {
  memcpy(s->w, weights, s->weights * sizeof *weights);
  memcpy(s->w + s->weights, biases, (size_t)s->classes * sizeof *biases);
}

/* Allocates what only fitting needs. */
static fd_status begin_fit(fd_softmax *s) {
  float **const arrays[] = {&s->g, &s->m, &s->v};
  if (s->dz) return FD_OK;
  for (int i = 0; i < 3; i++) FD_TRY(fd_alloc(arrays[i], s->size, sizeof(float), "the weights of a classifier"));
  return fd_alloc(&s->dz, (size_t)FD_SOFTMAX_BATCH * (size_t)s->classes, sizeof *s->dz, "a classifier");
}

/* A row of a design as fp32. */
static void put_row(const fd_design *x, int row, float *to) {
  int dims = x->dims;
  if (x->dense) {
    const double *from = x->dense + (size_t)row * (size_t)dims;
    for (int c = 0; c < dims; c++) to[c] = (float)from[c];
    return;
  }
  for (int c = 0; c < dims; c++) to[c] = (float)-x->shift[c];
  for (int64_t i = x->start[row]; i < x->start[row + 1]; i++) to[x->column[i]] += x->value[i];
}

/* Computes the logits of some rows. */
static void score(fd_softmax *s, const fd_design *x, const int *rows, int count) {
  for (int i = 0; i < count; i++) put_row(x, rows[i], s->x + (size_t)i * (size_t)s->dims);
  s->dev->ops.linear_forward(s->dev, count, s->dims, s->classes, fd_dense(s->x, s->dims), s->w, s->w + s->weights,
                             fd_dense(s->z, s->classes));
}

static void step(fd_softmax *s, const fd_design *x, const int *label, const int *rows, int count, double lr) {
  fd_device *dev = s->dev;
  double t = (double)++s->steps;
  const fd_adamw h = {.lr = (float)lr,
                      .decay = (float)(lr * decay),
                      .epsilon = 1e-8f,
                      .beta1 = (float)beta1,
                      .rest1 = (float)(1 - beta1),
                      .beta2 = (float)beta2,
                      .rest2 = (float)(1 - beta2),
                      .c1 = (float)(1 - pow(beta1, t)),
                      .c2 = (float)(1 - pow(beta2, t)),
                      .clip = 1};
  score(s, x, rows, count);
  for (int i = 0; i < count; i++) s->target[i] = (float)label[rows[i]];
  dev->ops.class_loss(dev, count, s->classes, s->z, s->target, s->ones, 1 / (float)count, s->dz, s->sum);
  dev->ops.linear_backward(dev, count, 1, s->dims, s->classes, fd_dense(s->x, s->dims), s->w, fd_dense(s->dz, s->classes),
                           (fd_mat){0}, s->g, s->g + s->weights);
  dev->ops.adamw(dev, s->size, &h, s->g, s->w, s->m, s->v, NULL, 0);
}

fd_status fd_softmax_run(fd_softmax *s, const fd_softmax_fit *fit) {
  int rows[FD_SOFTMAX_BATCH], enough = 0, steps = (fit->count + FD_SOFTMAX_BATCH - 1) / FD_SOFTMAX_BATCH;
  FD_TRY(begin_fit(s));
  for (int epoch = 0; epoch < fit->epochs && !enough; epoch++) {
    for (int first = 0; first < fit->count; first += FD_SOFTMAX_BATCH) {
      int count = fit->count - first < FD_SOFTMAX_BATCH ? fit->count - first : FD_SOFTMAX_BATCH;
      double done = (epoch * (double)steps + (double)(first / FD_SOFTMAX_BATCH)) / ((double)fit->most * steps);
      FD_TRY(fd_guard_go_on());
      for (int i = 0; i < count; i++) {
        int at = (int)fd_permute(fit->seed, (uint64_t)epoch, (uint64_t)fit->count, (uint64_t)(first + i));
        rows[i] = fit->row ? fit->row[at] : at;
      }
      step(s, fit->x, fit->label, rows, count, rate * fd_half_cosine(done));
    }
    fd_progress(0, "classifier of %d classes: epoch %d of %d", s->classes, epoch + 1, fit->epochs);
    if (fit->watch) FD_TRY(fit->watch(fit->context, epoch, &enough));
  }
  return FD_OK;
}

static double loss_of(const float *z, int classes, int label) {
  double top = (double)z[0], sum = 0;
  for (int c = 1; c < classes; c++)
    if ((double)z[c] > top) top = (double)z[c]; /* with fmax, gcc 12 for AArch64 ends with an internal error */
  for (int c = 0; c < classes; c++) sum += exp((double)z[c] - top);
  return log(sum) + top - (double)z[label];
}

static int likeliest(const float *z, int classes) {
  int best = 0;
  for (int c = 1; c < classes; c++)
    if (z[c] > z[best]) best = c;
  return best;
}

fd_status fd_softmax_predict(fd_softmax *s, const fd_design *x, const int *label, const int *row, int count, int *predicted,
                             double *loss) {
  int rows[FD_SOFTMAX_BATCH];
  double total = 0;
  for (int first = 0; first < count; first += FD_SOFTMAX_BATCH) {
    int n = count - first < FD_SOFTMAX_BATCH ? count - first : FD_SOFTMAX_BATCH;
    FD_TRY(fd_guard_go_on());
    for (int i = 0; i < n; i++) rows[i] = row ? row[first + i] : first + i;
    score(s, x, rows, n);
    for (int i = 0; i < n; i++) {
      const float *z = s->z + (size_t)i * (size_t)s->classes;
      if (predicted) predicted[first + i] = likeliest(z, s->classes);
      if (loss) total += loss_of(z, s->classes, label[rows[i]]);
    }
  }
  if (!loss) return FD_OK;
  *loss = total / count;
  return isfinite(*loss) ? FD_OK
                         : fd_fail(FD_NUMERIC,
                                   "a classifier of %d classes has diverged: its features are not finite, or "
                                   "too large",
                                   s->classes);
}

/* A fit whose loss on the held-out rows is watched. */
typedef struct choosing {
  fd_softmax *model;
  const fd_design *x;
  const int *label, *order;
  int held_out, epochs;
  double loss;
} choosing;

static fd_status watch(void *context, int epoch, int *enough) {
  choosing *c = context;
  double loss;
  FD_TRY(fd_softmax_predict(c->model, c->x, c->label, c->order, c->held_out, NULL, &loss));
  if (loss < c->loss) c->loss = loss, c->epochs = epoch + 1;
  *enough = epoch + 1 - c->epochs >= FD_SOFTMAX_PATIENCE;
  return FD_OK;
}

fd_status fd_softmax_select(fd_device *dev, const fd_design *x, const int *label, int classes, const int *order, int held_out,
                            uint64_t seed, int *epochs, double *loss) {
  choosing c = {NULL, x, label, order, held_out, 0, INFINITY};
  fd_softmax_fit fit = {x, label, order + held_out, x->rows - held_out, FD_SOFTMAX_EPOCHS, FD_SOFTMAX_EPOCHS, seed, &c, watch};
  FD_TRY(fd_softmax_create(&c.model, dev, classes, x->dims));
  fd_status status = fd_softmax_run(c.model, &fit);
  fd_softmax_free(&c.model);
  *epochs = c.epochs, *loss = c.loss;
  return status;
}

fd_status fd_softmax_classify(fd_device *dev, const fd_design *train, const int *label, int classes, const fd_design *test,
                              uint64_t seed, int epochs, int *predicted) {
  fd_softmax *model;
  const fd_softmax_fit fit = {train, label, NULL, train->rows, epochs, FD_SOFTMAX_EPOCHS, seed, NULL, NULL};
  FD_TRY(fd_softmax_create(&model, dev, classes, train->dims));
  fd_status status = fd_softmax_run(model, &fit);
  if (status == FD_OK) status = fd_softmax_predict(model, test, NULL, NULL, test->rows, predicted, NULL);
  fd_softmax_free(&model);
  return status;
}
