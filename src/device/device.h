/* A device: memory and the tensor operations of ops.def. src/ owns this interface; cpu/ (and later cuda/) implement it. */
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

/* The table made from ops.def. */
typedef struct fd_ops {
#define OP(name, args) void(*name) args;
#include "device/ops.def"
#undef OP
} fd_ops;

struct fd_device {
  const char *kind;    /* "cpu" or "cuda" */
  const char *simd;    /* instructions in use, for the log */
  const char *kernels; /* family of its kernels: another one gives other last bits */
  int threads;
  int own_memory;       /* what alloc gives is not the program's own memory: only `copy` and operations reach it */
  fd_form form;         /* of activations */
  int fill;             /* rows of a pass that give each multiprocessor a tile; 0: it takes one micro-batch a pass */
  int gpu;              /* its number, of a GPU */
  uint64_t uuid[2];     /* of a GPU; two ranks with the same one share it */
  uint64_t free_memory; /* bytes, when it was opened; of a GPU that ranks share, this rank's part; 0: not known */
  int check;            /* device.check */
  struct {
    int held; /* nothing writes to parameters now: operations may keep what they made of them, from one call to the next */
    uint64_t version; /* of the weights that are held */
  } weights;
  fd_status found; /* what fd_device_check found */
  fd_ops ops;
  fd_status (*alloc)(fd_device *dev, void *out, size_t bytes, const char *what); /* contents undefined */
  void (*release)(fd_device *dev, void *buffer);                                 /* accepts NULL */
  fd_status (*alloc_host)(fd_device *dev, void *out, size_t bytes,
                          const char *what); /* the program's, which copies reach fastest */
  void (*release_host)(fd_device *dev, void *buffer);
  fd_status (*copy)(fd_device *dev, void *to, const void *from, size_t bytes); /* host or device, both ways */
  fd_status (*sync)(fd_device *dev);                                           /* waits; reports failures of past operations */
  /* A pass of operations that may be started as one: none of them waits or needs new memory, or the rest is started one by one.
   * NULL: they always are. An end without a begin does nothing. */
  void (*begin)(fd_device *dev);
  void (*end)(fd_device *dev);
  struct {
    uint64_t passes, whole, built; /* begun; started as one; of a new kind, which takes time to prepare */
  } graphs;
  /* A link of the device's own kind between ranks (device/link.h): the root makes an id, which all ranks open it with. NULL where
   * there is none; FD_MISSING, with the reason in *why, when it cannot be used. `limit`: seconds, 0: none. */
  fd_status (*link_id)(fd_device *dev, char id[FD_LINK_ID], const char **why);
  fd_status (*link)(fd_device *dev, struct fd_link **link, int rank, int size, const char id[FD_LINK_ID], double limit);
  void (*destroy)(fd_device *dev);
};

/* Opens the device that the config asks for, for rank `local_rank` of `local_size` on this machine: its share of the cores, or
 * its GPU. */
fd_status fd_device_open(fd_device **dev, const fd_config *config, int local_rank, int local_size) FD_MUST_CHECK;

/* What lies between the two writes to no parameter of any network. */
static inline void fd_device_hold_weights(fd_device *dev) {
  dev->weights.held = 1;
  dev->weights.version++;
}
static inline void fd_device_release_weights(fd_device *dev) { dev->weights.held = 0; }

/* Weights for the device: a copy on one with memory of its own; else (a CPU) the host's array itself, which must live as long. */
fd_status fd_device_take_weights(fd_device *dev, const float **there, const float *weights, size_t floats,
                                 const char *what) FD_MUST_CHECK;
void fd_device_drop_weights(fd_device *dev, const float *there);

/* Room for up to `count` sequences with `cls` [CLS] rows each, here and on the device; fd_seqs_send brings what the caller wrote
 * to start and draws over. */
fd_status fd_seqs_create(fd_seqs *seqs, fd_device *dev, int count, int cls) FD_MUST_CHECK;
fd_status fd_seqs_send(const fd_seqs *seqs, fd_device *dev) FD_MUST_CHECK;
void fd_seqs_destroy(fd_seqs *seqs, fd_device *dev);

/* Rows first .. first + rows - 1 of m as fp32 without padding, into host memory [rows, width]. Waits. */
fd_status fd_mat_read(fd_device *dev, fd_mat m, int first, int rows, int width, float *to) FD_MUST_CHECK;

/* With device.check: says once that `m` [rows, width], what a pass of a layer left, has values that are not finite; the trainer
 * ends the run then. */
void fd_device_check(fd_device *dev, const char *pass, const char *layer, int rows, int width, fd_mat m);

/* The instructions that this machine's processor can use, such as "generic, avx2", into text[size]. */
void fd_device_simd(char *text, size_t size);

/* Releases the device and sets the pointer to NULL. */
void fd_device_close(fd_device **dev);

#endif
