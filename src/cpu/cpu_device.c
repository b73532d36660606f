/* The CPU as a device: choice of kernels, memory, scratch buffers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "cpu/amx.h"
#include "cpu/backend.h"
#include "cpu/weights.h"

static int always(void) { return 1; }
static inline int never(void) { return 0; }
#if defined(__x86_64__)
static inline int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static inline int has_avx512(void) {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

static inline int has_avx512bf16(void) { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

/* Intel's processors issue bf16 dot products at half the rate of fp32 multiply-adds: the same throughput, less precision. */
static inline int prefers_avx512bf16(void) { return has_avx512bf16() && !__builtin_cpu_is("intel"); }

static inline int has_amx(void) { return has_avx512bf16() && !fd_cpu_amx_refused(); }
#endif

/* The kernels of this build (ISAS of the Makefile; amx_model and generic always), best first. */
static const struct kernel_set {
  int simd, bf16;
  const fd_cpu_kernels *kernels;
  int (*usable)(void), (*preferred)(void); /* may be requested; the first preferred one is the default */
} sets[] = {
#ifdef FD_WITH_amx
    {FD_SIMD_AMX, 1, &fd_cpu_kernels_amx, has_amx, has_amx},
#endif
    {FD_SIMD_AMX_MODEL, 1, &fd_cpu_kernels_amx_model, always, never},
#ifdef FD_WITH_avx512bf16
    {FD_SIMD_AVX512, 1, &fd_cpu_kernels_avx512bf16, has_avx512bf16, prefers_avx512bf16},
#endif
#ifdef FD_WITH_avx512
    {FD_SIMD_AVX512, 0, &fd_cpu_kernels_avx512, has_avx512, has_avx512},
#endif
#ifdef FD_WITH_avx2
    {FD_SIMD_AVX2, 0, &fd_cpu_kernels_avx2, has_avx2, has_avx2},
#endif
#ifdef FD_WITH_neon
    {FD_SIMD_NEON, 0, &fd_cpu_kernels_neon, always, always},
#endif
    {FD_SIMD_GENERIC, 0, &fd_cpu_kernels_generic, always, always},
};
enum { SETS = sizeof sets / sizeof *sets };

/* Whether this processor has what the kernels need. For tests, FINDNA_SIMD=NAME makes it one with only this instruction set. */
static int is_usable(const struct kernel_set *set) {
  const char *only = getenv("FINDNA_SIMD");
  return set->usable() && (!only || set->usable == always || !strcmp(only, set->kernels->name));
}

static const fd_cpu_kernels *choose_kernels(int simd, int bf16) {
  for (const struct kernel_set *set = sets; set < sets + SETS; set++)
    if (bf16 == set->bf16 && (simd == FD_SIMD_AUTO ? set->preferred() : simd == set->simd) && is_usable(set)) return set->kernels;
  return NULL;
}

static int can_use(const char *name) {
  for (int i = 0; i < SETS; i++)
    if (!strcmp(sets[i].kernels->name, name)) return is_usable(&sets[i]);
  return 0;
}

static fd_status refuse(int simd, int bf16) {
  if (simd == FD_SIMD_AMX && fd_cpu_amx_refused())
    return fd_fail(FD_CONFIG, "device.simd: amx cannot be used: %s; use auto", fd_cpu_amx_refused());
  if ((simd == FD_SIMD_AMX || simd == FD_SIMD_AMX_MODEL) && !bf16)
    return fd_fail(FD_CONFIG,
                   "device.simd: %s has products of bf16 operands only; set device.precision: bf16, or device.simd: auto",
                   simd == FD_SIMD_AMX ? "amx" : "amx_model");
  return fd_fail(FD_CONFIG, "device.simd: this CPU or this build has no %s; use auto",
                 simd == FD_SIMD_AVX512 ? "AVX-512"
                 : simd == FD_SIMD_AVX2 ? "AVX2 with FMA"
                                        : "NEON");
}

