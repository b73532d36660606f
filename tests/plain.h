/* Plain versions of the operations, straight from their formulas and in double: the oracle of every fast version, which finite
 * differences confirm. */
#ifndef FD_TESTS_PLAIN_H
#define FD_TESTS_PLAIN_H

#include "check.h"
#include "device/device.h"

static inline double plain_gelu(double x) { return 0.5 * x * (1 + erf(x / sqrt(2.0))); }

static inline double plain_gelu_slope(double x) {
  return 0.5 * (1 + erf(x / sqrt(2.0))) + x * exp(-x * x / 2) / sqrt(2 * acos(-1.0));
}

/* The nearest bf16 value, ties to even. */
static inline double plain_bf16(double x) {
  float f = (float)x;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  memcpy(&f, &bits, sizeof f);
  return (double)f;
}

static inline double plain_same(double x) { return x; }

/* How a device rounds the operands of a product: plain_same or plain_bf16. */
typedef double plain_operand(double x);

typedef struct plain_block {
  int d, h, track;
  const double *w1, *b1, *w2, *b2;
  plain_operand *operand;
} plain_block;

/* The token to which the rotation moves channel c of token t in a sequence of T: y[t] = m[(t + shift) mod T]. */
static inline int plain_rotated(int t, int c, int track, int T) {
  int i = c / track;
  long shift = i ? (1L << (i - 1)) % T : 0;
  return (int)((t - shift + T) % T);
}

/* z = W1 x + b1 of one token. */
static inline void plain_hidden(const plain_block *p, const double *row, double *z) {
  for (int j = 0; j < p->h; j++) {
    z[j] = p->b1[j];
    for (int c = 0; c < p->d; c++) z[j] += p->operand(p->w1[j * p->d + c]) * p->operand(row[c]);
  }
}

/* y = x + ROT(W2 GELU(W1 x + b1) + b2) for one pack of sequences. */
static inline void plain_mixer(const fd_seqs *seqs, const plain_block *p, const double *x, double *y) {
  double *z = malloc(sizeof(double) * (size_t)p->h);
  memcpy(y, x, sizeof(double) * (size_t)(fd_seqs_rows(seqs) * p->d));
  for (int s = 0; s < seqs->count; s++) {
    int T = seqs->start[s + 1] - seqs->start[s];
    for (int t = 0; t < T; t++) {
      plain_hidden(p, x + (seqs->start[s] + t) * p->d, z);
      for (int c = 0; c < p->d; c++) {
        double m = p->b2[c];
        for (int j = 0; j < p->h; j++) m += p->operand(p->w2[c * p->h + j]) * p->operand(plain_gelu(z[j]));
        y[(seqs->start[s] + plain_rotated(t, c, p->track, T)) * p->d + c] += m;
      }
    }
  }
  free(z);
}

/* The gradients of sum(dy * y) by x, w1, b1, w2 and b2. */
typedef struct plain_gradients {
  double *x, *w1, *b1, *w2, *b2;
} plain_gradients;

static inline void plain_mixer_backward(const fd_seqs *seqs, const plain_block *p, const double *x, const double *dy,
                                        plain_gradients *g) {
  size_t d = (size_t)p->d, h = (size_t)p->h, rows = (size_t)fd_seqs_rows(seqs);
  double *z = malloc(sizeof(double) * (2 * h + d)), *da = z + h, *dm = da + h;
  *g = (plain_gradients){malloc(sizeof(double) * rows * d), calloc(h * d, sizeof(double)), calloc(h, sizeof(double)),
                         calloc(h * d, sizeof(double)), calloc(d, sizeof(double))};
  memcpy(g->x, dy, sizeof(double) * rows * d);
  for (int s = 0; s < seqs->count; s++) {
    int start = seqs->start[s], T = seqs->start[s + 1] - start;
    for (int t = 0; t < T; t++) {
      const double *row = x + (start + t) * p->d;
      plain_hidden(p, row, z);
      for (int c = 0; c < p->d; c++) g->b2[c] += dm[c] = dy[(start + plain_rotated(t, c, p->track, T)) * p->d + c];
      for (int j = 0; j < p->h; j++) {
        double dh = 0;
        for (int c = 0; c < p->d; c++) {
          dh += p->operand(dm[c]) * p->operand(p->w2[c * p->h + j]);
          g->w2[c * p->h + j] += p->operand(dm[c]) * p->operand(plain_gelu(z[j]));
        }
        g->b1[j] += da[j] = dh * plain_gelu_slope(z[j]);
        for (int c = 0; c < p->d; c++) {
          g->w1[j * p->d + c] += p->operand(da[j]) * p->operand(row[c]);
          g->x[(start + t) * p->d + c] += p->operand(da[j]) * p->operand(p->w1[j * p->d + c]);
        }
      }
    }
  }
  free(z);
}

static inline void plain_free_gradients(plain_gradients *g) { free(g->x), free(g->w1), free(g->b1), free(g->w2), free(g->b2); }

static inline void plain_linear(plain_operand *operand, int rows, int in, int out, const double *x, const double *w,
                                const double *b, double *y) {
  for (int r = 0; r < rows; r++)
    for (int o = 0; o < out; o++) {
      y[r * out + o] = b[o];
      for (int i = 0; i < in; i++) y[r * out + o] += operand(x[r * in + i]) * operand(w[o * in + i]);
    }
}

/* -log softmax(z / tau)[label] over n values `step` apart. */
static inline double plain_nll(int n, const double *z, int step, double tau, int label) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += exp((z[i * step] - z[label * step]) / tau);
  return log(sum);
}

/* Masked-nucleotide loss, summed. mask: one per row or per entry. */
static inline double plain_mnm(const fd_seqs *seqs, const double *z, const uint8_t *labels, const uint8_t *mask, int entry_mask,
                               int bce, double tau) {
  double sum = 0;
  for (int r = 0; r < fd_seqs_rows(seqs); r++) {
    if (labels[r] >= FD_SYMBOLS) continue;
    if (!bce && mask[r]) sum += plain_nll(FD_SYMBOLS, z + r * FD_SYMBOLS, 1, tau, labels[r]);
    for (int c = 0; bce && c < FD_SYMBOLS; c++) {
      double x = z[r * FD_SYMBOLS + c] / tau;
      if (entry_mask ? mask[r * FD_SYMBOLS + c] : mask[r]) sum += log(1 + exp(x)) - (labels[r] == c) * x;
    }
  }
  return sum;
}

/* [CLS] self-distillation loss, summed (Eq. 4-8). */
static inline double plain_cl(const fd_seqs *seqs, int width, const double *p, const double *q, const double *centre, int axis_d,
                              double tau_s, double tau_t) {
  int K = seqs->cls, n = axis_d ? width : K, distributions = axis_d ? K : width, step = axis_d ? 1 : width;
  double sum = 0;
  for (int s = 0; s < seqs->count; s++)
    for (int i = 0; i < distributions; i++) {
      int at = (seqs->start[s + 1] - K) * width + i * (axis_d ? width : 1);
      double total = 0;
      for (int k = 0; k < n; k++)
        total += exp((q[at + k * step] - centre[at - (seqs->start[s + 1] - K) * width + k * step]) / tau_t);
      for (int k = 0; k < n; k++) {
        double weight = exp((q[at + k * step] - centre[at - (seqs->start[s + 1] - K) * width + k * step]) / tau_t) / total;
        sum += weight * plain_nll(n, p + at, step, tau_s, k);
      }
    }
  return sum;
}

#endif
