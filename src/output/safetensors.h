/* The safetensors format: named tensors, readable by PyTorch and NumPy without our code. Integrity is not in the format:
 * checkpoints hash the files. */
#ifndef FD_OUTPUT_SAFETENSORS_H
#define FD_OUTPUT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { FD_TENSOR_DIMS = 4, FD_TENSOR_NAME = 128 };

typedef struct fd_tensor {
  char name[FD_TENSOR_NAME];
  char dtype[8]; /* "F32", "F64", "U8", "I64", "U64" */
  int dims;
  int64_t shape[FD_TENSOR_DIMS];
  const void *data; /* borrowed: of the caller when writing, of the file when reading */
  size_t bytes;
  size_t place; /* reading: where its data begin in the file */
} fd_tensor;

/* A file read whole into memory. */
typedef struct fd_safetensors {
  int count;
  fd_tensor *tensor;
  char *buffer; /* owned */
} fd_safetensors;

/* Reads and checks a file: the header must be valid JSON of at most 10 MB, the spans contiguous, within the file, without
 * overlap or hole, and as long as shape times type. A hostile file gives FD_DATA, never a crash. */
fd_status fd_safetensors_read(const char *path, fd_safetensors *file) FD_MUST_CHECK;

/* The same without the data: the header alone is read. */
fd_status fd_safetensors_list(const char *path, fd_safetensors *file) FD_MUST_CHECK;

/* The data of one tensor of such a list: t->bytes. */
fd_status fd_safetensors_load(const char *path, const fd_tensor *t, void *to) FD_MUST_CHECK;

/* The values of one as fp32, which holds them exactly. FD_DATA: its type is none of F32, F16 and BF16. */
fd_status fd_safetensors_floats(const char *path, const fd_tensor *tensor, float *to) FD_MUST_CHECK;

/* As fd_safetensors_read, on `size` bytes in memory (`name` is for messages); takes ownership of `buffer` (from fd_alloc, malloc
 * or fd_read_file), also on failure. */
fd_status fd_safetensors_parse(char *buffer, size_t size, const char *name, fd_safetensors *file) FD_MUST_CHECK;

/* The values of an F32, F16 or BF16 tensor as fp32, which holds them exactly. Returns 0 for another type. */
int fd_tensor_floats(const fd_tensor *tensor, float *to);

/* Values as F16 or BF16. Returns 0 where that does not hold one of them exactly. */
int fd_tensor_halves(const char *dtype, size_t n, const float *from, uint16_t *to);

/* Bytes of an element; 0: there is no such type. */
size_t fd_tensor_element(const char *dtype);

/* For qsort: an order in which all are aligned to their types. */
int fd_tensor_wide_first(const void *a, const void *b);

/* The tensor of that name, or NULL. */
const fd_tensor *fd_safetensors_find(const fd_safetensors *file, const char *name);

/* The bytes that a file of these tensors begins with (length and header, padded to 8 bytes); released with free(). The tensors'
 * data follow in the given order. `fd_tensor.bytes` must be right. */
fd_status fd_safetensors_header(const fd_tensor *tensors, int count, char **header, size_t *bytes) FD_MUST_CHECK;

/* Writes a file durably (temporary, fsync, rename). */
fd_status fd_safetensors_write(const char *path, const fd_tensor *tensors, int count) FD_MUST_CHECK;

/* The same with the name of a reader in its header, "format": transformers refuses a file that does not name it ("pt"). */
fd_status fd_safetensors_write_for(const char *path, const fd_tensor *tensors, int count, const char *reader) FD_MUST_CHECK;

void fd_safetensors_free(fd_safetensors *file);

/* Fills a tensor's description: fp32 of up to two dimensions (columns 0: one dimension). */
fd_tensor fd_tensor_f32(const char *name, int64_t rows, int64_t columns, const float *data);

#endif
