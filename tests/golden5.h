/* Compares tensors and losses with golden files like those of ../shared/golden5, within the bounds of its README: values of fp64
 * runs, and the deviation of an fp32 run of the same code from them. */
#ifndef FD_TESTS_GOLDEN5_H
#define FD_TESTS_GOLDEN5_H

#include "check.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "device/device.h"
#include "output/safetensors.h"

typedef struct golden5 {
  json_t *root;
  fd_safetensors theirs;
  double rate; /* learning rate of weights after steps */
} golden5;

/* Returns 0 and prints a message when the file is absent. */
static inline int golden5_open_in(golden5 *g, const char *folder, const char *name) {
  char path[FD_PATH_MAX];
  snprintf(path, sizeof path, "%s/%s.safetensors", folder, name);
  if (!fd_exists(path)) return printf("skipped - %s: %s is not here\n", name, path), 0;
  assert_ok(fd_safetensors_read(path, &g->theirs));
  snprintf(path, sizeof path, "%s/%s.json", folder, name);
  assert_non_null(g->root = json_load_file(path, 0, NULL));
  return 1;
}

static inline int golden5_open(golden5 *g, const char *name) { return golden5_open_in(g, "../shared/golden5", name); }

static inline void golden5_close(golden5 *g) {
  fd_safetensors_free(&g->theirs);
  json_decref(g->root);
}

static inline double golden5_measured(const golden5 *g, const char *group, const char *what) {
  return json_number_value(json_object_get(json_object_get(json_object_get(g->root, "fp32_vs_fp64"), group), what));
}

/* Bounds of the difference of a tensor's value, and of the root mean square of its differences (0: not checked). */
typedef struct golden5_bound {
  double value, rms;
} golden5_bound;

/* Bounds by a tensor's group: "student3.head.weight" is in the group student3, "hidden.1" in a group of its own. */
static inline golden5_bound golden5_allows(const golden5 *g, const char *name) {
  char group[64];
  int whole = json_object_get(json_object_get(g->root, "fp32_vs_fp64"), name) != NULL;
  snprintf(group, sizeof group, "%.*s", whole ? 63 : (int)strcspn(name, "."), name);
  double m = golden5_measured(g, group, "maxabs"), rms = golden5_measured(g, group, "rms");
  int weights = !strncmp(group, "student", 7) && strspn(group + 7, "0123456789") == strlen(group + 7) && group[7];
  if (weights) return (golden5_bound){fmax(0.1 * g->rate, 5 * m), fmax(1e-3 * g->rate, 5 * rms)};
  if (!strncmp(group, "teacher", 7) && strcmp(group, "teacher_out")) return (golden5_bound){1e-6, 0};
  if (!strncmp(group, "centre", 6)) return (golden5_bound){1e-6, 0};
  return (golden5_bound){fmax(1e-5 * golden5_measured(g, group, "largest_value"), 5 * m), 0};
}

/* Compares one tensor; `ours` has the same elements. */
static inline void golden5_compare(const golden5 *g, const fd_tensor *theirs, const float *ours) {
  golden5_bound allowed = golden5_allows(g, theirs->name);
  size_t n = theirs->bytes / sizeof(float);
  const float *expected = theirs->data;
  double squares = 0;
  for (size_t i = 0; i < n; i++) {
    double difference = (double)ours[i] - (double)expected[i];
    squares += difference * difference;
    if (!(fabs(difference) <= allowed.value))
      fail_msg("%s[%zu] = %.9g, expected %.9g within %.2g", theirs->name, i, (double)ours[i], (double)expected[i], allowed.value);
  }
  if (allowed.rms > 0 && !(sqrt(squares / (double)n) <= allowed.rms))
    fail_msg("%s: root mean square of the differences %.3g, expected at most %.3g", theirs->name, sqrt(squares / (double)n),
             allowed.rms);
}

/* The tensor group + name, such as "in0." and "ids". */
static inline const fd_tensor *golden5_find(const golden5 *g, const char *group, const char *name) {
  char full[192];
  snprintf(full, sizeof full, "%s%s", group, name);
  const fd_tensor *t = fd_safetensors_find(&g->theirs, full);
  if (!t) fail_msg("no tensor %s", full);
  return t;
}

/* Bound of the difference of a value of outputs or gradients. */
static inline double golden5_bound_of(const golden5 *g, const char *group) {
  return fmax(1e-5 * golden5_measured(g, group, "largest_value"), 5 * golden5_measured(g, group, "maxabs"));
}

/* Bounds for weights after an update with a learning rate. */
static inline golden5_bound golden5_moved(const golden5 *g, const char *group, double rate) {
  return (golden5_bound){fmax(0.1 * rate, 5 * golden5_measured(g, group, "maxabs")),
                         fmax(1e-3 * rate, 5 * golden5_measured(g, group, "rms"))};
}

/* A loss, to five digits. */
static inline void golden5_loss(const json_t *expected, const char *name, double value) {
  double there = json_number_value(json_object_get(expected, name));
  assert_near(value, there, 1e-5 * fabs(there));
}

/* The record of a step of a run, in fp64. */
static inline json_t *golden5_step(const golden5 *g, const char *run, int step) {
  char name[48];
  snprintf(name, sizeof name, "%s.steps_fp64", run);
  return json_array_get(json_object_get(g->root, name), (size_t)step);
}

/* Device memory: a copy of host memory, or zeros. */
static inline void *on_device(fd_device *dev, const void *from, size_t bytes) {
  void *at;
  assert_ok(dev->alloc(dev, &at, bytes, "test"));
  if (from) assert_ok(dev->copy(dev, at, from, bytes));
  else dev->ops.zero(dev, bytes, at);
  return at;
}

#endif
