/* Tensor maps, which describe a matrix to fd_copy_box (gpu.h). */
#ifndef FD_CUDA_TENSOR_MAP_H
#define FD_CUDA_TENSOR_MAP_H

#include "cuda/backend.h"

/* Describes bf16 rows: `parts` times `rows` of them, where boxes of one part end with it. Records a failure in cuda->failed. */
fd_tensor_map fd_tensor_map_of(fd_cuda *cuda, fd_mat m, int rows, int parts);

#endif
