/* The losses on the CPU, in double and a fixed order: plain loops, on one thread but for classes. */
#include <math.h>
#include <string.h>

#include "cpu/backend.h"

/* log-softmax of n values `step` apart, divided by tau, into out[0..n-1]. */
static void log_softmax(int n, const float *x, const float *centre, size_t step, double tau, double *out) {
  double largest = -INFINITY, sum = 0;
  for (int i = 0; i < n; i++) {
    out[i] = ((double)x[(size_t)i * step] - (centre ? (double)centre[(size_t)i * step] : 0.0)) / tau;
    if (out[i] > largest) largest = out[i];
  }
  for (int i = 0; i < n; i++) sum += exp(out[i] - largest);
  double shift = largest + log(sum);
  for (int i = 0; i < n; i++) out[i] -= shift;
}

static double cross_entropy_row(const float *z, int label, double tau, double scale, float *dz) {
  double logp[FD_SYMBOLS];
  log_softmax(FD_SYMBOLS, z, NULL, 1, tau, logp);
  for (int c = 0; c < FD_SYMBOLS; c++) dz[c] += (float)(scale / tau * (exp(logp[c]) - (c == label)));
  return -logp[label];
}

static double binary_row(const float *z, int label, const uint8_t *mask, size_t step, double tau, double scale, float *dz) {
  double sum = 0;
  for (size_t c = 0; c < FD_SYMBOLS; c++) {
    if (!mask[c * step]) continue;
    double x = (double)z[c] / tau, target = (int)c == label;
    sum += (x > 0 ? x : 0) + log1p(exp(-fabs(x))) - target * x;
    dz[c] += (float)(scale / tau * (1 / (1 + exp(-x)) - target));
  }
  return sum;
}

void fd_cpu_mnm_loss(fd_device *dev, const fd_seqs *seqs, const float *logits, const uint8_t *labels, const uint8_t *mask,
                     int entry_mask, int bce, float tau, float scale, float *dlogits, double *sum) {
  (void)dev;
  *sum = 0;
  for (int r = 0; r < fd_seqs_rows(seqs); r++) {
    const float *z = logits + (size_t)r * FD_SYMBOLS;
    float *dz = dlogits + (size_t)r * FD_SYMBOLS;
    if (labels[r] >= FD_SYMBOLS) continue;
    if (bce)
      *sum += binary_row(z, labels[r], entry_mask ? mask + (size_t)r * FD_SYMBOLS : mask + r, entry_mask, (double)tau,
                         (double)scale, dz);
    else if (mask[r]) *sum += cross_entropy_row(z, labels[r], (double)tau, (double)scale, dz);
  }
}

/* One distribution over n values `step` apart: the teacher's q-hat against the student's log p-hat. */
static double distillation(int n, size_t step, const float *p, const float *q, const float *centre, double tau_s, double tau_t,
                           double scale, float *dp, float *logp_out, float *prob_out) {
  double logp[n], logq[n], sum = 0;
  log_softmax(n, p, NULL, step, tau_s, logp);
  log_softmax(n, q, centre, step, tau_t, logq);
  for (int i = 0; i < n; i++) {
    double prob = exp(logq[i]);
    sum -= prob * logp[i];
    dp[(size_t)i * step] += (float)(scale / tau_s * (exp(logp[i]) - prob));
    if (logp_out) logp_out[(size_t)i * step] = (float)logp[i];
    if (prob_out) prob_out[(size_t)i * step] = (float)prob;
  }
  return sum;
}

void fd_cpu_cl_loss(fd_device *dev, const fd_seqs *seqs, int width, fd_mat p_rows, fd_mat q_rows, const float *centre, int axis_d,
                    float tau_s, float tau_t, float scale, fd_mat dp_rows, float *logp, float *prob, double *sum) {
  (void)dev;
  const float *p = p_rows.at, *q = q_rows.at;
  float *dp = dp_rows.at;
  int cls = seqs->cls, n = axis_d ? width : cls, distributions = axis_d ? cls : width;
  size_t step = axis_d ? 1 : (size_t)width, next = axis_d ? (size_t)width : 1;
  *sum = 0;
  for (int s = 0; s < seqs->count; s++) {
    size_t at = (size_t)(seqs->start[s + 1] - cls) * (size_t)width, out = (size_t)s * (size_t)cls * (size_t)width;
    for (int i = 0; i < distributions; i++) {
      size_t o = (size_t)i * next;
      *sum += distillation(n, step, p + at + o, q + at + o, centre + o, (double)tau_s, (double)tau_t, (double)scale, dp + at + o,
                           logp ? logp + out + o : NULL, prob ? prob + out + o : NULL);
    }
  }
}

