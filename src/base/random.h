/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A number depends on (seed, purpose, counter) and on nothing else, so every rank, thread, back end and resumed run draws the
 * same ones and no generator state is ever stored. */
#ifndef FD_BASE_RANDOM_H
#define FD_BASE_RANDOM_H

#include <stdint.h>

#include "base/both.h"

/* The purpose of a stream is part of its key, so that streams are independent. Values are frozen: they define results. */
typedef enum fd_purpose {
  FD_RNG_INIT = 1,    /* counter: tensor index, element */
  FD_RNG_ORDER = 2,   /* epoch's permutation of the windows */
  FD_RNG_AUGMENT = 3, /* counter: draw, view and operation, position */
  FD_RNG_NOISE = 4,   /* counter: draw, view, position */
  FD_RNG_PREPARE = 5, /* placement of windows: window, attempt */
  FD_RNG_EVAL = 6,    /* masks of the held-out windows */
  FD_RNG_PROBE = 7,   /* splits of a task's rows */
  FD_RNG_MONITOR = 8, /* augmentations of the collapse monitor's views */
  FD_RNG_MONITOR_NOISE = 9,
  FD_RNG_DROPOUT = 11,   /* counter: draw, layer and position, channel */
  FD_RNG_ATTENTION = 12, /* counter: draw, layer, head, query and key position */
  FD_RNG_HIDE = 13,      /* hidden words: draw; 0: offset and exceptions, else 1 + place / 4 */
  FD_RNG_TEST = 99
} fd_purpose;

typedef struct fd_rng_key {
  uint32_t word[2];
} fd_rng_key;

/* The key of one stream of one seed. */
fd_rng_key fd_rng_key_of(uint64_t seed, fd_purpose purpose);

/* Four random words for a counter of 128 bits, given as two halves. */
FD_BOTH static inline void fd_philox(uint32_t out[4], fd_rng_key key, uint64_t high, uint64_t low) {
  uint32_t a = (uint32_t)low, b = (uint32_t)(low >> 32), c = (uint32_t)high, d = (uint32_t)(high >> 32);
  uint32_t k0 = key.word[0], k1 = key.word[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p = (uint64_t)0xD2511F53u * a, q = (uint64_t)0xCD9E8D57u * c;
    uint32_t a2 = (uint32_t)(q >> 32) ^ b ^ k0, c2 = (uint32_t)(p >> 32) ^ d ^ k1;
    b = (uint32_t)q;
    d = (uint32_t)p;
    a = a2;
    c = c2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = a, out[1] = b, out[2] = c, out[3] = d;
}

/* Uniform integer in [0, n) from one word; the bias is below n / 2^32. */
FD_BOTH static inline uint32_t fd_below(uint32_t word, uint32_t n) { return (uint32_t)(((uint64_t)word * n) >> 32); }

/* Uniform in [0, 1) with 24 bits, exact in a float. */
FD_BOTH static inline float fd_unit(uint32_t word) { return (float)(word >> 8) * 0x1p-24f; }

/* Two independent standard normal numbers from two words (Box and Muller). */
void fd_normal_pair(float out[2], uint32_t word1, uint32_t word2);

/* Position `index` < n of a keyed permutation of 0..n-1, n >= 1 (Feistel network with cycle walking; Black and Rogaway 2002,
 * "Ciphers with arbitrary finite domains"): O(1), nothing stored. */
uint64_t fd_permute(uint64_t seed, uint64_t epoch, uint64_t n, uint64_t index);

#endif
