/* The emulated GPU: fibers, warps, barriers, asynchronous copies, and the runtime's functions for memory (for streams and graphs:
 * emulate_streams.cc). */
#include "cuda/emulate.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <vector>

#include "cuda/fragment.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

enum { WARP = 32, STACK_BYTES = 1 << 16, POISON = 0xff, COPIES_MAX = 256, PRODUCTS_MAX = 64, ALIGNMENT = 1024 };

struct copy {
  void *shared;
  const void *global;
  int valid;
};

/* A product of a warpgroup that has not been computed yet. */
struct product {
  float (*sum)[4];
  uint64_t a, b;
  int a_t, b_t;
  unsigned group;
};

struct fiber {
  jmp_buf context;
  char *stack;
  int started, done;
  unsigned warp_operations, barriers;      /* that it has reached */
  copy copies[COPIES_MAX];                 /* under way: a ring, of which first .. next - 1 have not landed */
  unsigned group[COPIES_MAX], first, next; /* the group of each */
  unsigned groups;                         /* closed */
  int unpublished;                         /* copies have landed that warpgroups may not see yet */
  product products[PRODUCTS_MAX];
  unsigned product_count, product_groups;
};

/* What the lanes of a warp hand each other: two operations take turns, so that a fast lane does not write what a slow one reads.
 */
struct warp {
  unsigned arrived[2], complete; /* lanes at the operation; operations that all lanes have reached */
  alignas(16) char slot[2][WARP][64];
  float result[2][16][8];
};

struct block_state {
  std::vector<fiber> fibers;
  std::vector<warp> warps;
  std::vector<char> shared;
  char *shared_at;
  unsigned barrier_arrived, barriers_complete;
  int threads, running, done;
  const std::function<void()> *thread;
  jmp_buf scheduler;
};

block_state now;
uint64_t random_state = 1;

/* As on an A100, unless FINDNA_EMULATED_SHARED says otherwise. */
size_t shared_limit() {
  const char *limit = getenv("FINDNA_EMULATED_SHARED");
  return limit ? (size_t)strtoull(limit, nullptr, 10) : 163 * 1024;
}

unsigned random_below(unsigned n) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)((random_state >> 33) % n);
}

fiber &self() { return now.fibers[(size_t)now.running]; }
warp &own_warp() { return now.warps[(size_t)(now.running / WARP)]; }
int lane() { return now.running % WARP; }

[[noreturn]] void die(const char *what) {
  fprintf(stderr, "emulated GPU: %s (block %u,%u,%u thread %d)\n", what, blockIdx.x, blockIdx.y, blockIdx.z, now.running);
  abort();
}

void yield() {
  if (!_setjmp(self().context)) _longjmp(now.scheduler, 1);
  threadIdx.x = (unsigned)now.running;
}

/* Fibers start here, once: the first switch into one is by ucontext, all others by longjmp. One thread of a block after the
 * other. */
void begin() {
  for (;;) {
    threadIdx = dim3((unsigned)now.running, 0, 0);
    (*now.thread)();
    self().done = 1;
    if (self().product_count) die("the kernel ended with products of a warpgroup under way");
    if (self().first < self().next) die("the kernel ended with asynchronous copies under way");
    now.done++;
    if (!_setjmp(self().context)) _longjmp(now.scheduler, 1);
  }
}

void resume(int thread) {
  static ucontext_t origin;
  now.running = thread;
  fiber &f = self();
  if (_setjmp(now.scheduler)) return;
  if (f.started) _longjmp(f.context, 1);
  f.started = 1;
  ucontext_t start;
  getcontext(&start);
  start.uc_stack.ss_sp = f.stack;
  start.uc_stack.ss_size = STACK_BYTES;
  start.uc_link = nullptr;
  makecontext(&start, begin, 0);
  swapcontext(&origin, &start);
}

int runnable(const fiber &f, const warp &w) {
  return !f.done && f.barriers == now.barriers_complete && f.warp_operations == w.complete;
}

/* Runs a warp as far as it can go without the others. */
int run_warp(int number) {
  int progress = 0, again = 1;
  int first = number * WARP, last = first + WARP < now.threads ? first + WARP : now.threads;
  while (again) {
    again = 0;
    for (int t = first; t < last; t++)
      if (runnable(now.fibers[(size_t)t], now.warps[(size_t)number])) resume(t), again = progress = 1;
  }
  return progress;
}

