/* The seeds of the random values of tests. All depend on SEED (1): `make test` draws the same values in every run, and
 * `make test SEED=7` others. */
#ifndef FD_TESTS_DRAWS_H
#define FD_TESTS_DRAWS_H

#include <stdlib.h>

#include "base/random.h"

/* A test's own seed, < 2^20, and SEED, < 2^32, in one: `own` itself with SEED=1. */
static inline uint64_t drawn_seed(uint64_t own) {
  static _Atomic uint64_t of_all = UINT64_MAX; /* not read yet: a test of threads may draw in all of them */
  uint64_t all = of_all;
  if (all == UINT64_MAX) {
    const char *text = getenv("SEED");
    of_all = all = text ? strtoull(text, NULL, 10) - 1 : 0;
  }
  return all << 20 | own;
}

static inline fd_rng_key drawn_key(uint64_t own) { return fd_rng_key_of(drawn_seed(own), FD_RNG_TEST); }

#endif
