/* How much device memory a training takes, before it starts. */
#ifndef FD_TRAIN_MEMORY_H
#define FD_TRAIN_MEMORY_H

#include "model/network.h"

/* Bytes of device memory that the trainer of such a config takes on a device of such a form, gradients and state included, for
 * passes of `micro_batches` micro-batches of `rows` tokens. With `own_memory`, a GPU's, also what its kernels take beside, at
 * most. */
size_t fd_trainer_memory(const fd_config *config, const fd_network *network, fd_form form, int own_memory, int ranks, int rows,
                         int micro_batches);

/* How many micro-batches of `rows` tokens a pass has on a device of such `fill`, with `room` bytes free (0: not known). */
int fd_trainer_micro_batches(const fd_config *config, const fd_network *network, fd_form form, int fill, double room, int ranks,
                             int rows);

/* The largest micro-batch, of at most `most` windows of `tokens` rows, that `room` bytes hold; 0: none. */
int64_t fd_trainer_largest(const fd_config *config, const fd_network *network, fd_form form, int own_memory, int ranks,
                           int tokens, double room, int64_t most);

/* FD_MEMORY when a micro-batch of `rows` tokens does not fit the memory that the device has free, with the largest batch that
 * does. */
fd_status fd_trainer_fits(const fd_config *config, const fd_network *network, fd_device *dev, int ranks, int rows) FD_MUST_CHECK;

#endif
