/* Operations over flat buffers on the GPU: sums, the optimizer, the moving average. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 256 };

namespace {

__global__ void add(size_t n, const float *a, const float *b, float *out) {
  for (size_t i = fd_first_item(); i < n; i += fd_all_items()) out[i] = a[i] + b[i];
}

__global__ void add_rows(size_t n, fd_mat a, fd_mat b, fd_mat out) {
  for (size_t i = fd_first_item() * 4; i < n; i += fd_all_items() * 4) { /* padding is zero in both */
    int64_t row = (int64_t)(i / a.stride);
    int column = (int)(i % a.stride);
    float x[4], y[4];
    fd_get4(a, row, column, x);
    fd_get4(b, row, column, y);
    for (int k = 0; k < 4; k++) x[k] += y[k];
    fd_put4(out, row, column, x);
  }
}

__global__ void add_sums(size_t n, double *a, const double *b) {
  for (size_t i = fd_first_item(); i < n; i += fd_all_items()) a[i] += b[i];
}

struct square {
  const float *x;
  __device__ double operator()(size_t i) const { return (double)x[i] * (double)x[i]; }
};

struct not_finite {
  fd_mat m;
  __device__ double operator()(size_t i) const {
    uint32_t bits = __float_as_uint(fd_get(m, (int64_t)(i / m.stride), (int)(i % m.stride)));
    return (bits & 0x7f800000u) == 0x7f800000u;
  }
};

/* The finalizer of splitmix64 (Steele, Lea and Flood, 2014): a bijection. */
struct mix {
  const float *x;
  __device__ uint64_t operator()(size_t i) const {
    uint64_t z = (uint64_t)i << 32 | __float_as_uint(x[i]);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
};

/* The same operations in the same order as in the CPU's vector code. */
__device__ inline void average(float lambda, float s, float *t) { *t = fmaf(lambda, *t, (1.0f - lambda) * s); }

__global__ void adamw(size_t n, fd_adamw h, const float *g, float *w, float *m, float *v, float *t, float lambda) {
  for (size_t i = fd_first_item(); i < n; i += fd_all_items()) {
    float gi = g[i] * h.clip;
    float mi = m[i] = fmaf(h.beta1, m[i], h.rest1 * gi);
    float vi = v[i] = fmaf(h.beta2, v[i], h.rest2 * (gi * gi));
    float root = sqrtf(vi / h.c2) + h.epsilon;
    float wi = w[i] = w[i] * (1.0f - h.decay) - h.lr * (mi / h.c1 / root);
    if (t) average(lambda, wi, t + i);
  }
}

__global__ void ema(size_t n, float lambda, const float *s, float *t) {
  for (size_t i = fd_first_item(); i < n; i += fd_all_items()) average(lambda, s[i], t + i);
}

}  // namespace

void fd_cuda_add(fd_device *dev, size_t n, const float *a, const float *b, float *out) {
  FD_LAUNCH(fd_cuda_of(dev), add, dim3(fd_blocks(n, THREADS)), THREADS, 0, n, a, b, out);
  fd_cuda_written(fd_cuda_of(dev), out, n * sizeof *out);
}

void fd_cuda_add_rows(fd_device *dev, int rows, fd_mat a, fd_mat b, fd_mat out) {
  size_t n = (size_t)rows * (size_t)a.stride;
  FD_LAUNCH(fd_cuda_of(dev), add_rows, dim3(fd_blocks(n / 4, THREADS)), THREADS, 0, n, a, b, out);
}

void fd_cuda_add_sums(fd_device *dev, size_t n, double *a, const double *b) {
  FD_LAUNCH(fd_cuda_of(dev), add_sums, dim3(fd_blocks(n, THREADS)), THREADS, 0, n, a, b);
}

void fd_cuda_sum_squares(fd_device *dev, size_t n, const float *x, double *sum) {
  fd_cuda *cuda = fd_cuda_of(dev);
  double *device_sum = fd_sum<double, FD_SUM_MANY>(cuda, n, 1, square{x}, NULL);
  fd_cuda_fetch(cuda, sum, device_sum, sizeof *sum);
}

void fd_cuda_count_bad(fd_device *dev, int rows, fd_mat m, double *count) {
  fd_cuda *cuda = fd_cuda_of(dev);
  double *device_count = fd_sum<double, FD_SUM_MANY>(cuda, (size_t)rows * (size_t)m.stride, 1, not_finite{m}, NULL);
  fd_cuda_fetch(cuda, count, device_count, sizeof *count);
}

void fd_cuda_hash(fd_device *dev, size_t n, const float *x, uint64_t *hash) {
  fd_cuda *cuda = fd_cuda_of(dev);
  uint64_t *device_sum = fd_sum<uint64_t, FD_SUM_MANY>(cuda, n, 1, mix{x}, NULL);
  fd_cuda_fetch(cuda, hash, device_sum, sizeof *hash);
}

void fd_cuda_adamw(fd_device *dev, size_t n, const fd_adamw *h, const float *g, float *w, float *m, float *v, float *t,
                   float lambda) {
  FD_LAUNCH(fd_cuda_of(dev), adamw, dim3(fd_blocks(n, THREADS)), THREADS, 0, n, *h, g, w, m, v, t, lambda);
  fd_cuda_written(fd_cuda_of(dev), w, n * sizeof *w);
  if (t) fd_cuda_written(fd_cuda_of(dev), t, n * sizeof *t);
}

void fd_cuda_ema(fd_device *dev, size_t n, float lambda, const float *s, float *t) {
  FD_LAUNCH(fd_cuda_of(dev), ema, dim3(fd_blocks(n, THREADS)), THREADS, 0, n, lambda, s, t);
  fd_cuda_written(fd_cuda_of(dev), t, n * sizeof *t);
}

void fd_cuda_zero(fd_device *dev, size_t bytes, void *x) {
  fd_cuda *cuda = fd_cuda_of(dev);
  fd_cuda_check(cuda, cudaMemsetAsync(x, 0, bytes, cuda->stream), "zero");
  fd_cuda_written(cuda, x, bytes);
}
