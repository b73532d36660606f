/* The part of NCCL's interface that nccl.cu uses, for the emulated GPU: nccl.h needs CUDA's own headers. The enumerators' values
 * are NCCL's. */
#ifndef FD_CUDA_EMULATE_NCCL_H
#define FD_CUDA_EMULATE_NCCL_H

#include <stddef.h>

typedef struct ncclUniqueId {
  char internal[128];
} ncclUniqueId;
typedef struct ncclComm *ncclComm_t;
typedef enum ncclResult_t { ncclSuccess = 0, ncclSystemError = 2, ncclRemoteError = 6, ncclInProgress = 7 } ncclResult_t;
typedef enum ncclDataType_t { ncclFloat = 7 } ncclDataType_t;
typedef enum ncclRedOp_t { ncclSum = 0 } ncclRedOp_t;
typedef struct ncclConfig_t {
  int blocking, maxCTAs;
} ncclConfig_t;
#define NCCL_CONFIG_INITIALIZER \
  { 1, 0 }

#ifdef __cplusplus
extern "C" {
#endif
ncclResult_t ncclGetUniqueId(ncclUniqueId *id);
ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int size, ncclUniqueId id, int rank, ncclConfig_t *config);
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *state);
ncclResult_t ncclGroupStart(void);
ncclResult_t ncclGroupEnd(void);
ncclResult_t ncclSend(const void *from, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, void *stream);
ncclResult_t ncclRecv(void *to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, void *stream);
ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                           void *stream);
ncclResult_t ncclCommFinalize(ncclComm_t comm);
ncclResult_t ncclCommDestroy(ncclComm_t comm);
ncclResult_t ncclCommAbort(ncclComm_t comm);
const char *ncclGetErrorString(ncclResult_t result);
#ifdef __cplusplus
}
#endif

#endif
