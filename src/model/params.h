/* Named parameters in one flat fp32 buffer. Student, gradients, both moments and the teacher share this layout, so the moving
 * average, gradient clipping, the optimizer, reductions and checkpoints are loops over flat memory. */
#ifndef FD_MODEL_PARAMS_H
#define FD_MODEL_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "device/tensors.h"

enum { FD_NAME_MAX = 64 };

/* Initial values of a parameter. */
typedef enum fd_start {
  FD_START_FAN_IN, /* uniform in +-1/sqrt(fan_in) */
  FD_START_ZERO,
  FD_START_ONE,
  FD_START_RATE,   /* log of uniform in [0.01, 16]: rate of a gated delta rule (fd_delta.rate) */
  FD_START_STEP,   /* inverse softplus of log-uniform in [1e-3, 1e-1]: its offset (fd_delta.offset) */
  FD_RUNNING_ZERO, /* 0 and 1: not a weight, but a running mean over the steps */
  FD_RUNNING_ONE
} fd_start;

typedef struct fd_param {
  char name[FD_NAME_MAX]; /* encoder.0.3.fc1.weight */
  int dims;               /* 1 or 2 */
  int shape[2];           /* weights are [out, in] */
  size_t offset, size;    /* in floats */
  fd_start start;
  int fan_in; /* of the layer, for FD_START_FAN_IN */
} fd_param;

typedef struct fd_params {
  int count;
  fd_param *item;
  size_t size, capacity; /* floats in all; capacity of item */
} fd_params;

/* Appends the parameter `prefix`.`name`, [rows, columns] or with 0 columns [rows]; returns its offset through *offset. */
fd_status fd_params_add(fd_params *params, const char *prefix, const char *name, int rows, int columns, fd_start start,
                        int fan_in, size_t *offset) FD_MUST_CHECK;

/* The parameter of that name, or NULL. */
const fd_param *fd_params_find(const fd_params *params, const char *name);

/* The parameter that contains the value at this index of the buffer. */
const fd_param *fd_params_at(const fd_params *params, size_t place);

/* Whether the name of the parameter begins with `prefix` and a dot. */
int fd_param_is_of(const fd_param *param, const char *prefix);

/* Whether the parameter is a running mean over the steps instead of a weight. */
static inline int fd_param_is_running(const fd_param *param) { return param->start >= FD_RUNNING_ZERO; }

/* Bytes of copies of the matrices whose names begin with `prefix` (NULL: of all), with rows as a device stores activations. */
size_t fd_params_copies(const fd_params *params, const char *prefix, fd_form form);

/* Fills `values` (host memory) with initial values; random ones are a function of (seed, tensor, element). */
void fd_params_init(const fd_params *params, uint64_t seed, float *values);

void fd_params_free(fd_params *params);

#endif