void run_block() {
  int warps = (now.threads + WARP - 1) / WARP;
  now.barrier_arrived = now.barriers_complete = 0;
  now.done = 0;
  for (auto &w : now.warps) w.arrived[0] = w.arrived[1] = w.complete = 0;
  for (auto &f : now.fibers)
    f.done = 0, f.warp_operations = f.barriers = f.first = f.next = f.groups = f.product_count = f.product_groups = 0,
    f.unpublished = 0;
  memset(now.shared.data(), POISON, now.shared.size());
  while (now.done < now.threads) {
    int progress = 0, first = (int)random_below((unsigned)warps), step = 1 + 2 * (int)random_below(4);
    while (warps % step == 0 && step > 1) step -= 2;
    for (int i = 0; i < warps; i++) progress |= run_warp((first + i * step) % warps);
    for (int i = 0; i < warps; i++) progress |= run_warp(i);
    if (!progress) die("threads wait for each other for ever: a barrier that not all of them reach");
  }
}

/* Reaches the warp's next operation with `bytes` of data and waits for the other lanes; which of the two slots it was. */
int meet(const void *data, size_t bytes, void (*together)(warp &, int)) {
  warp &w = own_warp();
  fiber &f = self();
  int which = (int)(f.warp_operations % 2), lanes = now.threads - now.running / WARP * WARP;
  if (lanes > WARP) lanes = WARP;
  if (bytes > sizeof w.slot[0][0]) die("a warp operation with too much data");
  memcpy(w.slot[which][lane()], data, bytes);
  f.warp_operations++;
  if ((int)++w.arrived[which] == lanes) {
    if (together) together(w, which);
    w.arrived[which] = 0;
    w.complete++;
  } else {
    while (f.warp_operations != w.complete) yield();
  }
  return which;
}

float bf16(uint32_t pair, int high) { return __uint_as_float(high ? pair & 0xffff0000u : pair << 16); }

struct operands {
  uint32_t a[4], b[2];
};

void multiply_fragments(warp &w, int which) {
  float a[16][16], b[16][8];
  for (int l = 0; l < WARP; l++) {
    operands o;
    memcpy(&o, w.slot[which][l], sizeof o);
    for (int e = 0; e < 8; e++) a[fd_a_row(l, e)][fd_a_k(l, e)] = bf16(o.a[e / 2], e % 2);
    for (int e = 0; e < 4; e++) b[fd_b_k(l, e)][fd_b_column(l)] = bf16(o.b[e / 2], e % 2);
  }
  for (int i = 0; i < 16; i++) {
    float sum[8] = {0};
    for (int k = 0; k < 16; k++)
      for (int j = 0; j < 8; j++) sum[j] += a[i][k] * b[k][j];
    memcpy(w.result[which][i], sum, sizeof sum);
  }
}

void load(uint32_t r[4], const void *row, int transposed) {
  if ((uintptr_t)row % 16) die("a matrix row that is not aligned to 16 bytes");
  if ((char *)row < now.shared_at || (char *)row + 16 > now.shared.data() + now.shared.size())
    die("a matrix row outside shared memory");
  int which = meet(row, 16, nullptr), l = lane();
  for (int m = 0; m < 4; m++) {
    uint16_t x[2];
    for (int e = 0; e < 2; e++) {
      int i = transposed ? l % 4 * 2 + e : l / 4, j = transposed ? l / 4 : l % 4 * 2 + e;
      memcpy(&x[e], own_warp().slot[which][m * 8 + i] + 2 * j, 2);
    }
    r[m] = (uint32_t)x[1] << 16 | x[0];
  }
}

}  // namespace

void __syncthreads() {
  fiber &f = self();
  unsigned mine = f.barriers++;
  if ((int)++now.barrier_arrived == now.threads) {
    now.barrier_arrived = 0;
    now.barriers_complete++;
  } else {
    while (now.barriers_complete == mine) yield();
  }
}

int fd_emulate_lane() { return lane(); }

void fd_emulate_shuffle(const void *mine, void *theirs, size_t bytes, int from) {
  int which = meet(mine, bytes, nullptr);
  memcpy(theirs, own_warp().slot[which][from % WARP], bytes);
}

char *fd_shared() { return now.shared_at; }

void fd_copy16(fd_address shared, const void *global, int valid) {
  if ((uintptr_t)shared % 16 || (valid && (uintptr_t)global % 16)) die("a copy that is not aligned to 16 bytes");
  if (shared < now.shared_at || shared + 16 > now.shared.data() + now.shared.size()) die("a copy outside shared memory");
  memset(shared, POISON, 16); /* whoever reads it before it has landed gets NaN */
  fiber &f = self();
  if (f.next - f.first == COPIES_MAX) die("more asynchronous copies under way than the emulator keeps");
  f.copies[f.next % COPIES_MAX] = {shared, global, valid};
  f.group[f.next++ % COPIES_MAX] = f.groups;
}

