/* Operations over flat buffers on the CPU: sums, the optimizer, the moving average. */
#include <math.h>
#include <string.h>

#include "cpu/backend.h"

enum { BLOCK = 1 << 14 };

typedef struct flat_call {
  const fd_cpu_kernels *kernels;
  size_t n;
  const float *a, *b;
  float *out, *m, *v, *t;
  double *sums;
  uint64_t *hashes;
  float lambda;
  const fd_adamw *hyper;
} flat_call;

static int blocks_of(size_t n) { return (int)((n + BLOCK - 1) / BLOCK); }

static size_t block_size(const flat_call *c, size_t at) { return c->n - at < BLOCK ? c->n - at : BLOCK; }

static void add_item(void *context, int item, int thread) {
  (void)thread;
  flat_call *c = context;
  size_t at = (size_t)item * BLOCK;
  c->kernels->add(block_size(c, at), c->a + at, c->b + at, c->out + at);
}

void fd_cpu_add(fd_device *dev, size_t n, const float *a, const float *b, float *out) {
  flat_call call = {.kernels = fd_cpu_of(dev)->kernels, .n = n, .a = a, .b = b, .out = out};
  fd_pool_run(fd_cpu_of(dev)->pool, blocks_of(n), add_item, &call);
}

void fd_cpu_add_rows(fd_device *dev, int rows, fd_mat a, fd_mat b, fd_mat out) {
  fd_cpu_add(dev, (size_t)rows * (size_t)a.stride, a.at, b.at, out.at);
}

void fd_cpu_add_sums(fd_device *dev, size_t n, double *a, const double *b) {
  (void)dev;
  for (size_t i = 0; i < n; i++) a[i] += b[i];
}

void fd_cpu_count_bad(fd_device *dev, int rows, fd_mat m, double *count) {
  (void)dev;
  const float *x = m.at;
  *count = 0;
  for (size_t i = 0; i < (size_t)rows * (size_t)m.stride; i++) *count += !isfinite(x[i]);
}

static void square_item(void *context, int item, int thread) {
  (void)thread;
  flat_call *c = context;
  size_t at = (size_t)item * BLOCK;
  c->sums[item] = c->kernels->sum_squares(block_size(c, at), c->a + at);
}

void fd_cpu_sum_squares(fd_device *dev, size_t n, const float *x, double *sum) {
  fd_cpu *cpu = fd_cpu_of(dev);
  int blocks = blocks_of(n);
  flat_call call = {
      .kernels = cpu->kernels, .n = n, .a = x, .sums = (double *)fd_cpu_scratch(cpu, FD_SLOT_SUMS, 2 * (size_t)blocks)};
  *sum = 0;
  if (!call.sums) return;
  fd_pool_run(cpu->pool, blocks, square_item, &call);
  for (int i = 0; i < blocks; i++) *sum += call.sums[i];
}

/* The finalizer of splitmix64 (Steele, Lea and Flood, 2014): a bijection. */
static uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static void hash_item(void *context, int item, int thread) {
  (void)thread;
  flat_call *c = context;
  size_t at = (size_t)item * BLOCK, n = block_size(c, at);
  uint64_t sum = 0;
  for (size_t i = at; i < at + n; i++) {
    uint32_t bits;
    memcpy(&bits, c->a + i, sizeof bits);
    sum += mix((uint64_t)i << 32 | bits);
  }
  c->hashes[item] = sum;
}

void fd_cpu_hash(fd_device *dev, size_t n, const float *x, uint64_t *hash) {
  fd_cpu *cpu = fd_cpu_of(dev);
  int blocks = blocks_of(n);
  flat_call call = {.n = n, .a = x, .hashes = (uint64_t *)(void *)fd_cpu_scratch(cpu, FD_SLOT_SUMS, 2 * (size_t)blocks)};
  *hash = 0;
  if (!call.hashes) return;
  fd_pool_run(cpu->pool, blocks, hash_item, &call);
  for (int i = 0; i < blocks; i++) *hash += call.hashes[i];
}

static void adamw_item(void *context, int item, int thread) {
  (void)thread;
  flat_call *c = context;
  size_t at = (size_t)item * BLOCK, n = block_size(c, at);
  c->kernels->adamw(n, c->hyper, c->a + at, c->out + at, c->m + at, c->v + at);
  if (c->t) c->kernels->ema(n, c->lambda, c->out + at, c->t + at);
}

void fd_cpu_adamw(fd_device *dev, size_t n, const fd_adamw *h, const float *g, float *w, float *m, float *v, float *t,
                  float lambda) {
  flat_call call = {
      .kernels = fd_cpu_of(dev)->kernels, .n = n, .a = g, .out = w, .m = m, .v = v, .t = t, .lambda = lambda, .hyper = h};
  fd_pool_run(fd_cpu_of(dev)->pool, blocks_of(n), adamw_item, &call);
}

static void ema_item(void *context, int item, int thread) {
  (void)thread;
  flat_call *c = context;
  size_t at = (size_t)item * BLOCK;
  c->kernels->ema(block_size(c, at), c->lambda, c->a + at, c->t + at);
}

void fd_cpu_ema(fd_device *dev, size_t n, float lambda, const float *s, float *t) {
  flat_call call = {.kernels = fd_cpu_of(dev)->kernels, .n = n, .a = s, .t = t, .lambda = lambda};
  fd_pool_run(fd_cpu_of(dev)->pool, blocks_of(n), ema_item, &call);
}

void fd_cpu_zero(fd_device *dev, size_t bytes, void *x) {
  (void)dev;
  memset(x, 0, bytes);
}
