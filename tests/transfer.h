/* Copies values of the tests of operations to a device and back. */
#ifndef FD_TESTS_TRANSFER_H
#define FD_TESTS_TRANSFER_H

#include "values.h"

#include "device/device.h"

/* Random values that bf16 represents, so that all devices start from the same ones. */
static inline float *random_values(size_t n, float scale) {
  float *x = random_floats(n, scale);
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(x + i, &bits, sizeof bits);
  }
  return x;
}

/* Device memory with these bytes, or poison for NULL. */
static inline void *put(fd_device *dev, const void *from, size_t bytes) {
  void *to, *nan = NULL;
  if (!from) from = memset(nan = malloc(bytes + 1), 0xff, bytes);
  assert_ok(dev->alloc(dev, &to, bytes, "a test"));
  assert_ok(dev->copy(dev, to, from, bytes));
  free(nan);
  return to;
}

/* Rows in the device's form, or poison for NULL. */
static inline fd_mat put_rows(fd_device *dev, const float *x, int rows, int width) {
  fd_form form = dev->form;
  size_t bytes = (size_t)rows * fd_form_row(form, width), element = form.type == FD_BF16 ? 2 : 4;
  int stride = fd_form_stride(form, width);
  char *raw = calloc(bytes + 1, 1);
  for (int r = 0; x && r < rows; r++)
    for (int c = 0; c < width; c++) {
      const char *value = (const char *)(x + (size_t)r * (size_t)width + c) + (form.type == FD_BF16 ? 2 : 0);
      memcpy(raw + ((size_t)r * (size_t)stride + (size_t)c) * element, value, element);
    }
  fd_mat m = fd_form_mat(form, put(dev, x ? raw : NULL, bytes), width);
  free(raw);
  return m;
}

/* A host copy of rows, whose padding must be zero. */
static inline float *get_rows(fd_device *dev, fd_mat m, int rows, int width) {
  float *all = malloc(((size_t)rows * (size_t)m.stride + 1) * sizeof *all),
        *x = malloc(((size_t)rows * (size_t)width + 1) * sizeof *x);
  assert_ok(fd_mat_read(dev, m, 0, rows, m.stride, all));
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < m.stride; c++)
      if (c < width) x[r * width + c] = all[r * m.stride + c];
      else if (all[r * m.stride + c] != 0) fail_msg("row %d: its padding is not zero", r);
  x[(size_t)rows * (size_t)width] = NAN;
  free(all);
  return x;
}

static inline float *get(fd_device *dev, const float *from, size_t n) {
  float *x = malloc((n + 1) * sizeof *x);
  assert_ok(dev->copy(dev, x, from, n * sizeof *x));
  assert_ok(dev->sync(dev));
  x[n] = NAN;
  return x;
}

/* The same sequences in device memory. */
static inline fd_seqs put_seqs(fd_device *dev, const fd_seqs *seqs) {
  fd_seqs there;
  assert_ok(fd_seqs_create(&there, dev, seqs->count, seqs->cls));
  there.count = seqs->count, there.micro_batches = seqs->micro_batches;
  memcpy(there.start, seqs->start, ((size_t)seqs->count + 1) * sizeof *seqs->start);
  if (seqs->draws) memcpy(there.draws, seqs->draws, (size_t)seqs->count * sizeof *seqs->draws);
  assert_ok(fd_seqs_send(&there, dev));
  return there;
}

#endif
