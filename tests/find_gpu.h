/* Finds a GPU for tests of whole steps. */
#ifndef FD_TESTS_FIND_GPU_H
#define FD_TESTS_FIND_GPU_H

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "device/plugin.h"

/* Selects the GPU of FINDNA_PLUGIN, or the emulated one; 0, after printing the reason, when there is neither, or when the
 * emulated one would take minutes to find nothing more. */
static inline int find_gpu(void) {
  char path[4096] = "", plugin[4200], missing[4600];
  if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) return 0;
#ifdef __SANITIZE_ADDRESS__
  if (!getenv("FINDNA_PLUGIN")) {
    puts("skipped - golden steps on a GPU: minutes on the emulated one under AddressSanitizer");
    return 0;
  }
#endif
  if (getenv("FINDNA_SIMD") && !getenv("FINDNA_PLUGIN")) {
    puts("skipped - golden steps on a GPU: they use no kernels of CPUs, and FINDNA_SIMD asks for the tests of these");
    return 0;
  }
  snprintf(plugin, sizeof plugin, "%s/../libfindna_emulated.so", dirname(path));
  setenv("FINDNA_PLUGIN", plugin, 0);
  if (fd_plugin_try(missing, sizeof missing)) return 1;
  printf("skipped - golden steps on a GPU: %s\n", missing);
  return 0;
}

#endif
