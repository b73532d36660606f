/* The small structs that tensor operations take. */
#ifndef FD_DEVICE_TENSORS_H
#define FD_DEVICE_TENSORS_H

#include <stdint.h>

/* Symbols of a token: the nucleotides and N are the rows of a one-hot matrix; masked and [CLS] rows are zero. */
enum { FD_A, FD_C, FD_G, FD_T, FD_N, FD_SYMBOLS, FD_ZERO = FD_SYMBOLS, FD_CLS };

/* Sequences packed one after the other without padding. Sequence i has the rows start[i] .. start[i+1]-1, the last `cls` of which
 * are its [CLS] tokens. */
typedef struct fd_seqs {
  int count, cls;
  const int *start; /* [count + 1], start[0] = 0 */
} fd_seqs;

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
static inline int fd_mixer_shift(int i, int T) {
  int64_t shift = 1 % T;
  for (int k = 1; k < i; k++) shift = shift * 2 % T;
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
