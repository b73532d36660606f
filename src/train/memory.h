/* How much device memory a training needs, computed before it starts. */
#ifndef FD_TRAIN_MEMORY_H
#define FD_TRAIN_MEMORY_H

#include "model/network.h"

/* Bytes of device memory of a trainer with this config on a device with this form of activations, including gradients and state,
 * for passes of `micro_batches` micro-batches of `rows` tokens. Scratch memory of kernels is included: with `own_memory` (a GPU)
 * an upper bound, else that for rows and for cached weights, but not the few MB of each thread of a CPU. */
size_t fd_trainer_memory(const fd_config *config, const fd_network *network, fd_form form, int own_memory, int ranks, int rows,
                         int micro_batches);

/* The number of micro-batches of `rows` tokens per pass on a device with this `fill` and `room` bytes free (0: unknown). */
int fd_trainer_micro_batches(const fd_config *config, const fd_network *network, fd_form form, int fill, double room, int ranks,
                             int rows);

/* The largest micro-batch, in windows of `tokens` rows and at most `most`, that fits in `room` bytes; 0: none. */
int64_t fd_trainer_largest(const fd_config *config, const fd_network *network, fd_form form, int own_memory, int ranks,
                           int tokens, double room, int64_t most);

/* FD_MEMORY if a micro-batch of `rows` tokens does not fit in the free memory of the device; the message states the largest batch
 * that fits. */
fd_status fd_trainer_fits(const fd_config *config, const fd_network *network, fd_device *dev, int ranks, int rows) FD_MUST_CHECK;

#endif
