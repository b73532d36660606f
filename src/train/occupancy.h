/* Whether a micro-batch is work for all of a GPU. */
#ifndef FD_TRAIN_OCCUPANCY_H
#define FD_TRAIN_OCCUPANCY_H

#include "model/network.h"

/* Says in text[size] how many tiles of rows a micro-batch has for the multiprocessors of a rank's GPU; where there are fewer,
 * also the train.virtual_ranks of the largest micro-batch that `room` bytes of it hold. `tokens`: rows of a window. Returns
 * whether each multiprocessor has a tile. */
int fd_trainer_occupancy(const fd_config *config, const fd_network *network, fd_form form, int ranks, int tokens,
                         int multiprocessors, double room, char *text, size_t size);

#endif
