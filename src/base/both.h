/* Small functions that kernels of a GPU call as well as the program. */
#ifndef FD_BASE_BOTH_H
#define FD_BASE_BOTH_H

#ifdef __CUDACC__
#define FD_BOTH __host__ __device__
#else
#define FD_BOTH
#endif

#endif
