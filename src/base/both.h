/* FD_BOTH marks small functions that are compiled for the host and for GPU kernels. */
#ifndef FD_BASE_BOTH_H
#define FD_BASE_BOTH_H

#ifdef __CUDACC__
#define FD_BOTH __host__ __device__
#else
#define FD_BOTH
#endif

#endif
