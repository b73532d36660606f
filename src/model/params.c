/* The table of named parameters, and their initial values. */
#include "model/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

fd_status fd_params_add(fd_params *params, const char *prefix, const char *name, int rows, int columns, fd_start start,
                        int fan_in, size_t *offset) {
  FD_TRY(fd_grow(&params->item, &params->capacity, (size_t)params->count + 1, sizeof *params->item, "parameter table"));
  fd_param *p = &params->item[params->count++];
  *p = (fd_param){.dims = columns ? 2 : 1, .shape = {rows, columns}, .start = start, .fan_in = fan_in, .offset = params->size};
  snprintf(p->name, sizeof p->name, "%s.%s", prefix, name);
  p->size = (size_t)rows * (size_t)(columns ? columns : 1);
  params->size += p->size;
  *offset = p->offset;
  return FD_OK;
}

const fd_param *fd_params_find(const fd_params *params, const char *name) {
  for (int i = 0; i < params->count; i++)
    if (!strcmp(params->item[i].name, name)) return &params->item[i];
  return NULL;
}

const fd_param *fd_params_at(const fd_params *params, size_t place) {
  int i = 0;
  while (i + 1 < params->count && params->item[i + 1].offset <= place) i++;
  return &params->item[i];
}

int fd_param_is_of(const fd_param *param, const char *prefix) {
  size_t n = strlen(prefix);
  return !strncmp(param->name, prefix, n) && param->name[n] == '.';
}

size_t fd_params_copies(const fd_params *params, const char *prefix, fd_form form) {
  size_t bytes = 0;
  for (int i = 0; i < params->count; i++) {
    const fd_param *p = &params->item[i];
    if (p->dims == 2 && (!prefix || fd_param_is_of(p, prefix))) bytes += (size_t)p->shape[0] * fd_form_row(form, p->shape[1]);
  }
  return bytes;
}

/* An initial value from a uniform number in [0, 1). */
static float start_of(const fd_param *p, float u) {
  if (p->start == FD_START_FAN_IN) return (2.0f * u - 1.0f) * (1.0f / sqrtf((float)p->fan_in));
  if (p->start == FD_START_RATE) return (float)log(0.01 + (double)u * 15.99);
  double step = 1e-3 * pow(1e2, (double)u);
  return (float)(step + log(-expm1(-step)));
}

static void draw(const fd_param *p, fd_rng_key key, uint64_t tensor, float *values) {
  uint32_t word[4] = {0};
  for (size_t j = 0; j < p->size; j++) {
    if (j % 4 == 0) fd_philox(word, key, tensor, j / 4);
    values[j] = start_of(p, fd_unit(word[j % 4]));
  }
}

void fd_params_init(const fd_params *params, uint64_t seed, float *values) {
  fd_rng_key key = fd_rng_key_of(seed, FD_RNG_INIT);
  for (int i = 0; i < params->count; i++) {
    const fd_param *p = &params->item[i];
    float *value = values + p->offset;
    if (p->start == FD_START_FAN_IN || p->start == FD_START_RATE || p->start == FD_START_STEP) draw(p, key, (uint64_t)i, value);
    else
      for (size_t j = 0; j < p->size; j++) value[j] = p->start == FD_START_ONE || p->start == FD_RUNNING_ONE ? 1.0f : 0.0f;
  }
}

void fd_params_free(fd_params *params) {
  free(params->item);
  memset(params, 0, sizeof *params);
}
