/* The gradient of a table on the GPU: a stable sort of the rows by id, then a sum over the rows of each id. */
#include "cuda/matrix.h"
#include "cuda/sum.h"

enum { THREADS = 256, WARPS = THREADS / FD_WARP, EACH = 4 /* columns per lane */, CHUNK = 256 /* rows that a warp ranks */ };

namespace {

/* A counting sort of rows by id within each micro-batch: each chunk of rows counts its ids, which determines the place of every
 * row. */
struct sorting {
  fd_chunking chunks;
  int size, rows;
  const int *ids;
  int *before; /* [chunks, size]: rows of the id in the chunk; later, in the micro-batch's earlier chunks */
  int *count;  /* [micro_batches, size]: rows of the id */
  int *start;  /* [micro_batches, size]: rows of all smaller ids */
  int *rank;   /* [rows]: earlier rows of the same id in the row's chunk */
  int *order;  /* [rows]: row numbers sorted within each micro-batch, without rows that have no id */
};

/* One warp per chunk, which processes 32 rows at a time. */
__global__ void rank_rows(sorting s) {
  int chunk = (int)blockIdx.x, lane = (int)threadIdx.x, last = fd_chunk_end(s.chunks, chunk);
  int *seen = s.before + (size_t)chunk * s.size;
  for (int id = lane; id < s.size; id += FD_WARP) seen[id] = 0;
  __syncwarp();
  for (int row0 = fd_chunk_begin(s.chunks, chunk); row0 < last; row0 += FD_WARP) {
    int row = row0 + lane, id = row < last ? s.ids[row] : -1, so_far = id < 0 ? 0 : seen[id];
    unsigned same = __match_any_sync(0xffffffffu, id), first = same & ((1u << lane) - 1);
    if (id >= 0) s.rank[row] = so_far + __popc(first);
    __syncwarp();
    if (id >= 0 && !first) seen[id] = so_far + __popc(same);
    __syncwarp();
  }
}

/* The prefix sums over chunks: one thread per micro-batch and id. */
__global__ void add_chunks(sorting s) {
  for (size_t n = fd_first_item(); n < (size_t)s.chunks.micro_batches * s.size; n += fd_all_items()) {
    int micro = (int)(n / s.size), id = (int)(n % s.size), sum = 0;
    for (int i = 0; i < s.chunks.count; i++) {
      int *at = s.before + ((size_t)micro * s.chunks.count + i) * s.size + id, here = *at;
      *at = sum, sum += here;
    }
    s.count[n] = sum;
  }
}

/* The prefix sums over ids: one block per micro-batch, and a contiguous range of ids per thread. */
__global__ void add_ids(sorting s) {
  int *sums = (int *)fd_shared(), each = (s.size + THREADS - 1) / THREADS, first = (int)threadIdx.x * each, sum = 0;
  const int *count = s.count + (size_t)blockIdx.x * s.size;
  for (int id = first; id < first + each && id < s.size; id++) sum += count[id];
  sums[threadIdx.x] = sum;
  __syncthreads();
  sum = 0;
  for (int t = 0; t < (int)threadIdx.x; t++) sum += sums[t];
  for (int id = first; id < first + each && id < s.size; id++) {
    s.start[(size_t)blockIdx.x * s.size + id] = sum;
    sum += count[id];
  }
}

__global__ void place_rows(sorting s) {
  for (size_t n = fd_first_item(); n < (size_t)s.rows; n += fd_all_items()) {
    int row = (int)n, id = s.ids[row], micro = row / s.chunks.rows, place = row % s.chunks.rows;
    int chunk = micro * s.chunks.count + place / s.chunks.chunk;
    if (id < 0) continue;
    int to = s.start[(size_t)micro * s.size + id] + s.before[(size_t)chunk * s.size + id] + s.rank[row];
    s.order[micro * s.chunks.rows + to] = row;
  }
}

struct columns {
  float v[EACH];
};

__device__ inline columns operator+(columns a, columns b) {
#pragma unroll
  for (int i = 0; i < EACH; i++) a.v[i] += b.v[i];
  return a;
}

/* One warp per id, with EACH columns per lane. */
__global__ void add_rows(sorting s, int width, int add, fd_mat dy, float *dtable) {
  int lane = (int)threadIdx.x % FD_WARP, id = (int)blockIdx.x * WARPS + (int)threadIdx.x / FD_WARP,
      first = (int)blockIdx.y * FD_WARP * EACH + lane;
  if (id >= s.size) return;
  columns all = fd_sum_micro_batches<columns>(s.chunks.micro_batches, [=](int p) {
    columns sum = {};
    size_t at = (size_t)p * s.size + id;
    const int *order = s.order + (size_t)p * s.chunks.rows + s.start[at];
#pragma unroll 4
    for (int n = 0; n < s.count[at]; n++) {
      int row = order[n];
#pragma unroll
      for (int i = 0; i < EACH; i++)
        if (first + i * FD_WARP < width) sum.v[i] += fd_get(dy, row, first + i * FD_WARP);
    }
    return sum;
  });
#pragma unroll
  for (int i = 0; i < EACH; i++)
    if (first + i * FD_WARP < width) {
      float *to = &dtable[(size_t)id * width + first + i * FD_WARP];
      *to = add ? *to + all.v[i] : all.v[i];
    }
}

/* The next `count` numbers of a scratch buffer; if base is NULL, only counts them. */
int *take(int *base, size_t *used, size_t count) {
  int *at = base ? base + *used : NULL;
  *used += count;
  return at;
}

size_t divide(sorting *s, int *base) {
  size_t used = 0, size = (size_t)s->size, micro_batches = (size_t)s->chunks.micro_batches;
  s->before = take(base, &used, micro_batches * (size_t)s->chunks.count * size);
  s->count = take(base, &used, micro_batches * size), s->start = take(base, &used, micro_batches * size);
  s->rank = take(base, &used, (size_t)s->rows), s->order = take(base, &used, (size_t)s->rows);
  return used;
}

}  // namespace

void fd_cuda_lookup_backward(fd_device *dev, int rows, int micro_batches, int width, int size, const int *ids, int add, fd_mat dy,
                             float *dtable) {
  fd_cuda *cuda = fd_cuda_of(dev);
  sorting s = {fd_chunking_of(rows, micro_batches, CHUNK), size, rows, ids, NULL, NULL, NULL, NULL, NULL};
  int *base = (int *)fd_cuda_scratch(cuda, FD_SLOT_PARTIAL, divide(&s, NULL) * sizeof(int));
  if (!base) return;
  divide(&s, base);
  FD_LAUNCH(cuda, rank_rows, dim3((unsigned)(micro_batches * s.chunks.count)), FD_WARP, 0, s);
  FD_LAUNCH(cuda, add_chunks, dim3(fd_blocks((size_t)micro_batches * (size_t)size, THREADS)), THREADS, 0, s);
  FD_LAUNCH(cuda, add_ids, dim3((unsigned)micro_batches), THREADS, THREADS * sizeof(int), s);
  FD_LAUNCH(cuda, place_rows, dim3(fd_blocks((size_t)rows, THREADS)), THREADS, 0, s);
  FD_LAUNCH(cuda, add_rows, dim3(fd_blocks((size_t)size, WARPS), fd_blocks((size_t)width, FD_WARP * EACH)), THREADS, 0, s, width,
            add, dy, dtable);
}
