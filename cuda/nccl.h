/* The link between GPUs over NCCL: the functions of fd_device. */
#ifndef FD_CUDA_NCCL_H
#define FD_CUDA_NCCL_H

#include "cuda/backend.h"
extern "C" {
#include "device/link.h"
}

fd_status fd_nccl_id(fd_device *dev, char id[FD_LINK_ID]);
fd_status fd_nccl_link(fd_device *dev, fd_link **link, int rank, int size, const char id[FD_LINK_ID], double limit);

#endif
