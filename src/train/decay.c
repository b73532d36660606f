/* Applies AdamW to contiguous ranges of parameters with and without weight decay. */
#include "train/decay.h"

static void update(fd_device *dev, const fd_adamw *h, const fd_decayed *a, size_t first, size_t size, int exempt) {
  fd_adamw of = *h;
  if (exempt) of.decay = 0;
  dev->ops.adamw(dev, size, &of, a->gradient + first, a->student + first, a->m + first, a->v + first,
                 a->teacher ? a->teacher + first : NULL, a->lambda);
}

void fd_decay_update(const fd_config *config, fd_device *dev, const fd_params *params, const fd_adamw *h, const fd_decayed *a) {
  size_t first = 0;
  if (config->optim.decay == FD_DECAY_ALL) {
    update(dev, h, a, 0, params->size, 0);
    return;
  }
  for (int i = 0; i < params->count; i++) {
    const fd_param *p = &params->item[i];
    int exempt = p->dims == 1, last = i + 1 == params->count;
    if (!last && (params->item[i + 1].dims == 1) == exempt) continue;
    update(dev, h, a, first, p->offset + p->size - first, exempt);
    first = p->offset + p->size;
  }
}
