/* Averages running statistics over the steps. */
#include "train/running.h"

#include <stdlib.h>

#include "base/memory.h"

static const double kept = 0.9; /* share of a running mean kept per step: 1 - PyTorch's momentum */

fd_status fd_running_create(fd_running *r, fd_device *dev, const fd_params *params) {
  *r = (fd_running){.dev = dev, .params = params};
  for (int i = 0; i < params->count; i++)
    if (fd_param_is_running(&params->item[i])) r->size += params->item[i].size;
  return r->size ? fd_alloc(&r->values, 2 * r->size, sizeof *r->values, "running statistics") : FD_OK;
}

void fd_running_free(fd_running *r) {
  free(r->values);
  *r = (fd_running){0};
}

fd_status fd_running_take(fd_running *r, float *gradient, const float *student) {
  size_t at = 0;
  for (int i = 0; i < r->params->count; i++) {
    const fd_param *p = &r->params->item[i];
    if (!fd_param_is_running(p)) continue;
    size_t bytes = p->size * sizeof *gradient;
    FD_TRY(r->dev->copy(r->dev, r->values + at, gradient + p->offset, bytes));
    FD_TRY(r->dev->copy(r->dev, r->values + r->size + at, student + p->offset, bytes));
    FD_TRY(r->dev->sync(r->dev));
    r->dev->ops.zero(r->dev, bytes, gradient + p->offset);
    at += p->size;
  }
  return FD_OK;
}

fd_status fd_running_put(fd_running *r, int64_t micro, float *student) {
  size_t at = 0;
  for (size_t i = 0; i < r->size; i++)
    r->values[i] = (float)(kept * (double)r->values[r->size + i] + (1 - kept) * (double)r->values[i] / (double)micro);
  for (int i = 0; i < r->params->count; i++) {
    const fd_param *p = &r->params->item[i];
    if (!fd_param_is_running(p)) continue;
    FD_TRY(r->dev->copy(r->dev, student + p->offset, r->values + at, p->size * sizeof *student));
    at += p->size;
  }
  return FD_OK;
}
