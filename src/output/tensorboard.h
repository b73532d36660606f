/* TensorBoard's event files, made from metrics.jsonl: TFRecord frames of Event messages with scalar summaries. */
#ifndef FD_OUTPUT_TENSORBOARD_H
#define FD_OUTPUT_TENSORBOARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Writes the numbers of a run folder durably to `output`, in the order of the steps: tag KIND/COLUMN, such as eval/student_loss
 * (rank_N/COLUMN of what each rank measures); the wall time is the run's start and the seconds of the steps until then. Context
 * tables, which are no curves, are left out. */
fd_status fd_tensorboard_write(const char *run_folder, const char *output) FD_MUST_CHECK;

/* CRC-32C (Castagnoli). */
uint32_t fd_crc32c(const void *data, size_t bytes);

#endif
