/* Packs weights, and caches the packed copies of weights that are held. */
#include "cpu/weights.h"

#include <stdlib.h>

#include "base/memory.h"

/* A cached copy. */
typedef struct fd_cpu_copy {
  fd_cpu_matrix of;
  uint64_t version; /* of the weights that were packed; 0: not yet packed */
  float *packed;
} fd_cpu_copy;

static int is_same(const fd_cpu_matrix *a, const fd_cpu_matrix *b) {
  return a->w == b->w && a->kernels == b->kernels && a->is_right == b->is_right && a->n == b->n && a->k == b->k &&
         a->transposed == b->transposed;
}

/* The cached copy of these weights, of an earlier call or allocated now; NULL after a failure. */
static fd_cpu_copy *find(fd_cpu *cpu, const fd_cpu_matrix *matrix, size_t floats) {
  float *packed;
  for (size_t i = 0; i < cpu->copies; i++)
    if (is_same(&cpu->copy[i].of, matrix)) return &cpu->copy[i];
  fd_status status = fd_grow(&cpu->copy, &cpu->copies_size, cpu->copies + 1, sizeof *cpu->copy, "packed weights");
  if (status == FD_OK) status = fd_alloc(&packed, floats, sizeof *packed, "packed weights");
  if (status != FD_OK) {
    if (cpu->failed == FD_OK) cpu->failed = status;
    return NULL;
  }
  cpu->copy[cpu->copies] = (fd_cpu_copy){*matrix, 0, packed};
  return &cpu->copy[cpu->copies++];
}

float *fd_cpu_room_for_weights(fd_cpu *cpu, fd_cpu_slot slot, const fd_cpu_matrix *matrix, size_t floats, int *packed) {
  *packed = 0;
  if (!cpu->device.weights.held) return fd_cpu_scratch(cpu, slot, floats);
  fd_cpu_copy *copy = find(cpu, matrix, floats);
  if (!copy) return NULL;
  *packed = copy->version == cpu->device.weights.version;
  copy->version = cpu->device.weights.version;
  return copy->packed;
}

typedef struct pack_call {
  const fd_cpu_matrix *matrix;
  float *packed;
} pack_call;

/* Panel `panel`: rows of a left operand, or columns of a right one. */
static void pack_item(void *context, int panel, int thread) {
  (void)thread;
  const pack_call *call = context;
  const fd_cpu_matrix *w = call->matrix;
  const fd_cpu_kernels *kernels = w->kernels;
  int width = w->is_right ? kernels->panel : kernels->rows, first = panel * width,
      n = w->n - first < width ? w->n - first : width;
  int along = w->is_right != w->transposed; /* the panel's rows or columns are next to each other in memory */
  const float *from = along ? w->w + first : w->w + (size_t)first * (size_t)w->k;
  size_t ld = (size_t)(along ? w->n : w->k);
  if (w->is_right) kernels->pack(w->k, n, from, ld, w->transposed, call->packed + (size_t)panel * fd_cpu_right(kernels, w->k));
  else kernels->pack_left(n, w->k, from, ld, w->transposed, call->packed + (size_t)panel * fd_cpu_left(kernels, w->k));
}

static const float *pack_weights(fd_cpu *cpu, fd_cpu_slot slot, const fd_cpu_matrix *matrix) {
  const fd_cpu_kernels *kernels = matrix->kernels;
  int width = matrix->is_right ? kernels->panel : kernels->rows, panels = fd_parts(matrix->n, width), packed;
  size_t each = matrix->is_right ? fd_cpu_right(kernels, matrix->k) : fd_cpu_left(kernels, matrix->k);
  float *room = fd_cpu_room_for_weights(cpu, slot, matrix, (size_t)panels * each, &packed);
  if (room && !packed) fd_pool_run(cpu->pool, panels, pack_item, &(pack_call){matrix, room});
  return room;
}

const float *fd_cpu_weights(fd_cpu *cpu, fd_cpu_slot slot, const float *w, int m, int k, int transposed) {
  return pack_weights(cpu, slot, &(fd_cpu_matrix){w, cpu->kernels, 0, m, k, transposed});
}

const float *fd_cpu_right_weights(fd_cpu *cpu, fd_cpu_slot slot, const float *w, int k, int n, int transposed) {
  return pack_weights(cpu, slot, &(fd_cpu_matrix){w, cpu->kernels, 1, n, k, transposed});
}

void fd_cpu_release_weights(fd_cpu *cpu) {
  for (size_t i = 0; i < cpu->copies; i++) free(cpu->copy[i].packed);
  free(cpu->copy);
}
