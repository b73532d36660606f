/* The GPU under test, with one kind of precision and products per process, and the CPU as its oracle. */
#ifndef FD_TESTS_GPU_H
#define FD_TESTS_GPU_H

#include <dlfcn.h>
#include <libgen.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "subjects.h"

#include "device/link.h"
#include "device/plugin.h"

/* What a process tests: one kind of precision and products, products by cuBLASLt, or NCCL. */
enum { KIND_FP32, KIND_PLAIN, KIND_SINGLE, KIND_CHAIN, KIND_WARPGROUP, KINDS, KIND_LIBRARY = KINDS, KIND_NCCL };
static const struct {
  const char *name;
  fd_gpu_options options;
  double bound; /* largest error of a block's values near 1: z, h and gradients are rounded to bf16, by 2^-9 each */
} kinds[KINDS] = {{"fp32", {.bf16 = 0}, 4e-6},
                  {"plain", {.bf16 = 1, .products = FD_PRODUCTS_PLAIN}, 3e-2},
                  {"single", {.bf16 = 1, .products = FD_PRODUCTS_SINGLE}, 3e-2},
                  {"chain", {.bf16 = 1, .products = FD_PRODUCTS_CHAIN}, 3e-2},
                  {"warpgroup", {.bf16 = 1, .products = FD_PRODUCTS_WARPGROUP}, 3e-2}};
static inline const char *name_of_kind(int kind) {
  return kind < KINDS ? kinds[kind].name : kind == KIND_LIBRARY ? "library" : "nccl";
}

static int kind_of_process;
static fd_device *gpu[KINDS], *cpu; /* only the GPU of this process's kind is open */

static inline fd_status open_kind(const fd_plugin *plugin, int kind) {
  static const fd_plugin_host host = {fd_fail};
  return plugin->open(&gpu[kind], &host, &kinds[kind].options);
}

static inline int open_devices(void **state) {
  (void)state;
  const fd_plugin *found;
  fd_config config;
  fd_config_defaults(&config);
  if (fd_device_open(&cpu, &config, 0, 1) != FD_OK || fd_plugin_load(&found) != FD_OK) return 1;
  if (kind_of_process == KIND_LIBRARY) return 0;
  if (kind_of_process == KIND_NCCL) return open_kind(found, KIND_FP32) != FD_OK;
  if (open_kind(found, kind_of_process) != FD_OK) return 1;
  if (kind_of_process == KIND_FP32 || kind_of_process == KIND_CHAIN) /* the subjects' operations do not depend on the products */
    subjects[subject_count++] = (subject){gpu[kind_of_process], kinds[kind_of_process].name, 0};
  return 0;
}

static inline int close_devices(void **state) {
  (void)state;
  for (int i = 0; i < KINDS; i++)
    if (gpu[i]) fd_device_close(&gpu[i]);
  fd_device_close(&cpu);
  return 0;
}

/* Skips a test that is for another kind than this process's. */
static inline void only_of(int kind) {
  if (kind_of_process != kind) skip();
}

static inline int is_emulated(void) { return strstr(getenv("FINDNA_PLUGIN"), "emulated") != NULL; }

/* Runs the tests of one kind in this process. */
static inline int run_kind(int kind, int (*run)(void)) {
  const fd_plugin *found;
  fd_gpu this = {0};
  kind_of_process = kind;
  printf("# %s\n", name_of_kind(kind));
  if (fd_plugin_load(&found) != FD_OK || found->describe(0, &this)) return 1;
  if (kind != KIND_WARPGROUP || this.major == 9) return run();
  printf("skipped - warpgroup: this GPU has compute capability %d.%d\n", this.major, this.minor);
  return 0;
}

/* The main function of a test program: `PROGRAM KIND` runs the tests of that kind. Without KIND, each kind runs in a process of
 * its own, those least likely to fail first, so that a fault in one does not hide the results of others. */
