/* Tensor maps, which describe a matrix to fd_copy_box: made by the driver, whose function is looked up at run time, because the
 * plugin is not linked with the driver's library. */
#include "cuda/tensor_map.h"

#include "cuda/fragment.h"

#ifdef __CUDACC__

#include <cudaTypedefs.h>

static PFN_cuTensorMapEncodeTiled_v12000 encoder() {
  void *function = NULL;
  cudaDriverEntryPointQueryResult found;
#if CUDART_VERSION >= 12050
  cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &found);
#else
  cudaError_t error = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &found);
#endif
  return error == cudaSuccess && found == cudaDriverEntryPointSuccess ? (PFN_cuTensorMapEncodeTiled_v12000)function : NULL;
}

fd_tensor_map fd_tensor_map_of(fd_cuda *cuda, fd_mat m, int rows, int parts) {
  static const PFN_cuTensorMapEncodeTiled_v12000 encode = encoder();
  const cuuint64_t row = (cuuint64_t)m.stride * 2, sizes[3] = {(cuuint64_t)m.stride, (cuuint64_t)rows, (cuuint64_t)parts},
                   strides[2] = {row, row * (cuuint64_t)rows};
  const cuuint32_t box[3] = {FD_BOX_COLUMNS, FD_BOX_ROWS, 1}, each[3] = {1, 1, 1};
  fd_tensor_map map = {};
  if (!encode ||
      encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, m.at, sizes, strides, box, each, CU_TENSOR_MAP_INTERLEAVE_NONE,
             CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) != CUDA_SUCCESS)
    fd_cuda_check(cuda, encode ? cudaErrorInvalidValue : cudaErrorNotSupported, "a tensor map");
  return map;
}

#else

fd_tensor_map fd_tensor_map_of(fd_cuda *, fd_mat m, int rows, int parts) {
  return {(const uint16_t *)m.at, m.stride, rows, parts};
}

#endif
