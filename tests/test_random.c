/* Random numbers: known answers, moments, and permutations of windows. */
#include "check.h"

#include "base/random.h"

/* Known answers of Random123 (kat_vectors, philox4x32-10). */
static void philox_known_answers(void **state) {
  (void)state;
  uint32_t out[4];
  fd_philox(out, (fd_rng_key){{0, 0}}, 0, 0);
  assert_memory_equal(out, ((uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}), sizeof out);
  fd_philox(out, (fd_rng_key){{~0u, ~0u}}, ~0ull, ~0ull);
  assert_memory_equal(out, ((uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}), sizeof out);
  fd_philox(out, (fd_rng_key){{0xa4093822, 0x299f31d0}}, 0x0370734413198a2eull, 0x85a308d3243f6a88ull);
  assert_memory_equal(out, ((uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}), sizeof out);
}

static void keys_differ(void **state) {
  (void)state;
  fd_rng_key keys[64];
  int n = 0;
  for (uint64_t seed = 0; seed < 8; seed++)
    for (int purpose = FD_RNG_INIT; purpose <= FD_RNG_PROBE; purpose++) keys[n++] = fd_rng_key_of(seed, (fd_purpose)purpose);
  for (int i = 0; i < n; i++)
    for (int j = 0; j < i; j++) assert_memory_not_equal(&keys[i], &keys[j], sizeof keys[i]);
  fd_rng_key again = fd_rng_key_of(3, FD_RNG_NOISE), once = fd_rng_key_of(3, FD_RNG_NOISE);
  assert_memory_equal(&again, &once, sizeof again);
}

static void uniform_numbers(void **state) {
  (void)state;
  enum { N = 200000, CELLS = 10 };
  fd_rng_key key = fd_rng_key_of(1, FD_RNG_TEST);
  int count[CELLS] = {0};
  double sum = 0;
  for (uint64_t i = 0; i < N; i++) {
    uint32_t out[4];
    fd_philox(out, key, 0, i);
    float u = fd_unit(out[0]);
    assert_true(u >= 0 && u < 1);
    sum += (double)u;
    assert_true(fd_below(out[1], CELLS) < CELLS);
    count[fd_below(out[1], CELLS)]++;
  }
  assert_near(sum / N, 0.5, 4 * sqrt(1.0 / 12 / N));
  for (int i = 0; i < CELLS; i++) assert_near(count[i], N / CELLS, 5 * sqrt(N * 0.1 * 0.9));
  assert_true(fd_unit(~0u) < 1);
  assert_int_equal(fd_below(~0u, 7), 6);
  assert_int_equal(fd_below(0, 7), 0);
}

static void normal_moments(void **state) {
  (void)state;
  enum { N = 400000 };
  fd_rng_key key = fd_rng_key_of(2, FD_RNG_TEST);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, cross = 0;
  for (uint64_t i = 0; i < N / 2; i++) {
    uint32_t out[4];
    float z[2];
    fd_philox(out, key, 0, i);
    fd_normal_pair(z, out[0], out[1]);
    for (int k = 0; k < 2; k++) {
      double x = (double)z[k];
      m1 += x / N, m2 += x * x / N, m3 += x * x * x / N, m4 += x * x * x * x / N;
    }
    cross += (double)z[0] * (double)z[1] / (N / 2);
  }
  assert_near(m1, 0, 5 / sqrt(N));
  assert_near(m2, 1, 5 * sqrt(2.0 / N));
  assert_near(m3, 0, 5 * sqrt(15.0 / N));
  assert_near(m4, 3, 5 * sqrt(96.0 / N));
  assert_near(cross, 0, 5 / sqrt(N / 2));
  float edge[2];
  fd_normal_pair(edge, 0, 0);
  assert_true(isfinite(edge[0]) && isfinite(edge[1]));
  fd_normal_pair(edge, ~0u, ~0u);
  assert_true(isfinite(edge[0]) && isfinite(edge[1]));
}

static void permutation_is_bijective(void **state) {
  (void)state;
  static const uint64_t sizes[] = {1, 2, 3, 5, 17, 1000, 65536, 1000003};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    uint64_t n = sizes[s];
    char *seen = calloc(n, 1);
    for (uint64_t i = 0; i < n; i++) {
      uint64_t at = fd_permute(7, 3, n, i);
      assert_true(at < n);
      if (seen[at]++) fail_msg("n = %llu: %llu is hit twice", (unsigned long long)n, (unsigned long long)at);
    }
    free(seen);
  }
}

/* Epochs and seeds shuffle differently, and a shuffle has few fixed points and no correlation with the index. */
static void permutation_is_random(void **state) {
  (void)state;
  enum { N = 10007 };
  int same_epoch = 0, same_seed = 0, fixed = 0;
  double cross = 0, middle = (N - 1) / 2.0, variance = ((double)N * N - 1) / 12;
  for (uint64_t i = 0; i < N; i++) {
    uint64_t at = fd_permute(7, 0, N, i);
    same_epoch += at == fd_permute(7, 1, N, i);
    same_seed += at == fd_permute(8, 0, N, i);
    fixed += at == i;
    cross += ((double)i - middle) * ((double)at - middle) / variance / N;
  }
  assert_true(same_epoch < 12 && same_seed < 12 && fixed < 12);
  assert_near(cross, 0, 5 / sqrt(N));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),     cmocka_unit_test(keys_differ),
      cmocka_unit_test(uniform_numbers),          cmocka_unit_test(normal_moments),
      cmocka_unit_test(permutation_is_bijective), cmocka_unit_test(permutation_is_random),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
