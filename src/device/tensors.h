/* The small structs that are arguments of tensor operations. */
#ifndef FD_DEVICE_TENSORS_H
#define FD_DEVICE_TENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/both.h"
#include "base/random.h"

/* Rows in device memory, one per token or sequence. A row has `stride` elements; the padding after its width is zero. */
typedef enum fd_type { FD_FP32, FD_BF16 } fd_type;
typedef struct fd_mat {
  void *at; /* NULL: no matrix */
  int stride;
  fd_type type;
} fd_mat;

/* fp32 rows without padding. */
FD_BOTH static inline fd_mat fd_dense(const float *at, int width) { return (fd_mat){(void *)at, width, FD_FP32}; }

/* The columns of m from `first` on: rows of the same stride. */
FD_BOTH static inline fd_mat fd_mat_columns(fd_mat m, int first) {
  return (fd_mat){(char *)m.at + (size_t)first * (m.type == FD_BF16 ? 2 : 4), m.stride, m.type};
}

/* The rows of m from `first` on. */
FD_BOTH static inline fd_mat fd_mat_rows(fd_mat m, int first) {
  return (fd_mat){(char *)m.at + (size_t)first * (size_t)m.stride * (m.type == FD_BF16 ? 2 : 4), m.stride, m.type};
}

/* How a device stores activations: their type, and `pad`, of which the stride of a row is a multiple. With `lean` it does not
 * store those that are cheap to recompute in the backward pass, nor preactivations that only the activation function reads. */
typedef struct fd_form {
  fd_type type;
  int pad, lean;
} fd_form;
#define FD_FORM_CPU ((fd_form){FD_FP32, 1, 1})

static inline int fd_form_stride(fd_form form, int width) { return (width + form.pad - 1) / form.pad * form.pad; }
static inline size_t fd_form_row(fd_form form, int width) {
  return (size_t)fd_form_stride(form, width) * (form.type == FD_BF16 ? 2 : 4);
}
static inline fd_mat fd_form_mat(fd_form form, void *at, int width) {
  return (fd_mat){at, fd_form_stride(form, width), form.type};
}

/* Symbols of a token: the nucleotides and N are the rows of a one-hot matrix; masked and [CLS] rows are zero. */
enum { FD_A, FD_C, FD_G, FD_T, FD_N, FD_SYMBOLS, FD_ZERO = FD_SYMBOLS, FD_CLS };

/* Sequences packed back to back without padding. Sequence i has the rows start[i] .. start[i+1]-1, the last `cls` of which are
 * its [CLS] tokens. A pack may hold several micro-batches: `micro_batches`, a power of two, with equal numbers of sequences and
 * rows. Sums over rows are then computed for each and added in pairs, as in the tree of gradients. */
typedef struct fd_seqs {
  int count, cls;
  int micro_batches; /* 1, and on devices with `fill` up to FD_MICRO_BATCHES_MAX */
  int *start;        /* [count + 1], start[0] = 0 */
  uint64_t *draws;   /* [count] counters of random numbers; NULL: none are drawn */
  int *device_start;
  uint64_t *device_draws; /* the same in device memory (fd_seqs_send) */
  const uint8_t *hidden;  /* [rows] nonzero: a hidden token, never [CLS]; NULL: none. In host memory only */
} fd_seqs;

enum { FD_MICRO_BATCHES_MAX = 64 };

static inline int fd_seqs_rows(const fd_seqs *seqs) { return seqs->start[seqs->count]; }

/* The sequence that holds a row; start[0] = 0. */
FD_BOTH static inline int fd_sequence_of(const int *start, int count, int row) {
  int lo = 0, hi = count - 1;
  while (lo < hi) {
    int middle = (lo + hi + 1) / 2;
    if (start[middle] <= row) lo = middle;
    else hi = middle - 1;
  }
  return lo;
}

/* Shape and parameters of a ChordMixer block. */
typedef struct fd_mixer {
  int channels, hidden, track;
  const float *w1, *b1; /* [hidden, channels], [hidden] */
  const float *w2, *b2; /* [channels, hidden], [channels] */
} fd_mixer;

typedef struct fd_mixer_grads {
  float *w1, *b1, *w2, *b2;
} fd_mixer_grads;

/* By how many tokens track i of a sequence of T tokens is rotated: y[t] = m[(t + shift) mod T]; track 0 stays. */
FD_BOTH static inline int fd_mixer_shift(int i, int T) {
  int64_t shift = (1u << (i > 0 && i < 32 ? i - 1 : 0)) % (uint32_t)T;
  for (int k = 32; k <= i; k++) shift = (k == 32 ? (int64_t)(1u << 31) : shift * 2) % T;
  return i == 0 ? 0 : (int)shift;
}

