/* The bf16 copies of weights that products read: refreshed after the weights are written, many in one launch. */
#include "cuda/fragment.h"
#include "cuda/matrix.h"

enum { THREADS = 256, PACK_MOST = 64, PACK_BLOCKS = 64 };

namespace {

/* As many as fit into a kernel's arguments. */
struct stale_weights {
  fd_cuda_weight weight[PACK_MOST];
};

/* blockIdx.y selects the weight. Padding is set to zero. */
__global__ void pack(const __grid_constant__ stale_weights all) {
  const fd_cuda_weight &w = all.weight[blockIdx.y];
  for (size_t n = fd_first_item(); n < (size_t)w.all_rows * w.all_columns; n += fd_all_items()) {
    int row = (int)(n / w.all_columns), column = (int)(n % w.all_columns), inside = row < w.rows && column < w.columns;
    size_t at = w.order == FD_IN_ROWS ? n : fd_tile_order(row, column, w.order == FD_TILES_UNITS_DOWN);
    w.packed[at] = (uint16_t)fd_bf16_pair(inside ? w.from[(size_t)row * w.columns + column] : 0, 0);
  }
}

/* Refreshes this copy and other stale ones in one launch: an optimizer step makes all copies of a network stale, and refreshing
 * each in its own launch would take hundreds of launches. */
void pack_stale(fd_cuda *cuda, fd_cuda_weight *wanted) {
  stale_weights some = {};
  unsigned count = 0;
  some.weight[count++] = *wanted;
  wanted->stale = 0;
  for (fd_cuda_weight &each : cuda->weights) {
    if (!each.stale || count == PACK_MOST) continue;
    some.weight[count++] = each;
    each.stale = 0;
  }
  FD_LAUNCH(cuda, pack, dim3(PACK_BLOCKS, count), THREADS, 0, some);
}

uint16_t *copy_of(fd_cuda *cuda, fd_cuda_weight fresh) {
  fd_cuda_weight *found = NULL;
  for (fd_cuda_weight &each : cuda->weights)
    if (each.from == fresh.from && each.rows == fresh.rows && each.columns == fresh.columns && each.order == fresh.order)
      found = &each;
  if (!found) {
    void *memory;
    size_t bytes = (size_t)fresh.all_rows * (size_t)fresh.all_columns * sizeof *fresh.packed;
    fd_status status = fd_cuda_take(cuda, &memory, bytes, "weights in bf16");
    if (status != FD_OK) {
      if (cuda->failed == FD_OK) cuda->failed = status;
      return NULL;
    }
    fresh.packed = (uint16_t *)memory;
    fresh.stale = 1;
    cuda->weights.push_back(fresh);
    found = &cuda->weights.back();
  }
  if (found->stale) pack_stale(cuda, found);
  return found->packed;
}

int touches(const fd_cuda_weight &w, const void *at, size_t bytes) {
  const char *first = (const char *)at, *from = (const char *)w.from;
  return from < first + bytes && first < from + (size_t)w.rows * (size_t)w.columns * sizeof(float);
}

}  // namespace

fd_mat fd_cuda_weights(fd_cuda *cuda, const float *w, int rows, int columns) {
  fd_form form = cuda->device.form;
  if (form.type == FD_FP32) return fd_dense(w, columns);
  int stride = fd_form_stride(form, columns);
  return fd_form_mat(form, copy_of(cuda, {w, rows, columns, FD_IN_ROWS, 0, rows, stride, NULL}), columns);
}

const uint16_t *fd_cuda_tiles(fd_cuda *cuda, const float *w, int rows, int columns, fd_cuda_order order) {
  int units_are_rows = order == FD_TILES_UNITS_DOWN, units = units_are_rows ? rows : columns;
  units = (units + FD_ORDER_UNITS - 1) / FD_ORDER_UNITS * FD_ORDER_UNITS;
  int all_rows = units_are_rows ? units : FD_ORDER_CHANNELS, all_columns = units_are_rows ? FD_ORDER_CHANNELS : units;
  return copy_of(cuda, {w, rows, columns, order, 0, all_rows, all_columns, NULL});
}

void fd_cuda_written(fd_cuda *cuda, const void *at, size_t bytes) {
  for (fd_cuda_weight &w : cuda->weights)
    if (touches(w, at, bytes)) w.stale = 1;
}

void fd_cuda_forget(fd_cuda *cuda, const void *at, size_t bytes) {
  for (size_t i = 0; i < cuda->weights.size();) {
    if (touches(cuda->weights[i], at, bytes)) {
      cudaFree(cuda->weights[i].packed);
      cuda->weights.erase(cuda->weights.begin() + (long)i);
    } else {
      i++;
    }
  }
}
