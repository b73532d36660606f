/* Index arithmetic of the tensor-core kernels: which element of a matrix a lane holds, where a tile is stored in shared memory,
 * and the chunks in which sums over tokens are taken. Plain functions that the CPU can call, so that tests cover all of their
 * arguments. */
#ifndef FD_CUDA_FRAGMENT_H
#define FD_CUDA_FRAGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/both.h"
#include "device/gpu_memory.h"

/* Fragments of m16n8k16 (PTX ISA, "Matrix fragments for mma.m16n8k16"): the row, k or column of element e of a lane, which holds
 * 8 elements of A (two per register), 4 of B and 4 of C. */
FD_BOTH static inline int fd_a_row(int lane, int e) { return lane / 4 + (e / 2 % 2) * 8; }
FD_BOTH static inline int fd_a_k(int lane, int e) { return lane % 4 * 2 + e % 2 + e / 4 * 8; }
FD_BOTH static inline int fd_b_k(int lane, int e) { return lane % 4 * 2 + e % 2 + e / 2 * 8; }
FD_BOTH static inline int fd_b_column(int lane) { return lane / 4; }
FD_BOTH static inline int fd_c_row(int lane, int e) { return lane / 4 + e / 2 * 8; }
FD_BOTH static inline int fd_c_column(int lane, int e) { return lane % 4 * 2 + e % 2; }

/* Shared memory holds tiles as rows of `units` pieces of 16 bytes (8 bf16), units a multiple of four. Piece u of row r is stored
 * at piece fd_swizzle(r, u, units), so that the eight rows read by one matrix load are in different banks. (All banks together
 * are 8 pieces wide: rows of a multiple of 8 pieces all begin at the same bank, other rows alternately at two.) */
FD_BOTH static inline int fd_swizzle(int row, int unit, int units) {
  return row * units + (unit ^ (units % 8 == 0 ? row % 8 : row / 2 % 4));
}

/* The row and piece that a lane addresses when a warp loads a 16 x 16 tile at (row, unit) as four matrices: A's fragments if the
 * tile's rows are rows of A; two B fragments if they are columns of B; and for transposed loads of tiles whose rows are k. */
FD_BOTH static inline int fd_load_row(int lane) { return lane % 16; }
FD_BOTH static inline int fd_load_unit(int lane) { return lane / 16; }

/* The descriptor of up to 256 rows (or columns) by 16 k, from k on, of a warpgroup's tile at an offset in shared memory (PTX ISA,
 * "Matrix descriptor format"; 128-byte swizzling). Rows of 64 k form atoms of 8 rows, one after the other; transposed, 8 k rows
 * of 64 columns form an atom, 64 k rows a block, and the next 64 columns are in the next block. The mask also removes the rank in
 * the cluster, which is in the upper bits of a shared-memory address. */
enum { FD_ATOM_STRIDE = 1024, FD_BLOCK_STRIDE = 8192 };
FD_BOTH static inline uint64_t fd_descriptor(uint32_t offset, int k, int transposed) {
  uint32_t start = offset + (uint32_t)k * (transposed ? 128 : 2);
  return (uint64_t)(start >> 4 & 0x3fff) | (uint64_t)(FD_BLOCK_STRIDE >> 4) << 16 | (uint64_t)(FD_ATOM_STRIDE >> 4) << 32 |
         (uint64_t)1 << 62;
}

/* The descriptor of the address `bytes` further on: shared-memory offsets are below 2^18, so the sum fits its field. */
FD_BOTH static inline uint64_t fd_descriptor_on(uint64_t descriptor, int bytes) {
  return (descriptor & ~(uint64_t)0xffffffff) | ((uint32_t)descriptor + (uint32_t)bytes / 16);
}

/* A box of a bf16 matrix, which one bulk copy brings: half of the block of 64 k rows of 64 columns of a transposed tile. */
enum { FD_BOX_COLUMNS = 64, FD_BOX_ROWS = 32, FD_BOX_BYTES = FD_BOX_COLUMNS * FD_BOX_ROWS * 2 };

/* The sums of a tile are staged for the epilogue in rows of shared memory, whose stride is a multiple of 32 floats plus 8: a
 * warp's stores of a fragment (pairs in eight rows) and its loads of a row (4 or 8 columns per lane) use all banks evenly. */
FD_BOTH static inline int fd_line_at(int column) { return column ^ (column >> 3 & 4); }

/* Weights in tile order, for bulk copies of whole chunks to warpgroups: chunks of 64 hidden units, each of five blocks of 64 of
 * the 320 channels. A block is 64 rows by 64 columns of the matrix (hidden units are its rows or its columns), stored as a tile
 * of fd_descriptor. Returns an element's index. */
enum { FD_ORDER_BLOCK = 64 * 64, FD_ORDER_CHUNK = FD_ORDER_UNITS * FD_ORDER_CHANNELS };
FD_BOTH static inline size_t fd_tile_order(int row, int column, int units_are_rows) {
  int chunk = (units_are_rows ? row : column) / 64, block = (units_are_rows ? column : row) / 64;
  return (size_t)chunk * FD_ORDER_CHUNK + (size_t)block * FD_ORDER_BLOCK + (size_t)fd_swizzle(row % 64, column % 64 / 8, 8) * 8 +
         (size_t)(column % 8);
}

/* The ring of slots of ring.h: the slot of a step, and the parity of its mbarriers' phase. */
enum { FD_RING_SLOTS = 3 };
FD_BOTH static inline int fd_ring_slot(int step) { return step % FD_RING_SLOTS; }
FD_BOTH static inline int fd_ring_parity(int step) { return step / FD_RING_SLOTS % 2; }

/* Rows of an output tile, which one SM computes. */
enum { FD_TILE_ROWS = 128 };

/* Rows that pass through both products of a block at a time: few enough that their hidden values fit in the L2 cache. */
enum { FD_ROWS_AT_A_TIME = 128 * 128 };

/* Gradients of weights are sums over tokens: first within chunks, whose length depends only on the number of tokens, then over
 * the chunks in order. */
enum { FD_CHUNK_UNIT = 64 }; /* FD_CHUNK_MIN, FD_CHUNKS_MAX: device/gpu_memory.h */
FD_BOTH static inline int fd_chunk_rows(int rows) {
  int chunk = (rows + FD_CHUNKS_MAX - 1) / FD_CHUNKS_MAX;
  chunk = (chunk + FD_CHUNK_UNIT - 1) / FD_CHUNK_UNIT * FD_CHUNK_UNIT;
  return chunk < FD_CHUNK_MIN ? FD_CHUNK_MIN : chunk;
}

/* Chunks of `chunk` rows, `count` in each of `micro_batches` micro-batches of `rows` rows; a micro-batch's last chunk may be
 * shorter. */
typedef struct fd_chunking {
  int rows, micro_batches, chunk, count;
} fd_chunking;
FD_BOTH static inline fd_chunking fd_chunking_of(int all, int micro_batches, int chunk) {
  int rows = all / micro_batches;
  return (fd_chunking){rows, micro_batches, chunk, (rows + chunk - 1) / chunk};
}
FD_BOTH static inline int fd_chunk_begin(fd_chunking c, int i) { return i / c.count * c.rows + i % c.count * c.chunk; }
FD_BOTH static inline int fd_chunk_end(fd_chunking c, int i) {
  int end = fd_chunk_begin(c, i) + c.chunk, of_part = (i / c.count + 1) * c.rows;
  return end < of_part ? end : of_part;
}

#endif
