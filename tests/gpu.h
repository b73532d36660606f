/* The GPU under test in every kind of precision and matrix product, the CPU for comparison, and comparisons of their results. */
#ifndef FD_TESTS_GPU_H
#define FD_TESTS_GPU_H

#include <dlfcn.h>
#include <libgen.h>
#include <unistd.h>

#include "check.h"
#include "subjects.h"

#include "device/link.h"
#include "device/plugin.h"

enum { KIND_WARPGROUP = 3, KINDS = 5 };
static const struct {
  const char *name;
  fd_gpu_options options;
  double bound; /* largest error of a block's values around 1: z, h and the gradients are rounded to bf16, by 2^-9 each */
} kinds[KINDS] = {{"fp32", {.bf16 = 0}, 4e-6},
                  {"bf16, plain", {.bf16 = 1, .products = FD_PRODUCTS_PLAIN}, 3e-2},
                  {"bf16, single products", {.bf16 = 1, .products = FD_PRODUCTS_SINGLE}, 3e-2},
                  {"bf16, warpgroups", {.bf16 = 1, .products = FD_PRODUCTS_WARPGROUP}, 3e-2},
                  {"bf16, chain", {.bf16 = 1}, 3e-2}};
static fd_device *gpu[KINDS], *cpu;

static inline fd_status open_kind(const fd_plugin *plugin, int kind) {
  static const fd_plugin_host host = {fd_fail};
  fd_gpu_options options = kinds[kind].options;
  fd_gpu this;
  if (plugin->describe(0, &this)) return FD_GPU;
  if (kind == KIND_WARPGROUP && this.major != 9) options.products = FD_PRODUCTS_SINGLE; /* the products that this GPU supports */
  return plugin->open(&gpu[kind], &host, &options);
}

static inline int open_devices(void **state) {
  (void)state;
  char path[4096] = "", plugin[4200];
  if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) return 1;
  snprintf(plugin, sizeof plugin, "%s/../libfindna_emulated.so", dirname(path));
  setenv("FINDNA_PLUGIN", plugin, 0);
  setenv("FINDNA_EMULATED_CAPABILITY", "90", 0); /* which has the instructions of both kinds */
  const fd_plugin *found;
  fd_config config;
  fd_config_defaults(&config);
  if (fd_device_open(&cpu, &config, 0, 1) != FD_OK || fd_plugin_load(&found) != FD_OK) return 1;
  for (int i = 0; i < KINDS; i++)
    if (open_kind(found, i) != FD_OK) return 1;
  subjects[subject_count++] = (subject){gpu[0], kinds[0].name, 0};
  subjects[subject_count++] = (subject){gpu[KINDS - 1], kinds[KINDS - 1].name, 0};
  return 0;
}

static inline int close_devices(void **state) {
  (void)state;
  for (int i = 0; i < KINDS; i++) fd_device_close(&gpu[i]);
  fd_device_close(&cpu);
  return 0;
}

/* Replaces the device of a kind by one opened with `variable` set; exchange_back restores it. */
static inline fd_device *exchange(int kind, const char *variable, const char *value) {
  const fd_plugin *found;
  fd_device *usual = gpu[kind];
  setenv(variable, value, 1);
  assert_ok(fd_plugin_load(&found));
  assert_ok(open_kind(found, kind));
  return usual;
}

static inline void exchange_back(int kind, const char *variable, fd_device *usual) {
  unsetenv(variable);
  fd_device_close(&gpu[kind]);
  gpu[kind] = usual;
}

/* The same with wide linear layers by cuBLASLt, on the emulated GPU by a fake library next to it. NULL, after printing the
 * reason, when there is none. */
static inline fd_device *exchange_for_library(int kind) {
  char path[4096] = "", library[4200];
  if (readlink("/proc/self/exe", path, sizeof path - 1) > 0 && strstr(gpu[kind]->simd, "emulated GPU")) {
    snprintf(library, sizeof library, "%s/../fake_blas/libfake_cublasLt.so", dirname(path));
    dlopen(library, RTLD_NOW); /* then the plugin finds it by its name */
  }
  fd_device *usual = gpu[kind];
  const fd_plugin *found;
  setenv("FINDNA_LINEAR", "cublaslt", 1);
  assert_ok(fd_plugin_load(&found));
  fd_status status = open_kind(found, kind);
  if (status == FD_OK) return usual;
  assert_int_equal(status, FD_GPU);
  unsetenv("FINDNA_LINEAR");
  gpu[kind] = usual;
  printf("skipped - cuBLASLt: not installed\n");
  return NULL;
}

static inline double get_sum(fd_device *dev, const double *from) {
  double sum;
  assert_ok(dev->copy(dev, &sum, from, sizeof sum));
  assert_ok(dev->sync(dev));
  return sum;
}

/* Fails unless each value is close, and all are on average: the root mean square of the errors is at most half of the largest
 * allowed error, with a margin for the variation of few values. */
static inline void compare_all(const char *what, int kind, const float *x, const float *expected, size_t n, double bound) {
  double *d = widen(expected, n), errors = 0, squares = 0;
  char name[80];
  snprintf(name, sizeof name, "%s (%s)", what, kinds[kind].name);
  compare(name, x, d, n, bound);
  for (size_t i = 0; i < n; i++) errors += ((double)x[i] - d[i]) * ((double)x[i] - d[i]), squares += d[i] * d[i];
  double root = sqrt((double)n), allowed = bound / 2 * (1 + 4 / root) * fmax(1, sqrt(squares) / root);
  if (n > 8 && sqrt(errors) / root > allowed)
    fail_msg("%s: mean error %.3g of %.3g over %zu values", name, sqrt(errors) / root, sqrt(squares) / root, n);
  free(d);
}

/* Compares the GPU's values with the CPU's, and releases the GPU's memory. */
static inline void compare_rows(const char *what, int kind, fd_mat m, int rows, int width, const float *expected, double bound) {
  float *x = get_rows(gpu[kind], m, rows, width);
  compare_all(what, kind, x, expected, (size_t)rows * (size_t)width, bound);
  free(x);
  gpu[kind]->release(gpu[kind], m.at);
}

static inline void compare_flat(const char *what, int kind, float *at, size_t n, const float *expected, double bound) {
  float *x = get(gpu[kind], at, n);
  compare_all(what, kind, x, expected, n, bound);
  free(x);
  gpu[kind]->release(gpu[kind], at);
}

#endif
