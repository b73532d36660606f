/* Keys, normal deviates and permutations on top of Philox. */
#include "base/random.h"

#include <math.h>

fd_rng_key fd_rng_key_of(uint64_t seed, fd_purpose purpose) {
  /* The key has 64 bits: the seed passes through Philox with the purpose, so that seeds 1 and 2 share no stream. */
  uint32_t out[4];
  fd_philox(out, (fd_rng_key){{0x66696e64u, 0x6e612121u}}, (uint64_t)purpose, seed);
  return (fd_rng_key){{out[0], out[1]}};
}

void fd_normal_pair(float out[2], uint32_t word1, uint32_t word2) {
  const float two_pi = 6.28318530717958647692f;
  float u = ((float)(word1 >> 8) + 1.0f) * 0x1p-24f; /* (0, 1]: the logarithm is finite */
  float radius = sqrtf(-2.0f * logf(u)), angle = two_pi * fd_unit(word2);
  out[0] = radius * cosf(angle);
  out[1] = radius * sinf(angle);
}

enum { FEISTEL_ROUNDS = 6 };

uint64_t fd_permute(uint64_t seed, uint64_t epoch, uint64_t n, uint64_t index) {
  fd_rng_key key = fd_rng_key_of(seed, FD_RNG_ORDER);
  int half = 1;
  while (half < 32 && (uint64_t)1 << (2 * half) < n) half++;
  uint64_t mask = ((uint64_t)1 << half) - 1;
  do { /* 2^(2 half) <= 4 n, so a walk takes at most four rounds on average */
    uint64_t left = index >> half, right = index & mask;
    for (uint64_t round = 0; round < FEISTEL_ROUNDS; round++) {
      uint32_t out[4];
      fd_philox(out, key, epoch, right << 8 | round);
      uint64_t next = left ^ (out[0] & mask);
      left = right;
      right = next;
    }
    index = left << half | right;
  } while (index >= n);
  return index;
}
