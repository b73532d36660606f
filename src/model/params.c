/* The table of named parameters, and their start values. */
#include "model/params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

fd_status fd_params_add(fd_params *params, const char *name, int rows, int columns, int fan_in, size_t *offset) {
  FD_TRY(fd_grow(&params->item, &params->capacity, (size_t)params->count + 1, sizeof *params->item, "parameter table"));
  fd_param *p = &params->item[params->count++];
  memset(p, 0, sizeof *p);
  snprintf(p->name, sizeof p->name, "%s", name);
  p->dims = columns ? 2 : 1;
  p->shape[0] = rows;
  p->shape[1] = columns;
  p->size = (size_t)rows * (size_t)(columns ? columns : 1);
  p->fan_in = fan_in;
  p->offset = *offset = params->size;
  params->size += p->size;
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

void fd_params_init(const fd_params *params, uint64_t seed, float *values) {
  fd_rng_key key = fd_rng_key_of(seed, FD_RNG_INIT);
  for (int i = 0; i < params->count; i++) {
    const fd_param *p = &params->item[i];
    float bound = 1.0f / sqrtf((float)p->fan_in);
    uint32_t word[4] = {0};
    for (size_t j = 0; j < p->size; j++) {
      if (j % 4 == 0) fd_philox(word, key, (uint64_t)i, j / 4);
      values[p->offset + j] = (2.0f * fd_unit(word[j % 4]) - 1.0f) * bound;
    }
  }
}

void fd_params_free(fd_params *params) {
  free(params->item);
  memset(params, 0, sizeof *params);
}
