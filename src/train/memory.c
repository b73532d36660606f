/* The memory plan of a training. */
#include "train/memory.h"

#include <inttypes.h>

size_t fd_trainer_memory(const fd_config *config, const fd_network *network, fd_form form, int ranks, int rows) {
  int own = (int)(config->train.virtual_ranks / ranks), buffers = 5; /* student, teacher, two moments, one gradient */
  for (int n = 1; n < own; n *= 2) buffers++;
  return (size_t)buffers * network->params.size * sizeof(float) + fd_activations_size(network, form, rows, 1) +
         fd_activations_size(network, form, rows, 0) + 2 * (size_t)own * (size_t)rows * (2 * FD_SYMBOLS * sizeof(float) + 16);
}

static size_t needed(const fd_config *config, const fd_network *network, fd_device *dev, int ranks, int rows) {
  return fd_trainer_memory(config, network, dev->form, ranks, rows) +
         (dev->scratch ? dev->scratch(dev, rows, (int)config->model.channels, (int)config->model.hidden) : 0);
}

fd_status fd_trainer_fits(const fd_config *config, const fd_network *network, fd_device *dev, int ranks, int rows) {
  size_t need = needed(config, network, dev, ranks, rows);
  int64_t v = config->train.virtual_ranks, micro = config->train.batch / v, fits = micro;
  if (!dev->free_memory || need <= dev->free_memory) return FD_OK;
  while (fits > 0 && needed(config, network, dev, ranks, (int)(rows / micro * fits)) > dev->free_memory) fits--;
  double gigabytes = 1e-9 * (double)need, free_gigabytes = 1e-9 * (double)dev->free_memory;
  const char *other = config->model.recompute ? "" : ", or model.recompute=true";
  if (fits)
    return fd_fail(FD_MEMORY,
                   "train.batch %" PRId64 " with train.virtual_ranks %" PRId64
                   " needs %.3g GB on %s, where %.3g GB are free: the "
                   "largest batch that fits is %" PRId64 " (or more virtual ranks%s)",
                   config->train.batch, v, gigabytes, dev->simd, free_gigabytes, fits * v, other);
  return fd_fail(FD_MEMORY, "the model needs %.3g GB on %s, where %.3g GB are free: no batch fits; a smaller model%s", gigabytes,
                 dev->simd, free_gigabytes, other);
}
