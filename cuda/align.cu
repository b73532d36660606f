/* The alignment loss between a student's features and a frozen teacher's, on the GPU. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 256, WARPS = THREADS / FD_WARP };

namespace {

struct align_call {
  int rows, width, cosine, normalize;
  fd_mat y, z, dy;
  const int *index;
  float scale, *sums; /* sums: one per row */
};

/* The mean subtracted from a teacher's row and the factor that the row is then multiplied by; 0 and 1 without normalization. */
struct measure {
  float mean, factor;
};
__device__ inline measure measure_of(const align_call &c, int64_t row) {
  float sum = 0, squares = 0;
  if (!c.normalize) return {0, 1};
  for (int i = (int)threadIdx.x % FD_WARP; i < c.width; i += FD_WARP) sum += fd_get(c.z, row, i);
  float mean = fd_warp_sum(sum) / (float)c.width;
  for (int i = (int)threadIdx.x % FD_WARP; i < c.width; i += FD_WARP) {
    float v = fd_get(c.z, row, i) - mean;
    squares = fmaf(v, v, squares);
  }
  return {mean, 1 / sqrtf(fd_warp_sum(squares) / (float)c.width + 1e-5f)};
}

/* One warp per row. */
__global__ void align_rows(align_call c) {
  int lane = (int)threadIdx.x % FD_WARP;
  int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / FD_WARP;
  if (row >= c.rows) return;
  int64_t from = c.index[row];
  if (lane == 0) c.sums[row] = 0;
  if (from < 0) return;
  measure m = measure_of(c, from);
  float sum = 0, yy = 0, zz = 0;
  for (int i = lane; i < c.width; i += FD_WARP) {
    float y = fd_get(c.y, row, i), z = (fd_get(c.z, from, i) - m.mean) * m.factor;
    sum = c.cosine ? fmaf(y, z, sum) : fmaf(y - z, y - z, sum);
    yy = fmaf(y, y, yy), zz = fmaf(z, z, zz);
  }
  sum = fd_warp_sum(sum), yy = fd_warp_sum(yy) + 1e-12f, zz = fd_warp_sum(zz) + 1e-12f;
  float both = sqrtf(yy) * sqrtf(zz), cosine = sum / both;
  for (int i = lane; i < c.width; i += FD_WARP) {
    float y = fd_get(c.y, row, i), z = (fd_get(c.z, from, i) - m.mean) * m.factor,
          d = c.cosine ? cosine * y / yy - z / both : 2 * (y - z);
    fd_put(c.dy, row, i, fmaf(c.scale, d, fd_get(c.dy, row, i)));
  }
  if (lane == 0) c.sums[row] = c.cosine ? 1 - cosine : sum;
}

struct row_sum {
  const float *sums;
  __device__ double operator()(size_t i) const { return (double)sums[i]; }
};

}  // namespace

void fd_cuda_align_loss(fd_device *dev, int rows, int width, int cosine, int normalize, fd_mat y, const int *index, fd_mat z,
                        float scale, fd_mat dy, double *sum) {
  fd_cuda *cuda = fd_cuda_of(dev);
  float *sums = (float *)fd_cuda_scratch(cuda, FD_SLOT_PARTIAL, ((size_t)rows + 1) * sizeof(float));
  align_call c = {rows, width, cosine, normalize, y, z, dy, index, scale, sums};
  if (!sums) return;
  FD_LAUNCH(cuda, align_rows, dim3(fd_blocks((size_t)rows, WARPS)), THREADS, 0, c);
  fd_sum<double, 1>(cuda, (size_t)rows, 1, row_sum{sums}, sum);
}