/* Selects the kernels. Without bf16 kernels, or where bf16 would not be faster, operands stay fp32, with a warning. */
static const fd_cpu_kernels *select_kernels(int simd, int bf16) {
  const fd_cpu_kernels *kernels = choose_kernels(simd, bf16);
  if (kernels || !bf16 || simd == FD_SIMD_AMX || simd == FD_SIMD_AMX_MODEL) return kernels;
  kernels = choose_kernels(simd, 0);
  if (kernels && simd != FD_SIMD_AUTO && simd != FD_SIMD_AVX512)
    fd_warn("device.precision: bf16: the kernels %s do not support it; operands stay fp32", kernels->name);
  else if (kernels)
    fd_warn("device.precision: bf16: %s, and AVX512_BF16 %s; operands stay fp32, with the kernels %s", fd_cpu_amx_refused(),
            can_use("avx512bf16") ? "is slower than fp32 on this processor (device.simd=avx512 selects it)" : "is not available",
            kernels->name);
  return kernels;
}

void fd_cpu_simd(char *text, size_t size) {
  int n = 0;
  for (int i = SETS - 1; i >= 0; i--)
    if (is_usable(&sets[i]) && sets[i].preferred != never)
      n += snprintf(text + n, size - (size_t)n, "%s%s", n ? ", " : "", sets[i].kernels->name);
}

float *fd_cpu_scratch(fd_cpu *cpu, fd_cpu_slot slot, size_t floats) {
  if (floats > cpu->scratch_size[slot] || !cpu->scratch[slot]) { /* NULL means a failure, also for 0 floats */
    free(cpu->scratch[slot]);
    cpu->scratch_size[slot] = 0;
    fd_status status = fd_alloc(&cpu->scratch[slot], floats, sizeof(float), "scratch memory of the CPU kernels");
    if (status != FD_OK && cpu->failed == FD_OK) cpu->failed = status;
    if (status != FD_OK) return NULL;
    cpu->scratch_size[slot] = floats;
  }
  return cpu->scratch[slot];
}

static fd_status cpu_alloc(fd_device *dev, void *out, size_t bytes, const char *what) {
  (void)dev;
  return fd_alloc(out, bytes, 1, what);
}

static void cpu_release(fd_device *dev, void *buffer) {
  (void)dev;
  free(buffer);
}

static fd_status cpu_copy(fd_device *dev, void *to, const void *from, size_t bytes) {
  (void)dev;
  memcpy(to, from, bytes);
  return FD_OK;
}

static fd_status cpu_sync(fd_device *dev) { return fd_cpu_of(dev)->failed; }

static void cpu_destroy(fd_device *dev) {
  fd_cpu *cpu = fd_cpu_of(dev);
  fd_pool_destroy(&cpu->pool);
  for (int i = 0; i < FD_SLOTS; i++) free(cpu->scratch[i]);
  fd_cpu_release_weights(cpu);
  free(cpu);
}

/* Bytes of the L2 cache; 1 MB where the C library does not report it. */
static size_t l2_bytes(void) {
#ifdef _SC_LEVEL2_CACHE_SIZE
  long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return (size_t)bytes;
#endif
  return 1 << 20;
}

fd_status fd_cpu_open(fd_device **dev, int threads, int simd, int bf16) {
  fd_cpu *cpu;
  *dev = NULL;
  FD_TRY(fd_alloc(&cpu, 1, sizeof *cpu, "the CPU device"));
  cpu->kernels = select_kernels(simd, bf16);
  cpu->l2 = l2_bytes();
  cpu->fp32 = bf16 ? choose_kernels(FD_SIMD_AUTO, 0) : cpu->kernels;
  fd_status status = cpu->kernels ? fd_pool_create(&cpu->pool, threads, cpu->kernels->rest) : refuse(simd, bf16);
  cpu->device = (fd_device){.kind = "cpu",
                            .threads = threads,
                            .form = FD_FORM_CPU,
                            .alloc = cpu_alloc,
                            .release = cpu_release,
                            .alloc_host = cpu_alloc,
                            .release_host = cpu_release,
                            .copy = cpu_copy,
                            .sync = cpu_sync,
                            .destroy = cpu_destroy,
                            .ops = {
#define OP(name, args) .name = fd_cpu_##name,
#include "device/ops.def"
#undef OP
                            }};
  if (status != FD_OK) {
    cpu_destroy(&cpu->device);
    return status;
  }
  cpu->device.simd = cpu->device.kernels = cpu->kernels->name;
  *dev = &cpu->device;
  return FD_OK;
}
