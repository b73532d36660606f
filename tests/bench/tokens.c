/* Measures the speed of tokenizers. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench.h"
#include "data/tokenizer.h"

enum { LETTERS = 8 << 20, LENGTH = 1000, KINDS = 4 };

/* MB of DNA per second, in sequences of `length` letters. */
static double speed(const fd_tokenizer *t, const uint8_t *symbols, int64_t length, const fd_tokens *tokens) {
  double start = fd_seconds();
  for (int64_t at = 0; at + length <= LETTERS; at += length) fd_tokenizer_encode(t, symbols + at, length, 0, tokens);
  return (double)(LETTERS / length * length) * 1e-6 / (fd_seconds() - start);
}

fd_status fd_bench_tokens(fd_bench *bench) {
  static const fd_tokenizer_settings settings[KINDS] = {{.kind = "letters"},
                                                        {.kind = "kmer", .k = 6, .stride = 6},
                                                        {.kind = "nt6"},
                                                        {.kind = "bpe", .file = "tests/golden/bpe_merges.txt"}};
  fd_tokenizer *t[KINDS];
  fd_tokens tokens[KINDS];
  uint8_t *symbols;
  FD_TRY(fd_alloc(&symbols, LETTERS, 1, "benchmark"));
  for (uint64_t i = 0; i < LETTERS; i++) {
    uint32_t word[4];
    fd_philox(word, fd_rng_key_of(1, FD_RNG_TEST), 0, i);
    symbols[i] = (uint8_t)fd_below(word[0], 4);
  }
  for (int i = 0; i < KINDS; i++) {
    FD_TRY(fd_tokenizer_create(&t[i], &settings[i]));
    FD_TRY(fd_tokens_create(&tokens[i], t[i], LENGTH));
  }
  while (fd_bench_next(bench)) {
    double rate[KINDS];
    for (int i = 0; i < KINDS; i++) rate[i] = speed(t[i], symbols, LENGTH, &tokens[i]);
    fprintf(bench->out, "%.1f %.1f %.1f %.1f\n", rate[0], rate[1], rate[2], rate[3]);
  }
  for (int i = 0; i < KINDS; i++) fd_tokens_free(&tokens[i]), fd_tokenizer_destroy(&t[i]);
  free(symbols);
  return FD_OK;
}
