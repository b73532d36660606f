/* The safetensors format: named tensors, readable from PyTorch and NumPy without findna. The format has no checksums: checkpoints
 * hash the files. */
#ifndef FD_OUTPUT_SAFETENSORS_H
#define FD_OUTPUT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { FD_TENSOR_DIMS = 4, FD_TENSOR_NAME = 128 };

typedef struct fd_tensor {
  char name[FD_TENSOR_NAME];
  char dtype[8]; /* F64, F32, F16, BF16, I64, U64, I32, U32, I16, U16, I8, U8 or BOOL */
  int dims;
  int64_t shape[FD_TENSOR_DIMS];
  const void *data; /* borrowed: from the caller when writing, from the file when reading */
  size_t bytes;
  size_t place; /* when reading: offset of the data in the file */
} fd_tensor;

/* A file read whole into memory. */
typedef struct fd_safetensors {
  int count;
  fd_tensor *tensor;
  char *buffer; /* owned */
} fd_safetensors;

/* Reads and checks a file: the header must be valid JSON of at most 10 MB, and the spans must tile the data without overlap or
 * gap, each as long as its shape and type require. A malicious file is FD_DATA, never a crash. */
fd_status fd_safetensors_read(const char *path, fd_safetensors *file) FD_MUST_CHECK;

/* The same without the data: only the header is read. */
fd_status fd_safetensors_list(const char *path, fd_safetensors *file) FD_MUST_CHECK;

/* Reads the data, t->bytes, of a tensor from such a list. */
fd_status fd_safetensors_load(const char *path, const fd_tensor *t, void *to) FD_MUST_CHECK;

/* Reads the values of a tensor of type F32, F16 or BF16 as fp32, which represents them exactly; another type is FD_DATA. */
fd_status fd_safetensors_floats(const char *path, const fd_tensor *tensor, float *to) FD_MUST_CHECK;

/* As fd_safetensors_read, on `size` bytes in memory (`name` is for messages); takes ownership of `buffer` (from fd_alloc, malloc
 * or fd_read_file), also on failure. */
fd_status fd_safetensors_parse(char *buffer, size_t size, const char *name, fd_safetensors *file) FD_MUST_CHECK;

/* Converts the values of an F32, F16 or BF16 tensor to fp32, which represents them exactly. Returns 0 for another type. */
int fd_tensor_floats(const fd_tensor *tensor, float *to);

/* Converts values to F16 or BF16. Returns 0 if a value cannot be represented exactly. */
int fd_tensor_halves(const char *dtype, size_t n, const float *from, uint16_t *to);

/* Comparison function for qsort: wide types first, so that all tensors are aligned to their types. */
int fd_tensor_wide_first(const void *a, const void *b);

/* The tensor with this name, or NULL. */
const fd_tensor *fd_safetensors_find(const fd_safetensors *file, const char *name);

/* Makes the first bytes of a file of these tensors (length and header, padded to 8 bytes), to be released with free(). The
 * tensors' data follow in the given order. `fd_tensor.bytes` must match shape and type. */
fd_status fd_safetensors_header(const fd_tensor *tensors, int count, char **header, size_t *bytes) FD_MUST_CHECK;

/* Writes a file durably (temporary, fsync, rename). */
fd_status fd_safetensors_write(const char *path, const fd_tensor *tensors, int count) FD_MUST_CHECK;

/* The same with `reader` as "format" in the header's metadata: transformers refuses a file without "format": "pt". */
fd_status fd_safetensors_write_for(const char *path, const fd_tensor *tensors, int count, const char *reader) FD_MUST_CHECK;

void fd_safetensors_free(fd_safetensors *file);

/* Describes an fp32 tensor of two dimensions, or of one if `columns` is 0. */
fd_tensor fd_tensor_f32(const char *name, int64_t rows, int64_t columns, const float *data);

#endif