void fd_copy_commit() { self().groups++; }

void fd_emulate_copy_wait(int newest) {
  fiber &f = self();
  for (; f.first < f.next && f.group[f.first % COPIES_MAX] + (unsigned)newest < f.groups; f.first++) {
    const copy &c = f.copies[f.first % COPIES_MAX];
    if (c.valid) memcpy(c.shared, c.global, 16);
    else memset(c.shared, 0, 16);
    f.unpublished = 1;
  }
}

void fd_load_matrices(uint32_t r[4], fd_address row) { load(r, row, 0); }
void fd_load_transposed(uint32_t r[4], fd_address row) { load(r, row, 1); }

void fd_multiply(float c[4], const uint32_t a[4], const uint32_t b[2]) {
  operands o;
  memcpy(o.a, a, sizeof o.a);
  memcpy(o.b, b, sizeof o.b);
  int which = meet(&o, sizeof o, multiply_fragments), l = lane();
  for (int e = 0; e < 4; e++) c[e] += own_warp().result[which][fd_c_row(l, e)][fd_c_column(l, e)];
}

void fd_group_publish() { self().unpublished = 0; }
void fd_group_commit() { self().product_groups++; }
uint32_t fd_shared_offset(fd_address at) { return (uint32_t)(at - now.shared_at); }

void fd_emulate_group_multiply(float sum[16][4], uint64_t a, uint64_t b, int a_t, int b_t) {
  fiber &f = self();
  for (int t = 0; t < now.threads; t++)
    if (now.fibers[(size_t)t].unpublished) die("a warpgroup reads shared memory that was not published");
  if (f.product_count == PRODUCTS_MAX) die("more products of a warpgroup under way than the emulator keeps");
  f.products[f.product_count++] = {sum, a, b, a_t, b_t, f.product_groups};
}

/* An element of a matrix that a descriptor names, k or the other index being contiguous ("MN-major"), in 128-byte swizzling: PTX
 * ISA, "Matrix descriptor format" and "Strides": 14 bits each of start, leading and stride byte offset in units of 16. */
static float described(uint64_t d, int mn_major, int i, int k) {
  uint32_t start = (uint32_t)(d & 0x3fff) << 4, leading = (uint32_t)(d >> 16 & 0x3fff) << 4,
           stride = (uint32_t)(d >> 32 & 0x3fff) << 4;
  if (d >> 62 != 1) die("a matrix descriptor without 128-byte swizzling");
  uint32_t at = mn_major ? start + (uint32_t)(i / 64) * leading + (uint32_t)(k / 8) * stride + (uint32_t)(k % 8) * 128 +
                               (uint32_t)(i % 64) * 2
                         : start + (uint32_t)(i / 8) * stride + (uint32_t)(i % 8) * 128 + (uint32_t)k * 2;
  at ^= (at >> 7 & 7) << 4;
  uint16_t bits;
  if (now.shared_at + at + 2 > now.shared.data() + now.shared.size()) die("a matrix descriptor that leads outside shared memory");
  memcpy(&bits, now.shared_at + at, sizeof bits);
  return __uint_as_float((uint32_t)bits << 16);
}

/* Products are computed as late as they may be: memory that was written too early gives wrong results. */
void fd_emulate_group_wait(int newest) {
  fiber &f = self();
  unsigned done = 0;
  int l = lane(), warp_row = now.running / WARP % 4 * 16;
  for (; done < f.product_count && f.products[done].group + (unsigned)newest < f.product_groups; done++) {
    const product &p = f.products[done];
    float a[2][16], b[16];
    for (int half = 0; half < 2; half++)
      for (int k = 0; k < 16; k++) a[half][k] = described(p.a, p.a_t, warp_row + fd_c_row(l, 2 * half), k);
    for (int j = 0; j < 16; j++)
      for (int side = 0; side < 2; side++) {
        for (int k = 0; k < 16; k++) b[k] = described(p.b, p.b_t, 8 * j + fd_c_column(l, side), k);
        for (int half = 0; half < 2; half++) {
          float all = 0;
          for (int k = 0; k < 16; k++) all += a[half][k] * b[k];
          p.sum[j][2 * half + side] += all;
        }
      }
  }
  for (unsigned i = done; i < f.product_count; i++) f.products[i - done] = f.products[i];
  f.product_count -= done;
}

