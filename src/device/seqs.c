/* Sequences of a pass in host and device memory; copies of device rows as fp32. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/device.h"

fd_status fd_seqs_create(fd_seqs *seqs, fd_device *dev, int count, int cls) {
  fd_status status = FD_OK;
  size_t n = (size_t)count;
  *seqs = (fd_seqs){.cls = cls, .micro_batches = 1};
  FD_GO(fd_alloc(&seqs->start, n + 1, sizeof *seqs->start, "sequences"));
  FD_GO(fd_alloc(&seqs->draws, n, sizeof *seqs->draws, "sequences"));
  if (!dev->own_memory) return FD_OK;
  FD_GO(dev->alloc(dev, &seqs->device_start, (n + 1) * sizeof *seqs->start, "sequences"));
  FD_GO(dev->alloc(dev, &seqs->device_draws, n * sizeof *seqs->draws, "sequences"));
done:
  if (status != FD_OK) fd_seqs_destroy(seqs, dev);
  return status;
}

fd_status fd_seqs_send(const fd_seqs *seqs, fd_device *dev) {
  size_t n = (size_t)seqs->count;
  if (!dev->own_memory) return FD_OK;
  FD_TRY(dev->copy(dev, seqs->device_start, seqs->start, (n + 1) * sizeof *seqs->start));
  return dev->copy(dev, seqs->device_draws, seqs->draws, n * sizeof *seqs->draws);
}

void fd_seqs_destroy(fd_seqs *seqs, fd_device *dev) {
  if (seqs->device_start) dev->release(dev, seqs->device_start);
  if (seqs->device_draws) dev->release(dev, seqs->device_draws);
  free(seqs->start);
  free(seqs->draws);
  *seqs = (fd_seqs){0};
}

fd_status fd_mat_read(fd_device *dev, fd_mat m, int first, int rows, int width, float *to) {
  size_t element = m.type == FD_BF16 ? 2 : 4, row = (size_t)m.stride * element, bytes = (size_t)rows * row;
  const char *from = (const char *)m.at + (size_t)first * row;
  char *raw;
  if (m.type == FD_FP32 && m.stride == width) {
    FD_TRY(dev->copy(dev, to, from, bytes));
    return dev->sync(dev);
  }
  FD_TRY(fd_alloc(&raw, bytes, 1, "rows of the device"));
  fd_status status = dev->copy(dev, raw, from, bytes);
  if (status == FD_OK) status = dev->sync(dev);
  for (int r = 0; status == FD_OK && r < rows; r++, to += width) {
    const char *from_row = raw + (size_t)r * row;
    if (m.type == FD_FP32) memcpy(to, from_row, (size_t)width * sizeof *to);
    for (int c = 0; m.type == FD_BF16 && c < width; c++) { /* the upper half of an fp32 number */
      uint16_t half;
      memcpy(&half, from_row + 2 * c, sizeof half);
      uint32_t bits = (uint32_t)half << 16;
      memcpy(to + c, &bits, sizeof bits);
    }
  }
  free(raw);
  return status;
}
