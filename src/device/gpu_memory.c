/* Bounds of the device memory that the CUDA back end and its libraries allocate. */
#include "device/gpu_memory.h"

#include <stdlib.h>
#include <string.h>

enum {
  PADDING = 4,                        /* columns after each row of sums */
  SMALL = 1 << 20,                    /* many small buffers: sums, starts, a head */
  HEAD_ROWS = FD_CHUNK_MIN / 4,       /* rows of a head per chunk */
  ORDERED_MIN = FD_ORDER_CHANNELS / 2 /* blocks of fewer channels have no tile order */
};

int fd_gpu_by_library(void) {
  const char *products = getenv("FINDNA_PRODUCTS");
  return products && !strcmp(products, "library");
}

size_t fd_gpu_scratch(const fd_gpu_pass *p) {
  size_t channels = (size_t)p->channels, hidden = (size_t)p->hidden, micro_batches = (size_t)p->micro_batches;
  size_t chunks =
      micro_batches * (size_t)(p->rows / FD_CHUNK_MIN + 1 < FD_CHUNKS_MAX ? p->rows / FD_CHUNK_MIN + 1 : FD_CHUNKS_MAX);
  size_t row = fd_form_row(p->form, p->channels) + 3 * fd_form_row(p->form, p->hidden);
  size_t sums = !p->attention && fd_gpu_by_library() ? (channels > hidden ? channels : hidden) + PADDING : 0; /* of a row */
  size_t weights = channels * (hidden + PADDING) + hidden * (channels + PADDING), attended = 3 * channels * (channels + PADDING);
  size_t biases = (size_t)fd_form_stride(p->form, p->channels) + (size_t)fd_form_stride(p->form, p->hidden);
  if (p->attention && attended > weights) weights = attended, biases = 3 * (size_t)fd_form_stride(p->form, p->channels);
  return SMALL + (size_t)p->rows * micro_batches * (row + sums * sizeof(float)) + chunks * (weights + biases) * sizeof(float);
}

size_t fd_gpu_head_sums(size_t weights, int rows, int micro_batches) {
  return (size_t)micro_batches * (size_t)(rows / HEAD_ROWS + 1) * weights * sizeof(float);
}

size_t fd_gpu_block_weights(fd_form form, int channels, int hidden, int recompute) {
  int stride = fd_form_stride(form, channels), ordered = stride <= FD_ORDER_CHANNELS && stride > ORDERED_MIN;
  size_t w1 = (size_t)hidden * fd_form_row(form, channels), rows = w1 + (size_t)channels * fd_form_row(form, hidden),
         units = (size_t)(hidden + FD_ORDER_UNITS - 1) / FD_ORDER_UNITS * FD_ORDER_UNITS,
         tiles = units * 2 * FD_ORDER_CHANNELS * 2; /* W1 and W2, two bytes per element */
  return 2 * (ordered && tiles > rows ? tiles : rows) + (ordered && recompute ? w1 : 0);
}

/* NCCL allocates buffers of its three protocols, 0.5, 4 and 4.7 MiB, for each channel and peer; the ring and the trees of its
 * all-reduce count as two more peers. (From its sources' defaults, NCCL_BUFFSIZE and others; not measured.) */
size_t fd_gpu_nccl(int ranks) {
  const size_t mebibyte = 1 << 20, connection = 10 * mebibyte, base = 32 * mebibyte;
  size_t peers = 2;
  for (int n = 1; n < ranks; n *= 2) peers++;
  return base + FD_NCCL_CHANNELS * peers * connection;
}

/* At most so many kernels a block and pass, and kilobytes that the driver keeps for each of them. (Not measured.) */
size_t fd_gpu_graphs(int blocks) {
  enum { GRAPHS = 4 /* FD_GRAPHS of cuda/backend.h */, KERNELS = 12, OTHERS = 64, NODE = 16 << 10 };
  return GRAPHS * ((size_t)blocks * KERNELS + OTHERS) * NODE;
}

double fd_gpu_room(double bytes) { return 0.95 * bytes; }
