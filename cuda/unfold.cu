/* Unfolding for convolutions on the GPU (im2col): each row's neighbourhood side by side in one row; and its reverse for
 * gradients. */
#include "cuda/matrix.h"

enum { THREADS = 256 };

namespace {

struct unfold_call {
  const int *start;
  int count, width, taps;
};

/* The row that is `by` rows after `row`, or -1 if it is outside the row's sequence. */
__device__ inline int beside(const unfold_call &c, int row, int by) {
  int s = fd_sequence_of(c.start, c.count, row), at = row + by;
  return at < c.start[s] || at >= c.start[s + 1] ? -1 : at;
}

__global__ void unfold(unfold_call c, int rows, fd_mat x, fd_mat y) {
  for (size_t n = fd_first_item(); n < (size_t)rows * y.stride; n += fd_all_items()) {
    int row = (int)(n / y.stride), column = (int)(n % y.stride), from = -1;
    if (column < c.width * c.taps) from = beside(c, row, column % c.taps - c.taps / 2);
    fd_put(y, row, column, from < 0 ? 0 : fd_get(x, from, column / c.taps));
  }
}

/* The taps are added in order. */
__global__ void fold(unfold_call c, int rows, fd_mat dy, fd_mat dx) {
  for (size_t n = fd_first_item(); n < (size_t)rows * dx.stride; n += fd_all_items()) {
    int row = (int)(n / dx.stride), column = (int)(n % dx.stride);
    float sum = 0;
    for (int j = 0; column < c.width && j < c.taps; j++) {
      int from = beside(c, row, c.taps / 2 - j);
      if (from >= 0) sum += fd_get(dy, from, column * c.taps + j);
    }
    fd_put(dx, row, column, sum);
  }
}

}  // namespace

void fd_cuda_unfold(fd_device *dev, const fd_seqs *seqs, int width, int taps, fd_mat x, fd_mat y) {
  int rows = fd_seqs_rows(seqs);
  FD_LAUNCH(fd_cuda_of(dev), unfold, dim3(fd_blocks((size_t)rows * (size_t)y.stride, THREADS)), THREADS, 0,
            unfold_call{seqs->device_start, seqs->count, width, taps}, rows, x, y);
}

void fd_cuda_fold(fd_device *dev, const fd_seqs *seqs, int width, int taps, fd_mat dy, fd_mat dx) {
  int rows = fd_seqs_rows(seqs);
  FD_LAUNCH(fd_cuda_of(dev), fold, dim3(fd_blocks((size_t)rows * (size_t)dx.stride, THREADS)), THREADS, 0,
            unfold_call{seqs->device_start, seqs->count, width, taps}, rows, dy, dx);
}