void fd_emulate_run(dim3 grid, int threads, size_t shared, const std::function<void()> &thread) {
  fd_emulate_not_recorded("a kernel that no stream was given");
  if (threads % WARP || threads > 1024 || threads < 1) die("a block needs a multiple of 32 threads, at most 1024");
  if (shared > shared_limit()) die("more shared memory than this GPU has");
  if (grid.y > 65535 || grid.z > 65535 || !grid.x || !grid.y || !grid.z) die("a grid that no GPU takes");
  while ((int)now.fibers.size() < threads) {
    now.fibers.emplace_back();
    void *stack = mmap(nullptr, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) die("no memory for the stack of a thread");
    now.fibers.back().stack = (char *)stack;
  }
  now.threads = threads;
  now.warps.resize((size_t)(threads / WARP));
  now.shared.assign(shared + ALIGNMENT, 0);
  now.shared_at = (char *)(((uintptr_t)now.shared.data() + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
  now.thread = &thread;
  gridDim = grid;
  blockDim = dim3((unsigned)threads);
  for (unsigned z = 0; z < grid.z; z++)
    for (unsigned y = 0; y < grid.y; y++)
      for (unsigned x = 0; x < grid.x; x++) {
        blockIdx = dim3(x, y, z);
        run_block();
      }
}

/* Memory: a buffer ends at a page that cannot be touched. */
namespace {
struct buffer {
  char *at, *mapped;
  size_t bytes, all;
};
std::vector<buffer> buffers;
size_t taken;

size_t capacity() {
  const char *limit = getenv("FINDNA_EMULATED_MEMORY");
  return limit ? (size_t)strtoull(limit, nullptr, 10) : (size_t)8 << 30;
}
}  // namespace

cudaError_t cudaGetDeviceCount(int *count) {
  const char *gpus = getenv("FINDNA_EMULATED_GPUS");
  *count = gpus ? atoi(gpus) : 1;
  return *count > 0 ? cudaSuccess : 100;
}

cudaError_t cudaDriverGetVersion(int *version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device) {
  const char *capability = getenv("FINDNA_EMULATED_CAPABILITY"), *multiprocessors = getenv("FINDNA_EMULATED_MULTIPROCESSORS");
  memset(p, 0, sizeof *p);
  snprintf(p->name, sizeof p->name, "emulated GPU");
  p->uuid.bytes[15] = (unsigned char)(device + 1);
  p->major = capability ? atoi(capability) / 10 : 8;
  p->minor = capability ? atoi(capability) % 10 : 0;
  p->multiProcessorCount = multiprocessors ? atoi(multiprocessors) : 1;
  p->totalGlobalMem = capacity();
  p->sharedMemPerBlockOptin = shared_limit();
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
  *total = capacity();
  *free_bytes = *total - taken;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), used = (bytes + 15) / 16 * 16, all = (used + page - 1) / page * page + page;
  *memory = nullptr;
  fd_emulate_not_recorded("cudaMalloc");
  if (taken + bytes > capacity()) return cudaErrorMemoryAllocation;
  char *mapped = (char *)mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return cudaErrorMemoryAllocation;
  mprotect(mapped + all - page, page, PROT_NONE);
  buffer b = {mapped + all - page - used, mapped, bytes, all};
  memset(b.at, POISON, used);
  buffers.push_back(b);
  taken += bytes;
  *memory = b.at;
  return cudaSuccess;
}

int fd_emulate_on_device(const void *at) {
  int inside = 0;
  for (const buffer &b : buffers) inside |= (const char *)at >= b.at && (const char *)at < b.at + b.bytes;
  return inside;
}

cudaError_t cudaFree(void *memory) {
  fd_emulate_not_recorded("cudaFree");
  for (size_t i = 0; i < buffers.size(); i++) {
    if (buffers[i].at != memory) continue;
    taken -= buffers[i].bytes;
    munmap(buffers[i].mapped, buffers[i].all);
    buffers.erase(buffers.begin() + (long)i);
    return cudaSuccess;
  }
  return memory ? 1 : cudaSuccess;
}

cudaError_t cudaMallocHost(void **memory, size_t bytes) {
  fd_emulate_not_recorded("cudaMallocHost");
  return (*memory = malloc(bytes)) ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void *memory) {
  fd_emulate_not_recorded("cudaFreeHost");
  return free(memory), cudaSuccess;
}

cudaError_t fd_emulate_set_shared(int bytes) {
  return (size_t)bytes <= shared_limit() ? cudaSuccess : fd_emulate_fail(cudaErrorInvalidValue);
}

const char *cudaGetErrorString(cudaError_t error) { return error == cudaErrorMemoryAllocation ? "out of memory" : "error"; }
