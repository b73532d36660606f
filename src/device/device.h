/* A device: memory and the tensor operations of ops.def. src/ owns this interface; cpu/ and cuda/ implement it. */
#ifndef FD_DEVICE_DEVICE_H
#define FD_DEVICE_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/random.h"
#include "config/config.h"
#include "device/tensors.h"

typedef struct fd_device fd_device;
struct fd_link;
enum { FD_LINK_ID = 128 };

/* The operations of ops.def as function pointers. */
typedef struct fd_ops {
#define OP(name, args) void(*name) args;
#include "device/ops.def"
#undef OP
} fd_ops;

struct fd_device {
  const char *kind;    /* "cpu" or "cuda" */
  const char *simd;    /* instructions in use, for the log */
  const char *kernels; /* family of its kernels: results of two families differ in the last bits */
  int threads;
  int own_memory;       /* alloc returns device memory that the host must not dereference: only `copy` and operations access it */
  fd_form form;         /* of activations */
  int fill;             /* rows of a pass that give each SM a tile; 0: one micro-batch per pass */
  int gpu;              /* number of the GPU */
  uint64_t uuid[2];     /* of the GPU; ranks with the same one share it */
  uint64_t free_memory; /* bytes when it was opened; this rank's part of a shared GPU; 0: unknown */
  int check;            /* device.check */
  struct {
    int held;         /* parameters are constant now: operations may cache copies of them */
    uint64_t version; /* of the held weights */
  } weights;
  fd_status found; /* result of fd_device_check */
  fd_ops ops;
  fd_status (*alloc)(fd_device *dev, void *out, size_t bytes, const char *what);      /* contents undefined */
  void (*release)(fd_device *dev, void *buffer);                                      /* accepts NULL */
  fd_status (*alloc_host)(fd_device *dev, void *out, size_t bytes, const char *what); /* host memory, pinned for fast copies */
  void (*release_host)(fd_device *dev, void *buffer);
  /* From or to host memory: waits for all earlier operations, and is complete when it returns. Within device memory: takes its
   * turn among the operations. */
  fd_status (*copy)(fd_device *dev, void *to, const void *from, size_t bytes);
  fd_status (*sync)(fd_device *dev); /* waits; reports failures of past operations */
  /* Begin and end of a pass of operations that may be captured as a CUDA graph and launched at once. After one that waits or
   * needs new memory the rest is launched one by one. NULL: all always are. An end without a begin does nothing. */
  void (*begin)(fd_device *dev);
  void (*end)(fd_device *dev);
  struct {
    uint64_t passes, whole, built; /* passes begun; launched as a graph; graphs captured, which takes time */
  } graphs;
  /* A link of the device's own kind between ranks (device/link.h): the root creates an id with which all ranks open the link.
   * NULL: there is no such kind; FD_MISSING, with the reason in *why, when it cannot be used. `limit`: seconds, 0: none. */
  fd_status (*link_id)(fd_device *dev, char id[FD_LINK_ID], const char **why);
  fd_status (*link)(fd_device *dev, struct fd_link **link, int rank, int size, const char id[FD_LINK_ID], double limit);
  void (*destroy)(fd_device *dev);
};

/* Opens the device that the config selects, for rank `local_rank` of `local_size` on this machine: its share of the cores, or its
 * GPU. */
fd_status fd_device_open(fd_device **dev, const fd_config *config, int local_rank, int local_size) FD_MUST_CHECK;

/* A CPU caches packed weights of linear layers for calls of at most so many rows. With more, packing takes little of the time of
 * a product, and a copy is not worth its memory. */
enum { FD_CACHED_ROWS = 512 };

/* Between these two calls no parameter of any network is written. */
static inline void fd_device_hold_weights(fd_device *dev) {
  dev->weights.held = 1;
  dev->weights.version++;
}
static inline void fd_device_release_weights(fd_device *dev) { dev->weights.held = 0; }

/* Weights in device memory: a copy on a device with its own memory; else (CPU) the host's array itself, which must stay valid. */
fd_status fd_device_take_weights(fd_device *dev, const float **there, const float *weights, size_t floats,
                                 const char *what) FD_MUST_CHECK;
void fd_device_drop_weights(fd_device *dev, const float *there);

/* Allocates room for up to `count` sequences with `cls` [CLS] rows each, in host and device memory; fd_seqs_send copies `start`
 * and `draws`, which the caller has written, to the device. */
fd_status fd_seqs_create(fd_seqs *seqs, fd_device *dev, int count, int cls) FD_MUST_CHECK;
fd_status fd_seqs_send(const fd_seqs *seqs, fd_device *dev) FD_MUST_CHECK;
void fd_seqs_destroy(fd_seqs *seqs, fd_device *dev);

/* Copies rows first .. first + rows - 1 of m to host memory [rows, width] as fp32 without padding. Blocks. */
fd_status fd_mat_read(fd_device *dev, fd_mat m, int first, int rows, int width, float *to) FD_MUST_CHECK;

/* With device.check: reports once that `m` [rows, width], the result of a layer in a pass, has values that are not finite; the
 * trainer then ends the run. */
void fd_device_check(fd_device *dev, const char *pass, const char *layer, int rows, int width, fd_mat m);

/* Writes the instruction sets that this machine's CPU supports, such as "generic, avx2", to text[size]. */
void fd_device_simd(char *text, size_t size);

/* Releases the device and sets the pointer to NULL. */
void fd_device_close(fd_device **dev);

#endif
