/* The GPU under test in every kind of precision and products, the CPU beside it, and what brings values to and fro. */
#ifndef FD_TESTS_GPU_H
#define FD_TESTS_GPU_H

#include <libgen.h>
#include <unistd.h>

#include "check.h"
#include "values.h"

#include "device/link.h"
#include "device/plugin.h"

enum { KIND_WARPGROUP = 3, KINDS = 5 };
static const struct {
  const char *name;
  fd_gpu_options options;
  double bound; /* of the largest error of a block's values around 1: z, h and the gradients pass through bf16, 2^-9 of each */
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
  if (kind == KIND_WARPGROUP && this.major != 9) options.products = FD_PRODUCTS_SINGLE; /* what this GPU has */
  return plugin->open(&gpu[kind], &host, &options);
}

static inline int open_devices(void **state) {
  (void)state;
  char path[4096] = "", plugin[4200];
  if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) return 1;
  snprintf(plugin, sizeof plugin, "%s/../libfindna_emulated.so", dirname(path));
  setenv("FINDNA_PLUGIN", plugin, 0);
  setenv("FINDNA_EMULATED_CAPABILITY", "90", 0); /* it has the instructions of both kinds */
  const fd_plugin *found;
  fd_config config;
  fd_config_defaults(&config);
  if (fd_device_open(&cpu, &config, 0, 1) != FD_OK || fd_plugin_load(&found) != FD_OK) return 1;
  for (int i = 0; i < KINDS; i++)
    if (open_kind(found, i) != FD_OK) return 1;
  return 0;
}

static inline int close_devices(void **state) {
  (void)state;
  for (int i = 0; i < KINDS; i++) fd_device_close(&gpu[i]);
  fd_device_close(&cpu);
  return 0;
}

/* Values that bf16 has, so that both devices start from the same. */
static inline float *random_values(size_t n, float scale) {
  float *x = random_floats(n, scale);
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(x + i, &bits, sizeof bits);
  }
  return x;
}

/* Memory of the device with these bytes; with NULL, poison. */
static inline void *put(fd_device *dev, const void *from, size_t bytes) {
  void *to, *nan = NULL;
  if (!from) from = memset(nan = malloc(bytes + 1), 0xff, bytes);
  assert_ok(dev->alloc(dev, &to, bytes, "a test"));
  assert_ok(dev->copy(dev, to, from, bytes));
  free(nan);
  return to;
}

/* Rows in the device's form, or with NULL poison. */
static inline fd_mat put_rows(fd_device *dev, const float *x, int rows, int width) {
  fd_form form = dev->form;
  size_t bytes = (size_t)rows * fd_form_row(form, width), element = form.type == FD_BF16 ? 2 : 4;
  int stride = fd_form_stride(form, width);
  char *raw = calloc(bytes + 1, 1);
  for (int r = 0; x && r < rows; r++)
    for (int c = 0; c < width; c++) {
      const char *value = (const char *)(x + (size_t)r * (size_t)width + c) + (form.type == FD_BF16 ? 2 : 0);
      memcpy(raw + ((size_t)r * (size_t)stride + (size_t)c) * element, value, element);
    }
  fd_mat m = fd_form_mat(form, put(dev, x ? raw : NULL, bytes), width);
  free(raw);
  return m;
}

/* The host's copy of rows; their padding must be zero. */
static inline float *get_rows(fd_device *dev, fd_mat m, int rows, int width) {
  float *all = malloc(((size_t)rows * (size_t)m.stride + 1) * sizeof *all),
        *x = malloc(((size_t)rows * (size_t)width + 1) * sizeof *x);
  assert_ok(fd_mat_read(dev, m, 0, rows, m.stride, all));
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < m.stride; c++)
      if (c < width) x[r * width + c] = all[r * m.stride + c];
      else if (all[r * m.stride + c] != 0) fail_msg("row %d: its padding is not zero", r);
  x[(size_t)rows * (size_t)width] = NAN;
  free(all);
  return x;
}

static inline float *get(fd_device *dev, const float *from, size_t n) {
  float *x = malloc((n + 1) * sizeof *x);
  assert_ok(dev->copy(dev, x, from, n * sizeof *x));
  assert_ok(dev->sync(dev));
  x[n] = NAN;
  return x;
}

static inline double get_sum(fd_device *dev, const double *from) {
  double sum;
  assert_ok(dev->copy(dev, &sum, from, sizeof sum));
  assert_ok(dev->sync(dev));
  return sum;
}

/* Fails unless the values are close each, and as a whole: half of the largest error allowed, in the mean square. */
static inline void compare_all(const char *what, int kind, const float *x, const float *expected, size_t n, double bound) {
  double *d = widen(expected, n), errors = 0, squares = 0;
  char name[80];
  snprintf(name, sizeof name, "%s (%s)", what, kinds[kind].name);
  compare(name, x, d, n, bound);
  for (size_t i = 0; i < n; i++) errors += ((double)x[i] - d[i]) * ((double)x[i] - d[i]), squares += d[i] * d[i];
  if (n > 8 && sqrt(errors / (double)n) > bound / 2 * fmax(1, sqrt(squares / (double)n)))
    fail_msg("%s: mean error %.3g of %.3g", name, sqrt(errors / (double)n), sqrt(squares / (double)n));
  free(d);
}

/* Compares what the GPU has with what the CPU has, and gives the GPU's memory back. */
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

/* The same sequences on a device. */
static inline fd_seqs put_seqs(fd_device *dev, const fd_seqs *seqs) {
  fd_seqs there;
  assert_ok(fd_seqs_create(&there, dev, seqs->count, seqs->cls));
  there.count = seqs->count, there.parts = seqs->parts;
  memcpy(there.start, seqs->start, ((size_t)seqs->count + 1) * sizeof *seqs->start);
  if (seqs->draws) memcpy(there.draws, seqs->draws, (size_t)seqs->count * sizeof *seqs->draws);
  assert_ok(fd_seqs_send(&there, dev));
  return there;
}

#endif
