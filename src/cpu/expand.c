/* One-hot rows with noise on the CPU. */
#include <string.h>

#include "cpu/backend.h"

typedef struct expand_call {
  const fd_seqs *seqs;
  const uint8_t *tokens;
  float noise;
  fd_rng_key key;
  int view;
  float *x;
} expand_call;

/* Two positions of a sequence have ten entries: five pairs of normal variates, from three counters. */
static void add_noise(const expand_call *c, uint64_t draw, int pair, int rows, float *x) {
  for (int i = 0; i < 5; i += 2) {
    uint32_t word[4];
    float normal[4];
    fd_philox(word, c->key, draw, (uint64_t)c->view << 56 | (uint64_t)(unsigned)pair << 2 | (uint64_t)(i / 2));
    fd_normal_pair(normal, word[0], word[1]);
    fd_normal_pair(normal + 2, word[2], word[3]);
    for (int j = 0; j < 4 && 2 * i + j < rows * FD_SYMBOLS; j++) x[2 * i + j] += c->noise * normal[j];
  }
}

static void expand_item(void *context, int s, int thread) {
  (void)thread;
  expand_call *c = context;
  int start = c->seqs->start[s], rows = c->seqs->start[s + 1] - start, bases = rows - c->seqs->cls;
  float *x = c->x + (size_t)start * FD_SYMBOLS;
  memset(x, 0, (size_t)rows * FD_SYMBOLS * sizeof(float));
  for (int t = 0; t < rows; t++)
    if (c->tokens[start + t] < FD_SYMBOLS) x[t * FD_SYMBOLS + c->tokens[start + t]] = 1;
  for (int t = 0; c->noise > 0 && t < bases; t += 2)
    add_noise(c, c->seqs->draws[s], t / 2, bases - t < 2 ? 1 : 2, x + (size_t)t * FD_SYMBOLS);
}

void fd_cpu_expand(fd_device *dev, const fd_seqs *seqs, const uint8_t *tokens, float noise, fd_rng_key key, int view, float *x) {
  expand_call call = {seqs, tokens, noise, key, view, x};
  fd_pool_run(fd_cpu_of(dev)->pool, seqs->count, expand_item, &call);
}
