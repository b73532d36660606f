/* The CPU devices that tests compare with plain versions: all sets of kernels in this build that this CPU can run. */
#ifndef FD_TESTS_CPU_DEVICES_H
#define FD_TESTS_CPU_DEVICES_H

#include "plain.h"
#include "subjects.h"

/* bound: added to the relative error that is allowed; a bf16 operand may round to a neighbour of the plain one. */
enum { MAX_DEVICES = 7 };
static struct {
  fd_device *dev;
  int simd, precision;
  plain_operand *operand;
  double bound;
} devices[MAX_DEVICES];
static int device_count;

static int open_devices(void **state) {
  (void)state;
  static const struct {
    int simd, precision;
  } sets[MAX_DEVICES] = {{FD_SIMD_GENERIC, FD_PRECISION_FP32}, {FD_SIMD_AVX2, FD_PRECISION_FP32},
                         {FD_SIMD_AVX512, FD_PRECISION_FP32},  {FD_SIMD_NEON, FD_PRECISION_FP32},
                         {FD_SIMD_AVX512, FD_PRECISION_BF16},  {FD_SIMD_AMX_MODEL, FD_PRECISION_BF16},
                         {FD_SIMD_AMX, FD_PRECISION_BF16}};
  fd_config config;
  fd_config_defaults(&config);
  for (int i = 0; i < MAX_DEVICES; i++) {
    int bf16 = sets[i].precision == FD_PRECISION_BF16;
    config.device.simd = sets[i].simd;
    config.device.precision = sets[i].precision;
    config.device.threads = 1 + i % 2;
    if (fd_device_open(&devices[device_count].dev, &config, 0, 1) != FD_OK) continue;
    if (bf16 && !strcmp(devices[device_count].dev->simd, "avx512")) { /* a processor without AVX512_BF16 keeps fp32 */
      fd_device_close(&devices[device_count].dev);
      continue;
    }
    subjects[subject_count++] = (subject){devices[device_count].dev, devices[device_count].dev->simd, bf16 ? 1e-2 : 0};
    devices[device_count].simd = sets[i].simd, devices[device_count].precision = sets[i].precision;
    devices[device_count].operand = bf16 ? plain_bf16 : plain_same;
    devices[device_count++].bound = bf16 ? 1e-2 : 0;
  }
  return device_count == 0;
}

static int close_devices(void **state) {
  (void)state;
  while (device_count) fd_device_close(&devices[--device_count].dev);
  return 0;
}

#endif