/* Normalization of a row: LayerNorm, or with `rms` RMSNorm, which has no b. */
typedef struct fd_norm {
  int width, rms;
  float eps;          /* added inside the root */
  const float *w, *b; /* [width], or NULL */
} fd_norm;

/* Activations: exact (erf) GELU, max(x, 0), x sigmoid(x), tanh(x). */
typedef enum fd_act { FD_ACT_GELU, FD_ACT_RELU, FD_ACT_SILU, FD_ACT_TANH } fd_act;

/* Attention of `heads` heads of `dim` columns each, consecutive in a row. The score of query i and key j is scale q_i k_j -
 * slopes[head] |position of i - position of j|. Arrays are in device memory. */
typedef struct fd_attention {
  int heads, dim;
  float scale;
  const float *slopes;                      /* [heads] (ALiBi), or NULL */
  const int *query_position, *key_position; /* of each row, 0 .. 2^24-1; NULL: its index in its sequence */
  const uint8_t *hidden;                    /* key mask [rows of keys]: nonzero excludes a key; NULL: none */
  float dropout;                            /* rate at which probabilities are 0; the others are divided by 1 - rate */
  fd_rng_key key;                           /* of dropout: FD_RNG_ATTENTION */
  int layer;                                /* 0 .. 255; at most 256 heads */
} fd_attention;

/* The random bits that decide the dropout of a query and a key: the low half of a counter, whose high half is the sequence's
 * draw; and the 16 of its 128 bits that are used. */
FD_BOTH static inline uint64_t fd_attention_counter(int layer, int head, int query, int key) {
  return (uint64_t)layer << 56 | (uint64_t)head << 48 | (uint64_t)query << 24 | (uint64_t)(key / 8);
}
FD_BOTH static inline uint32_t fd_attention_bits(const uint32_t word[4], int key) {
  uint32_t low = key % 4 < 2 ? word[0] : word[1], high = key % 4 < 2 ? word[2] : word[3]; /* no index: kept in registers */
  return (key % 8 < 4 ? low : high) >> (key % 2 * 16) & 0xffff;
}

/* The low half of the counter of dropout of a row: group number `group` of 8 columns, 0 .. 2^16-1; position 0 .. 2^32-1, layer 0
 * .. 4095. */
FD_BOTH static inline uint64_t fd_dropout_counter(int layer, int position, int group) {
  return (uint64_t)layer << 52 | (uint64_t)(uint32_t)position << 16 | (uint64_t)group;
}

/* An entry is dropped if its 16 random bits are below this. */
FD_BOTH static inline uint32_t fd_dropout_limit(float rate) { return (uint32_t)((double)rate * 65536); }

/* The gated delta rule (Yang, Kautz, Hatamizadeh, "Gated Delta Networks", 2024) of `heads` heads with keys and queries of `keys`
 * columns and values of `values`. For row t: alpha = exp(-exp(rate) softplus(a + offset)), beta = sigmoid(b), k and q are divided
 * by their lengths; the state S [keys, values] becomes alpha S, then S + k u^T with u = beta (v - S^T k); y = S^T q / sqrt(keys).
 */
typedef struct fd_delta {
  int heads, keys, values;
  int reverse;                /* rows of a sequence are processed from the last to the first */
  float eps;                  /* length: sqrt(sum of squares + eps) */
  const float *rate, *offset; /* [heads], in device memory */
} fd_delta;

/* The state is stored before each chunk of FD_DELTA_CHUNK rows but a sequence's first: the one before row t > 0 (in processing
 * order) of a sequence that begins at row s of the pack has index s / chunk + t / chunk - 1; rows / chunk states are enough. */
enum { FD_DELTA_CHUNK = 32, FD_TAPS_MAX = 8 };

/* Token dropout, as in the authors' code of ESM (Rives et al., 2021): rows of masked tokens are zero, and the
 * others are multiplied by the share of tokens that was visible on average in the authors' training, 1 - 0.15 * 0.8, divided by
 * the share that is visible in the sequence. */
FD_BOTH static inline float fd_token_dropout_factor(int masked, int rows) {
  return (1 - 0.15f * 0.8f) / (1 - (float)masked / (float)rows);
}

/* Hyper-parameters of one AdamW step (Loshchilov and Hutter, Algorithm 2; bias correction by c1, c2). */
typedef struct fd_adamw {
  float lr, decay, epsilon;         /* decay: lr * weight decay */
  float beta1, rest1, beta2, rest2; /* rest: 1 - beta, rounded once */
  float c1, c2;                     /* 1 - beta^t */
  float clip;                       /* multiplies the gradient */
} fd_adamw;

#endif
