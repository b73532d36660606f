/* The loss terms on the GPU: one thread per row, distribution or sequence, in double; sums in a fixed order. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 128 };

namespace {

struct mnm_row {
  const float *logits;
  const uint8_t *labels, *mask;
  int entry_mask, bce;
  double tau, scale;
  float *dlogits;

  __device__ double cross_entropy(const float *z, int label, float *dz) const {
    double x[FD_SYMBOLS], largest, sum = 0;
    for (int c = 0; c < FD_SYMBOLS; c++) x[c] = (double)z[c] / tau;
    largest = x[0];
    for (int c = 1; c < FD_SYMBOLS; c++) largest = x[c] > largest ? x[c] : largest;
    for (int c = 0; c < FD_SYMBOLS; c++) sum += exp(x[c] - largest);
    double shift = largest + log(sum);
    for (int c = 0; c < FD_SYMBOLS; c++) dz[c] += (float)(scale / tau * (exp(x[c] - shift) - (c == label)));
    return shift - x[label];
  }

  __device__ double binary(const float *z, int label, size_t row, float *dz) const {
    double sum = 0;
    for (int c = 0; c < FD_SYMBOLS; c++) {
      if (!mask[entry_mask ? row * FD_SYMBOLS + c : row]) continue;
      double x = (double)z[c] / tau, target = c == label;
      sum += (x > 0 ? x : 0) + log1p(exp(-fabs(x))) - target * x;
      dz[c] += (float)(scale / tau * (1 / (1 + exp(-x)) - target));
    }
    return sum;
  }

  __device__ double operator()(size_t row) const {
    int label = labels[row];
    if (label >= FD_SYMBOLS) return 0;
    const float *z = logits + row * FD_SYMBOLS;
    if (bce) return binary(z, label, row, dlogits + row * FD_SYMBOLS);
    return mask[row] ? cross_entropy(z, label, dlogits + row * FD_SYMBOLS) : 0;
  }
};

/* Log-softmax of the n values (x - centre) / tau: value i is get(i), and `shift` is the log-sum-exp. */
struct distribution {
  fd_mat m;
  const float *centre;
  int64_t row;
  int column, down, across, width; /* value i is `down` rows below and `across` columns right of value i - 1 */
  double tau, shift;

  __device__ double get(int i) const {
    double x = (double)fd_get(m, row + (int64_t)i * down, column + i * across);
    return (centre ? x - (double)centre[(int64_t)i * (down * width + across)] : x) / tau;
  }
  __device__ void normalise(int n) {
    double largest = get(0), sum = 0;
    for (int i = 1; i < n; i++) largest = fmax(largest, get(i));
    for (int i = 0; i < n; i++) sum += exp(get(i) - largest);
    shift = largest + log(sum);
  }
};

struct cl_distribution {
  const int *start;
  int cls, width, axis_d;
  fd_mat p, q, dp;
  const float *centre;
  double tau_s, tau_t, scale;
  float *logp_out, *prob_out;

  __device__ double operator()(size_t item) const {
    int each = axis_d ? cls : width, n = axis_d ? width : cls, s = (int)(item / each), which = (int)(item % each);
    int down = !axis_d, across = axis_d, column = axis_d ? 0 : which;
    int64_t row = start[s + 1] - cls + (axis_d ? which : 0), at = axis_d ? (int64_t)which * width : which;
    distribution student = {p, NULL, row, column, down, across, width, tau_s, 0},
                 teacher = {q, centre + at, row, column, down, across, width, tau_t, 0};
    student.normalise(n);
    teacher.normalise(n);
    double sum = 0;
    for (int i = 0; i < n; i++) {
      double logp = student.get(i) - student.shift, prob = exp(teacher.get(i) - teacher.shift);
      int64_t r = row + i * down, out = (int64_t)s * cls * width + at + (int64_t)i * (down * width + across);
      int c = column + i * across;
      sum -= prob * logp;
      fd_put(dp, r, c, fd_get(dp, r, c) + (float)(scale / tau_s * (exp(logp) - prob)));
      if (logp_out) logp_out[out] = (float)logp;
      if (prob_out) prob_out[out] = (float)prob;
    }
    return sum;
  }
};

