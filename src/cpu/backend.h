/* The CPU back end's own state, shared by its files. */
#ifndef FD_CPU_BACKEND_H
#define FD_CPU_BACKEND_H

#include "cpu/kernels.h"
#include "cpu/pool.h"
#include "device/device.h"

/* Scratch buffers by use; each grows to the largest size requested and is kept. */
typedef enum fd_cpu_slot {
  FD_SLOT_W1,
  FD_SLOT_W2,
  FD_SLOT_W3,
  FD_SLOT_TILE,
  FD_SLOT_DM,
  FD_SLOT_DA,
  FD_SLOT_G,
  FD_SLOT_PACKED_X,
  FD_SLOT_PACKED_DM,
  FD_SLOT_STRIP,
  FD_SLOT_SUMS,
  FD_SLOTS
} fd_cpu_slot;

typedef struct fd_cpu {
  fd_device device; /* first: a fd_device * of this kind is a fd_cpu * */
  const fd_cpu_kernels *kernels;
  const fd_cpu_kernels *fp32; /* `kernels`, or if those round operands to bf16, the best fp32 kernels */
  fd_pool *pool;
  size_t l2; /* bytes of a core's L2 cache */
  float *scratch[FD_SLOTS];
  size_t scratch_size[FD_SLOTS];
  struct fd_cpu_copy *copy; /* packed weights that are kept (weights.h) */
  size_t copies, copies_size;
  fd_status failed; /* the first failure of an operation; reported by sync */
} fd_cpu;

static inline fd_cpu *fd_cpu_of(fd_device *dev) { return (fd_cpu *)dev; }

/* A scratch buffer of at least `floats`, or NULL after a failure, which is recorded: the operation just returns. */
float *fd_cpu_scratch(fd_cpu *cpu, fd_cpu_slot slot, size_t floats);

/* Opens the CPU device with `threads` threads; `simd` is a choice of device.simd; `bf16`: operands of products are rounded. */
fd_status fd_cpu_open(fd_device **dev, int threads, int simd, int bf16) FD_MUST_CHECK;

/* The names of the kernels that this processor can use, such as "generic, avx2", into text[size]. */
void fd_cpu_simd(char *text, size_t size);

/* A row of fp32. */
static inline float *fd_cpu_row(fd_mat m, int row) { return (float *)m.at + (size_t)row * (size_t)m.stride; }

static inline int fd_smaller(int a, int b) { return a < b ? a : b; }

/* How many parts of at most `size` n is cut into, and n rounded up to a multiple of `unit`. */
static inline int fd_parts(int n, int size) { return (n + size - 1) / size; }
static inline int fd_round_up(int n, int unit) { return fd_parts(n, unit) * unit; }

#define OP(name, args) void fd_cpu_##name args;
#include "device/ops.def"
#undef OP

#endif