void fd_cpu_cls_sum(fd_device *dev, const fd_seqs *seqs, int width, fd_mat q, double *sum) {
  (void)dev;
  size_t n = (size_t)seqs->cls * (size_t)width;
  memset(sum, 0, n * sizeof *sum);
  for (int s = 0; s < seqs->count; s++) {
    const float *rows = (const float *)q.at + (size_t)(seqs->start[s + 1] - seqs->cls) * (size_t)width;
    for (size_t i = 0; i < n; i++) sum[i] += (double)rows[i];
  }
}

void fd_cpu_soft_loss(fd_device *dev, int count, int classes, const float *z, const float *t, float tau, float scale, float *dz,
                      double *sum) {
  double logp[classes], logq[classes], T = (double)tau;
  (void)dev;
  *sum = 0;
  for (int i = 0; i < count; i++, z += classes, t += classes, dz += classes) {
    log_softmax(classes, z, NULL, 1, T, logp);
    log_softmax(classes, t, NULL, 1, T, logq);
    for (int c = 0; c < classes; c++) {
      double q = exp(logq[c]);
      *sum += T * T * q * (logq[c] - logp[c]);
      dz[c] += (float)((double)scale * T * (exp(logp[c]) - q));
    }
  }
}

typedef struct class_call {
  int classes;
  const float *z, *target, *weight;
  float scale, *dz;
  double *loss;   /* per row */
  double *powers; /* per thread: e^(z - largest) of a row */
} class_call;

/* The largest of n values, by LANES partial maxima, which compilers vectorize; a NaN among them may be ignored. */
static float largest_of(int n, const float *z) {
  enum { LANES = 16 };
  float most[LANES];
  int i = 0;
  for (int l = 0; l < LANES; l++) most[l] = -INFINITY;
  for (; i + LANES <= n; i += LANES)
    for (int l = 0; l < LANES; l++) most[l] = z[i + l] > most[l] ? z[i + l] : most[l];
  for (; i < n; i++) most[0] = z[i] > most[0] ? z[i] : most[0];
  for (int l = 1; l < LANES; l++) most[0] = most[l] > most[0] ? most[l] : most[0];
  return most[0];
}

/* One row per item: with a vocabulary of thousands of tokens a row is enough work for a thread. */
static void class_item(void *context, int i, int thread) {
  const class_call *call = context;
  int classes = call->classes, label = (int)call->target[i];
  const float *z = call->z + (size_t)i * (size_t)classes;
  float *dz = call->dz + (size_t)i * (size_t)classes;
  double *power = call->powers + (size_t)thread * (size_t)classes;
  double largest = (double)largest_of(classes, z), total = 0, scale = (double)call->scale * (double)call->weight[i];
  for (int c = 0; c < classes; c++) total += power[c] = exp((double)z[c] - largest);
  call->loss[i] = (double)call->weight[i] * (largest + log(total) - (double)z[label]);
  for (int c = 0; c < classes; c++) dz[c] = (float)(scale * (power[c] / total));
  dz[label] = (float)(scale * (power[label] / total - 1));
}

void fd_cpu_class_loss(fd_device *dev, int count, int classes, const float *z, const float *target, const float *weight,
                       float scale, float *dz, double *sum) {
  fd_cpu *cpu = fd_cpu_of(dev);
  size_t doubles = (size_t)count + (size_t)fd_pool_threads(cpu->pool) * (size_t)classes;
  double *loss = (double *)(void *)fd_cpu_scratch(cpu, FD_SLOT_SUMS, 2 * doubles);
  class_call call = {classes, z, target, weight, scale, dz, loss, loss + count};
  *sum = 0;
  if (!loss) return;
  fd_pool_run(cpu->pool, count, class_item, &call);
  for (int i = 0; i < count; i++) *sum += loss[i];
}

void fd_cpu_value_loss(fd_device *dev, int count, const float *z, const float *target, float scale, float *dz, double *sum) {
  (void)dev;
  *sum = 0;
  for (int i = 0; i < count; i++) {
    double error = (double)z[i] - (double)target[i];
    *sum += error * error;
    dz[i] = (float)(2 * (double)scale * error);
  }
}