static inline int run_kinds(int argc, char **argv, int (*run)(void)) {
  static const int order[] = {KIND_FP32, KIND_PLAIN, KIND_SINGLE, KIND_LIBRARY, KIND_CHAIN, KIND_WARPGROUP, KIND_NCCL};
  char path[4096] = "", plugin[4200];
  int failed = 0;
  if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) return 1;
  snprintf(plugin, sizeof plugin, "%s/../libfindna_emulated.so", dirname(path));
  setenv("FINDNA_PLUGIN", plugin, 0);
  setenv("FINDNA_EMULATED_CAPABILITY", "90", 0); /* 9.0 has the instructions of all kinds */
  for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
    const char *name = name_of_kind(order[i]);
    if (argc > 1 && strcmp(argv[1], name)) continue;
    if (argc > 1) return run_kind(order[i], run);
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) exit(run_kind(order[i], run));
    if (child < 0 || waitpid(child, &status, 0) < 0) return 1;
    if (WIFSIGNALED(status)) printf("not ok - %s ended by signal %d\n", name, WTERMSIG(status));
    failed |= status != 0;
  }
  if (argc > 1) fprintf(stderr, "%s: no kind %s\n", argv[0], argv[1]);
  return argc > 1 ? 64 : failed;
}

/* Replaces the device of a kind by one that is opened with `variable` set; exchange_back restores the usual device. */
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

/* Loads the emulated GPU's substitute for a library, from a folder next to the tests: from here on it is found by its name. */
static inline void load_substitute(const char *file) {
  char path[4096] = "", library[4200];
  if (!is_emulated() || readlink("/proc/self/exe", path, sizeof path - 1) < 0) return;
  snprintf(library, sizeof library, "%s/../%s", dirname(path), file);
  dlopen(library, RTLD_NOW);
}

/* Opens a kind whose wide linear layers use cuBLASLt. Returns whether the library is available; if not, prints that. */
static inline int open_library(int kind) {
  load_substitute("fake_blas/libfake_cublasLt.so");
  const fd_plugin *found;
  setenv("FINDNA_PRODUCTS", "library", 1);
  assert_ok(fd_plugin_load(&found));
  fd_status status = open_kind(found, kind);
  unsetenv("FINDNA_PRODUCTS");
  if (status == FD_OK) return 1;
  assert_int_equal(status, FD_GPU);
  printf("skipped - cuBLASLt: it is not there\n");
  return 0;
}

static inline double get_sum(fd_device *dev, const double *from) {
  double sum;
  assert_ok(dev->copy(dev, &sum, from, sizeof sum));
  assert_ok(dev->sync(dev));
  return sum;
}

/* Fails unless each value passes compare_sums(), and the root mean square error is at most half of `bound` times the root mean
 * square of the expected values (or 1, if larger), with a margin of 4 / sqrt(n) for the variation of few values. */
static inline void compare_all(const char *what, int kind, const float *x, const float *expected, size_t n, int terms,
                               double bound) {
  double *d = widen(expected, n), errors = 0, squares = 0;
  char name[80];
  snprintf(name, sizeof name, "%s (%s)", what, kinds[kind].name);
  compare_sums(name, x, d, n, terms, bound);
  for (size_t i = 0; i < n; i++) errors += ((double)x[i] - d[i]) * ((double)x[i] - d[i]), squares += d[i] * d[i];
  double root = sqrt((double)n), allowed = bound / 2 * (1 + 4 / root) * fmax(1, sqrt(squares) / root);
  if (n > 8 && sqrt(errors) / root > allowed)
    fail_msg("%s: mean error %.3g of %.3g over %zu values", name, sqrt(errors) / root, sqrt(squares) / root, n);
  free(d);
}

/* Compares the GPU's values with the CPU's, and releases the GPU's memory. */
static inline void compare_rows(const char *what, int kind, fd_mat m, int rows, int width, const float *expected, double bound) {
  float *x = get_rows(gpu[kind], m, rows, width);
  compare_all(what, kind, x, expected, (size_t)rows * (size_t)width, 1, bound);
  free(x);
  gpu[kind]->release(gpu[kind], m.at);
}

static inline void compare_flat_sums(const char *what, int kind, float *at, size_t n, const float *expected, int terms,
                                     double bound) {
  float *x = get(gpu[kind], at, n);
  compare_all(what, kind, x, expected, n, terms, bound);
  free(x);
  gpu[kind]->release(gpu[kind], at);
}

static inline void compare_flat(const char *what, int kind, float *at, size_t n, const float *expected, double bound) {
  compare_flat_sums(what, kind, at, n, expected, 1, bound);
}

#endif
