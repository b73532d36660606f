/* Packs weights, and caches the packed copies of weights that are held. */
#include "cpu/weights.h"

#include <stdlib.h>

#include "base/memory.h"

/* A packed matrix. */
typedef struct fd_cpu_copy {
  const float *w;
  int m, k, transposed;
  uint64_t version; /* of the weights that were packed; 0: not yet packed */
  float *packed;
} fd_cpu_copy;

static int panels_of(const fd_cpu *cpu, int m) { return (m + cpu->kernels->rows - 1) / cpu->kernels->rows; }

typedef struct pack_call {
  fd_cpu *cpu;
  const fd_cpu_copy *copy;
} pack_call;

static void pack_item(void *context, int panel, int thread) {
  (void)thread;
  const pack_call *call = context;
  const fd_cpu_copy *c = call->copy;
  const fd_cpu_kernels *kernels = call->cpu->kernels;
  int first = panel * kernels->rows, m = c->m - first < kernels->rows ? c->m - first : kernels->rows;
  kernels->pack_left(m, c->k, c->transposed ? c->w + first : c->w + (size_t)first * (size_t)c->k,
                     (size_t)(c->transposed ? c->m : c->k), c->transposed,
                     c->packed + (size_t)panel * fd_cpu_left(kernels, c->k));
}

/* The cached copy of these weights, of an earlier call or allocated now; NULL after a failure. */
static fd_cpu_copy *find(fd_cpu *cpu, const fd_cpu_copy *wanted) {
  for (size_t i = 0; i < cpu->copies; i++) {
    fd_cpu_copy *c = &cpu->copy[i];
    if (c->w == wanted->w && c->m == wanted->m && c->k == wanted->k && c->transposed == wanted->transposed) return c;
  }
  float *packed;
  size_t floats = (size_t)panels_of(cpu, wanted->m) * fd_cpu_left(cpu->kernels, wanted->k);
  fd_status status = fd_grow(&cpu->copy, &cpu->copies_size, cpu->copies + 1, sizeof *cpu->copy, "packed weights");
  if (status == FD_OK) status = fd_alloc(&packed, floats, sizeof *packed, "packed weights");
  if (status != FD_OK) {
    if (cpu->failed == FD_OK) cpu->failed = status;
    return NULL;
  }
  cpu->copy[cpu->copies] = *wanted;
  cpu->copy[cpu->copies].packed = packed;
  return &cpu->copy[cpu->copies++];
}

const float *fd_cpu_weights(fd_cpu *cpu, fd_cpu_slot slot, const float *w, int m, int k, int transposed) {
  fd_cpu_copy here = {w, m, k, transposed, 0, NULL}, *copy = &here;
  if (cpu->device.weights.held) copy = find(cpu, &here);
  else here.packed = fd_cpu_scratch(cpu, slot, (size_t)panels_of(cpu, m) * fd_cpu_left(cpu->kernels, k));
  if (!copy || !copy->packed) return NULL;
  if (copy == &here || copy->version != cpu->device.weights.version)
    fd_pool_run(cpu->pool, panels_of(cpu, m), pack_item, &(pack_call){cpu, copy});
  copy->version = cpu->device.weights.version;
  return copy->packed;
}

void fd_cpu_release_weights(fd_cpu *cpu) {
  for (size_t i = 0; i < cpu->copies; i++) free(cpu->copy[i].packed);
  free(cpu->copy);
}
