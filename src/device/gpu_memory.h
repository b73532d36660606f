/* Device memory that the CUDA back end and its libraries allocate in addition to the program's buffers: bounds that need no GPU,
 * so that `findna doctor` can report what fits. All results are in bytes. */
#ifndef FD_DEVICE_GPU_MEMORY_H
#define FD_DEVICE_GPU_MEMORY_H

#include <stddef.h>

#include "device/tensors.h"

/* Gradients of weights are summed in at most FD_CHUNKS_MAX chunks of at least FD_CHUNK_MIN rows (cuda/fragment.h). */
enum { FD_CHUNK_MIN = 1024, FD_CHUNKS_MAX = 32 };

/* Tile order of a block's weights: hidden units per tile, channels per unit (cuda/fragment.h). */
enum { FD_ORDER_UNITS = 64, FD_ORDER_CHANNELS = 320 };

/* The sizes that the kernels' memory depends on, for a pass of `micro_batches` micro-batches of `rows` rows. */
typedef struct fd_gpu_pass {
  fd_form form; /* of activations */
  int rows, micro_batches;
  int channels, hidden; /* of the widest block */
  int attention;        /* blocks with attention: queries, keys and values are one layer of 3 x channels columns */
} fd_gpu_pass;

/* Memory for the rows of a block's operands, for the sums of its products where cuBLASLt computes them, and for the chunks' sums
 * of the gradients of its weights and biases. */
size_t fd_gpu_scratch(const fd_gpu_pass *pass);

/* Whether FINDNA_PRODUCTS=library hands products to cuBLASLt. */
int fd_gpu_by_library(void);

/* Memory for the chunks' sums of a head's gradient: `weights` parameters, and `rows` pooled latents in each of `micro_batches`
 * micro-batches. */
size_t fd_gpu_head_sums(size_t weights, int rows, int micro_batches);

/* Memory for the copies of a ChordMixer block's weights that matrix products read, of student and teacher: row-major or in tile
 * order, whichever is larger; with `recompute` also the student's W1 row-major. */
size_t fd_gpu_block_weights(fd_form form, int channels, int hidden, int recompute);

/* NCCL's channels: at most this number of SMs carry gradients while the others compute (cuda/nccl.cu). */
enum { FD_NCCL_CHANNELS = 4 };

/* NCCL's buffers on each of `ranks` ranks, at most: it exchanges with log2(ranks) others. */
size_t fd_gpu_nccl(int ranks);

/* The executable graphs of passes through `blocks` blocks (FINDNA_GRAPH=1), at most. */
size_t fd_gpu_graphs(int blocks);

/* The part of `bytes` of free memory that a training may plan with. The rest is for what no plan counts: code that the driver
 * loads at a kernel's first launch, and the granularity of allocations. */
double fd_gpu_room(double bytes);

#endif
