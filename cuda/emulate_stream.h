/* What the substitutes of libraries (tests/fake_nccl.c, tests/fake_cublaslt.c) know of a stream of the emulated GPU. */
#ifndef FD_CUDA_EMULATE_STREAM_H
#define FD_CUDA_EMULATE_STREAM_H

#include <stddef.h>

/* A stream begins with this. `put` puts work(a copy of `bytes` bytes at `with`) on it; only work may access device memory. */
typedef struct fd_emulated_stream {
  void (*put)(void *stream, void (*work)(const void *with), const void *with, size_t bytes);
} fd_emulated_stream;

static inline void fd_emulated_put(void *stream, void (*work)(const void *with), const void *with, size_t bytes) {
  ((const fd_emulated_stream *)stream)->put(stream, work, with, bytes);
}

#endif
