/* The small structs that tensor operations take. */
#ifndef FD_DEVICE_TENSORS_H
#define FD_DEVICE_TENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/both.h"

/* Rows in the device's memory, one per token or sequence. A row has `stride` elements; those behind its width are zero. */
typedef enum fd_type { FD_FP32, FD_BF16 } fd_type;
typedef struct fd_mat {
  void *at; /* NULL: there is none */
  int stride;
  fd_type type;
} fd_mat;

/* fp32 rows without padding. */
FD_BOTH static inline fd_mat fd_dense(const float *at, int width) { return (fd_mat){(void *)at, width, FD_FP32}; }

/* How a device stores activations: their type, and what the stride of a row is a multiple of. */
typedef struct fd_form {
  fd_type type;
  int pad;
} fd_form;

static inline int fd_form_stride(fd_form form, int width) { return (width + form.pad - 1) / form.pad * form.pad; }
static inline size_t fd_form_row(fd_form form, int width) {
  return (size_t)fd_form_stride(form, width) * (form.type == FD_BF16 ? 2 : 4);
}
static inline fd_mat fd_form_mat(fd_form form, void *at, int width) {
  return (fd_mat){at, fd_form_stride(form, width), form.type};
}

/* Symbols of a token: the nucleotides and N are the rows of a one-hot matrix; masked and [CLS] rows are zero. */
enum { FD_A, FD_C, FD_G, FD_T, FD_N, FD_SYMBOLS, FD_ZERO = FD_SYMBOLS, FD_CLS };

/* Sequences packed one after the other without padding. Sequence i has the rows start[i] .. start[i+1]-1, the last `cls` of which
 * are its [CLS] tokens. Several micro-batches may lie in one pack: `parts` of them, a power of two, with as many sequences and
 * rows each. What is summed over rows is then summed for each and added in pairs, as the tree of gradients does. */
typedef struct fd_seqs {
  int count, cls;
  int parts;       /* 1, and on devices with `fill` up to FD_PARTS_MAX */
  int *start;      /* [count + 1], start[0] = 0 */
  uint64_t *draws; /* [count] what random numbers are keyed by; NULL where none are drawn */
  int *device_start;
  uint64_t *device_draws; /* the same for the device (fd_seqs_send) */
} fd_seqs;

enum { FD_PARTS_MAX = 64 };

static inline int fd_seqs_rows(const fd_seqs *seqs) { return seqs->start[seqs->count]; }

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

/* Hyper-parameters of one AdamW step (Loshchilov and Hutter, Algorithm 2; biases corrected by c1, c2). */
typedef struct fd_adamw {
  float lr, decay, epsilon;         /* decay: lr * weight decay */
  float beta1, rest1, beta2, rest2; /* rest: 1 - beta, rounded once */
  float c1, c2;                     /* 1 - beta^t */
  float clip;                       /* multiplies the gradient */
} fd_adamw;

#endif