struct class_item {
  int classes;
  const float *z, *target, *weight;
  double scale;
  float *dz;
  __device__ double operator()(size_t i) const {
    const float *x = z + i * classes;
    double largest = (double)x[0], total = 0, w = (double)weight[i];
    int label = (int)target[i];
    for (int c = 1; c < classes; c++) largest = fmax(largest, (double)x[c]);
    for (int c = 0; c < classes; c++) total += exp((double)x[c] - largest);
    for (int c = 0; c < classes; c++)
      dz[i * classes + c] = (float)(scale * w * (exp((double)x[c] - largest) / total - (c == label)));
    return w * (largest + log(total) - (double)x[label]);
  }
};

struct soft_item {
  int classes;
  fd_mat z, t;
  double tau, scale;
  float *dz;
  __device__ double operator()(size_t i) const {
    distribution student = {z, NULL, (int64_t)i, 0, 0, 1, classes, tau, 0},
                 teacher = {t, NULL, (int64_t)i, 0, 0, 1, classes, tau, 0};
    double sum = 0;
    student.normalise(classes);
    teacher.normalise(classes);
    for (int c = 0; c < classes; c++) {
      double logp = student.get(c) - student.shift, logq = teacher.get(c) - teacher.shift, q = exp(logq);
      sum += tau * tau * q * (logq - logp);
      dz[i * classes + c] += (float)(scale * tau * (exp(logp) - q));
    }
    return sum;
  }
};

struct value_item {
  const float *z, *target;
  double scale;
  float *dz;
  __device__ double operator()(size_t i) const {
    double error = (double)z[i] - (double)target[i];
    dz[i] = (float)(2 * scale * error);
    return error * error;
  }
};

__global__ void cls_sum(const int *start, int each, int micro_batches, int cls, int width, fd_mat q, double *sum) {
  size_t n = fd_first_item();
  if (n >= (size_t)cls * width) return;
  sum[n] = fd_sum_micro_batches<double>(micro_batches, [=](int p) {
    double all = 0;
    for (int s = p * each; s < (p + 1) * each; s++)
      all += (double)fd_get(q, start[s + 1] - cls + (int64_t)(n / width), (int)(n % width));
    return all;
  });
}

}  // namespace

void fd_cuda_mnm_loss(fd_device *dev, const fd_seqs *seqs, const float *logits, const uint8_t *labels, const uint8_t *mask,
                      int entry_mask, int bce, float tau, float scale, float *dlogits, double *sum) {
  mnm_row row = {logits, labels, mask, entry_mask, bce, (double)tau, (double)scale, dlogits};
  fd_sum<double, 1>(fd_cuda_of(dev), (size_t)fd_seqs_rows(seqs), seqs->micro_batches, row, sum);
}

void fd_cuda_cl_loss(fd_device *dev, const fd_seqs *seqs, int width, fd_mat p, fd_mat q, const float *centre, int axis_d,
                     float tau_s, float tau_t, float scale, fd_mat dp, float *logp, float *prob, double *sum) {
  cl_distribution each = {seqs->device_start, seqs->cls,     width,         axis_d, p,   q, dp, centre,
                          (double)tau_s,      (double)tau_t, (double)scale, logp,   prob};
  fd_sum<double, 1>(fd_cuda_of(dev), (size_t)seqs->count * (size_t)(axis_d ? seqs->cls : width), seqs->micro_batches, each, sum);
}

void fd_cuda_cls_sum(fd_device *dev, const fd_seqs *seqs, int width, fd_mat q, double *sum) {
  FD_LAUNCH(fd_cuda_of(dev), cls_sum, dim3(fd_blocks((size_t)seqs->cls * (size_t)width, THREADS)), THREADS, 0, seqs->device_start,
            seqs->count / seqs->micro_batches, seqs->micro_batches, seqs->cls, width, q, sum);
}

void fd_cuda_class_loss(fd_device *dev, int count, int classes, const float *z, const float *target, const float *weight,
                        float scale, float *dz, double *sum) {
  fd_sum<double, 1>(fd_cuda_of(dev), (size_t)count, 1, class_item{classes, z, target, weight, (double)scale, dz}, sum);
}

void fd_cuda_soft_loss(fd_device *dev, int count, int classes, const float *z, const float *t, float tau, float scale, float *dz,
                       double *sum) {
  soft_item item = {classes, fd_dense(z, classes), fd_dense(t, classes), (double)tau, (double)scale, dz};
  fd_sum<double, 1>(fd_cuda_of(dev), (size_t)count, 1, item, sum);
}

void fd_cuda_value_loss(fd_device *dev, int count, const float *z, const float *target, float scale, float *dz, double *sum) {
  fd_sum<double, 1>(fd_cuda_of(dev), (size_t)count, 1, value_item{z, target, (double)scale, dz}, sum);
}
