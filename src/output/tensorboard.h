/* TensorBoard's event files, made from metrics.jsonl: TFRecord frames of Event messages with scalar summaries. */
#ifndef FD_OUTPUT_TENSORBOARD_H
#define FD_OUTPUT_TENSORBOARD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Writes the metrics of a run folder durably to `output`, in the order of the steps. The tag is KIND/COLUMN, such as
 * eval/student_loss (rank_N/COLUMN for measurements of each rank); the wall time is the run's start plus the duration of the
 * steps so far, in seconds. Context tables are left out: they are not curves. */
fd_status fd_tensorboard_write(const char *run_folder, const char *output) FD_MUST_CHECK;

/* CRC-32C (Castagnoli). */
uint32_t fd_crc32c(const void *data, size_t bytes);

#endif
