/* The emulated GPU: fibers, warps, barriers, asynchronous copies, and the runtime's memory functions (streams and graphs:
 * emulate_streams.cc). */
#include "cuda/emulate.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "cuda/fragment.h"

dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace {

enum {
  WARP = 32,
  STACK_BYTES = 1 << 16,
  POISON = 0xff,
  COPIES_MAX = 256,
  PRODUCTS_MAX = 64,
  ALIGNMENT = 1024,
  SHARED_MOST = 256 << 10, /* bytes of a block, more than any GPU has */
  CLUSTER_MAX = 8,
  BARRIERS = 16
};

struct copy {
  void *shared;
  const void *global;
  unsigned bytes;
  int valid;
};

/* A warpgroup product that has been issued but not computed yet. */
struct product {
  float (*sum)[4];
  int columns, add;
  const uint32_t *registers; /* that hold a; NULL: a is in shared memory */
  uint64_t a, b;
  int a_t, b_t;
  unsigned group;
};

struct fiber {
  jmp_buf context;
  char *stack;
  int started, done;
  const unsigned *counter; /* it waits until this is no longer `value`; NULL: it does not wait */
  unsigned value;
  unsigned warp_operations;                /* warp operations reached */
  copy copies[COPIES_MAX];                 /* a ring: first .. next - 1 are in flight */
  unsigned group[COPIES_MAX], first, next; /* the group of each copy */
  unsigned groups;                         /* committed */
  int unpublished;                         /* has written what may not be visible to warpgroups yet */
  int unpublished_mbarriers;
  int at_cluster; /* has arrived at the cluster's barrier, in this round, and not waited yet */
  unsigned cluster_round;
  product products[PRODUCTS_MAX];
  unsigned product_count, product_groups;
  int begun; /* a group of products is open */
};

/* The data that the lanes of a warp exchange: operations alternate between two slots, so that a fast lane does not overwrite what
 * a slow one still reads. */
struct warp {
  unsigned arrived[2], complete; /* lanes at an operation; operations reached by all lanes */
  alignas(16) char slot[2][WARP][64];
  float result[2][16][8];
};

/* The counts of a barrier: threads that have arrived, and completed rounds. */
struct meeting {
  unsigned arrived, complete;
};

struct block_state {
  dim3 index;
  char *window;               /* SHARED_MOST bytes before an inaccessible page */
  char *shared_at;            /* the block's shared memory, which ends at that page but for alignment */
  size_t room;                /* its bytes, and those behind it for alignment */
  meeting barriers[BARRIERS]; /* 0 is __syncthreads */
  int done;                   /* threads that have ended */
};

/* A bulk copy to one block, in flight: of bytes, or of a box. */
struct bulk {
  int block;
  char *to, *mbarrier;
  const void *from;
  size_t bytes;
  int box, column, row, part;
  fd_tensor_map map;
};

/* The blocks that run concurrently. */
struct cluster_state {
  std::vector<fiber> fibers; /* block after block */
  std::vector<warp> warps;
  block_state blocks[CLUSTER_MAX];
  meeting all;
  std::vector<bulk> bulks;
  size_t shared;
  unsigned passes;                  /* over all warps */
  int size, threads, running, done; /* blocks; threads per block; the running thread; all threads that have ended */
  const std::function<void()> *thread;
  jmp_buf scheduler;
};

cluster_state now;
uint64_t random_state = 1;

int capability() {
  const char *capability = getenv("FINDNA_EMULATED_CAPABILITY");
  return capability ? atoi(capability) : 80;
}

/* As on an A100 or an H100, unless FINDNA_EMULATED_SHARED says otherwise. */
size_t shared_limit() {
  const char *limit = getenv("FINDNA_EMULATED_SHARED");
  return limit ? (size_t)strtoull(limit, nullptr, 10) : (capability() == 90 ? 227 : 163) * 1024;
}

/* Whole pages of memory in front of an inaccessible one, so that an access behind them is a fault; nullptr: there is none. */
char *before_guard(size_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *at = (char *)mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  return mprotect(at + bytes, page, PROT_NONE) ? nullptr : at;
}

unsigned random_below(unsigned n) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)((random_state >> 33) % n);
}

fiber &self() { return now.fibers[(size_t)now.running]; }
warp &own_warp() { return now.warps[(size_t)(now.running / WARP)]; }
block_state &own_block() { return now.blocks[now.running / now.threads]; }
int lane() { return now.running % WARP; }

[[noreturn]] void die(const char *what) {
  fprintf(stderr, "emulated GPU: %s (block %u,%u,%u thread %u)\n", what, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x);
  abort();
}

/* Whether these bytes are in a block's shared memory. */
int shared_by(const block_state &b, const void *at, size_t bytes) {
  return (const char *)at >= b.shared_at && (const char *)at + bytes <= b.shared_at + now.shared;
}

void yield() {
  if (!_setjmp(self().context)) _longjmp(now.scheduler, 1);
}

void wait_while(const unsigned *counter, unsigned value) {
  self().counter = counter, self().value = value;
  while (*counter == value) yield();
  self().counter = nullptr;
}

/* Lets all other threads run first. */
void step_aside() { wait_while(&now.passes, now.passes); }

void reach(meeting &m, int threads) {
  if ((int)++m.arrived < threads) return wait_while(&m.complete, m.complete);
  m.arrived = 0;
  m.complete++;
}

/* A fiber starts here, once: the first switch into it is by ucontext, all others by longjmp. It runs one thread per block, block
 * after block. */
void begin() {
  for (;;) {
    (*now.thread)();
    self().done = 1;
    if (self().at_cluster) die("a thread ended without waiting at its cluster's barrier");
    if (self().product_count) die("the kernel ended with products of a warpgroup under way");
    if (self().first < self().next) die("the kernel ended with asynchronous copies under way");
    now.done++;
    if (++own_block().done == now.threads)
      for (const bulk &b : now.bulks)
        if (&now.blocks[b.block] == &own_block()) die("a block ended with copies into it under way");
    if (!_setjmp(self().context)) _longjmp(now.scheduler, 1);
  }
}

void resume(int thread) {
  static ucontext_t origin;
  now.running = thread;
  threadIdx = dim3((unsigned)(thread % now.threads), 0, 0);
  blockIdx = own_block().index;
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

/* Runs a warp as far as it can go without the others, from its first lane on or from its last, as neither may rely on the other;
 * returns whether any thread ran. */
int run_warp(int number) {
  int progress = 0, again = 1, down = (int)random_below(2);
  while (again) {
    again = 0;
    for (int i = 0; i < WARP; i++) {
      int t = number * WARP + (down ? WARP - 1 - i : i);
      const fiber &f = now.fibers[(size_t)t];
      if (!f.done && (!f.counter || *f.counter != f.value)) resume(t), again = progress = 1;
    }
  }
  return progress;
}

int land(); /* completes a random bulk copy in flight; returns whether there was one */

/* Runs every warp once in random order and then once more, except those of the block `asleep`; bulk copies land in between. */
int run_warps(int asleep) {
  int warps = now.size * now.threads / WARP, progress = 0, first = (int)random_below((unsigned)warps),
      step = 1 + 2 * (int)random_below(4);
  now.passes++;
  while (warps % step == 0 && step > 1) step -= 2;
  for (int i = 0; i < 2 * warps; i++) {
    int number = i < warps ? (first + i * step) % warps : i - warps;
    if (number * WARP / now.threads != asleep) progress |= run_warp(number);
    if (!now.bulks.empty() && random_below(8) == 0) progress |= land();
  }
  return progress;
}

/* Runs the blocks of a cluster, any of which may be much slower than the others. */
void run_cluster() {
  now.done = 0;
  now.all = {0, 0};
  now.bulks.clear();
  for (auto &w : now.warps) w.arrived[0] = w.arrived[1] = w.complete = 0;
  for (auto &f : now.fibers)
    f.done = 0, f.warp_operations = f.first = f.next = f.groups = f.product_count = f.product_groups = 0, f.counter = nullptr,
    f.unpublished = f.unpublished_mbarriers = f.at_cluster = f.begun = 0;
  for (int b = 0; b < now.size; b++) {
    block_state &block = now.blocks[b];
    memset(block.barriers, 0, sizeof block.barriers);
    memset(block.shared_at, POISON, block.room);
    block.done = 0;
  }
  while (now.done < now.size * now.threads) {
    int asleep = now.size > 1 ? (int)random_below(2 * (unsigned)now.size) : now.size, progress, any = 0;
    do {
      progress = run_warps(asleep);
      if (!progress) progress = land();
      any |= progress;
    } while (progress && asleep < now.size);
    if (!any && asleep >= now.size) die("deadlock: threads wait for a barrier, an mbarrier or lanes that others never reach");
  }
  if (!now.bulks.empty()) die("the kernel ended with copies of chunks under way");
  for (int b = 0; b < now.size; b++)
    for (size_t i = now.shared; i < now.blocks[b].room; i++)
      if ((unsigned char)now.blocks[b].shared_at[i] != POISON) die("the kernel wrote behind its shared memory");
}

/* Reaches the warp's next operation with `bytes` of data and waits for the other lanes, the last of which calls `together`;
 * returns which of the two slots was used. */
int meet(const void *data, size_t bytes, void (*together)(warp &, int)) {
  warp &w = own_warp();
  fiber &f = self();
  int which = (int)(f.warp_operations % 2);
  if (bytes > sizeof w.slot[0][0]) die("a warp operation with too much data");
  memcpy(w.slot[which][lane()], data, bytes);
  f.warp_operations++;
  if (++w.arrived[which] == WARP) {
    if (together) together(w, which);
    w.arrived[which] = 0;
    w.complete++;
  } else {
    wait_while(&w.complete, f.warp_operations - 1);
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
  if (!shared_by(own_block(), row, 16)) die("a matrix row outside shared memory");
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

void fd_emulate_sync(int number, int threads) { reach(own_block().barriers[number], threads); }
void __syncthreads() { fd_emulate_sync(0, now.threads); }

int fd_emulate_lane() { return lane(); }

void fd_emulate_shuffle(const void *mine, void *theirs, size_t bytes, int from) {
  int which = meet(mine, bytes, nullptr);
  memcpy(theirs, own_warp().slot[which][from % WARP], bytes);
}

void __syncwarp() {
  meet("", 0, nullptr);
  if (random_below(4) == 0) step_aside();
}

int fd_uniform(int value) {
  int first;
  fd_emulate_shuffle(&value, &first, sizeof value, 0);
  if (first != value) die("a value passed as uniform differs between the lanes of a warp");
  return value;
}

char *fd_shared() { return own_block().shared_at; }

static void start_copy(fd_address shared, const void *global, unsigned bytes, int valid) {
  if ((uintptr_t)shared % bytes || (valid && (uintptr_t)global % bytes)) die("a copy that is not aligned to its size");
  if (!shared_by(own_block(), shared, bytes)) die("a copy outside shared memory");
  memset(shared, POISON, bytes); /* a read before the copy has landed yields NaN */
  fiber &f = self();
  if (f.next - f.first == COPIES_MAX) die("more asynchronous copies under way than the emulator keeps");
  f.copies[f.next % COPIES_MAX] = {shared, global, bytes, valid};
  f.group[f.next++ % COPIES_MAX] = f.groups;
}

void fd_copy16(fd_address shared, const void *global, int valid) { start_copy(shared, global, 16, valid); }
void fd_copy8(fd_address shared, const void *global, int valid) { start_copy(shared, global, 8, valid); }

void fd_store_pair(fd_address at, uint32_t pair) {
  memcpy(at, &pair, sizeof pair);
  self().unpublished = 1;
}

void fd_copy_commit() { self().groups++; }

void fd_emulate_copy_wait(int newest) {
  fiber &f = self();
  for (; f.first < f.next && f.group[f.first % COPIES_MAX] + (unsigned)newest < f.groups; f.first++) {
    const copy &c = f.copies[f.first % COPIES_MAX];
    if (c.valid) memcpy(c.shared, c.global, c.bytes);
    else memset(c.shared, 0, c.bytes);
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

#include "cuda/emulate_warpgroup.h"

void fd_emulate_run(dim3 grid, int threads, size_t shared, const std::function<void()> &thread, int cluster) {
  fd_emulate_not_recorded("a kernel launched without a stream");
  if (threads % WARP || threads > 1024 || threads < 1) die("a block needs a multiple of 32 threads, at most 1024");
  if (shared > shared_limit()) die("more shared memory than this GPU has");
  if (grid.y > 65535 || grid.z > 65535 || !grid.x || !grid.y || !grid.z) die("a grid size that no GPU supports");
  if (cluster < 1 || cluster > CLUSTER_MAX || grid.x % (unsigned)cluster)
    die("a grid that is not a multiple of the cluster size");
  while ((int)now.fibers.size() < threads * cluster) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE); /* below the stack, a guard */
    void *stack = mmap(nullptr, page + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, page, PROT_NONE)) die("no memory for the stack of a thread");
    now.fibers.emplace_back();
    now.fibers.back().stack = (char *)stack + page;
  }
  now.threads = threads;
  now.size = cluster;
  now.shared = shared;
  now.warps.resize((size_t)(threads / WARP * cluster));
  for (int b = 0; b < cluster; b++) {
    block_state &block = now.blocks[b];
    if (!block.window && !(block.window = before_guard(SHARED_MOST))) die("no memory for a block");
    block.room = (shared + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    block.shared_at = block.window + SHARED_MOST - block.room;
  }
  now.thread = &thread;
  gridDim = grid;
  blockDim = dim3((unsigned)threads);
  std::vector<size_t> order((size_t)grid.x / (unsigned)cluster * grid.y * grid.z);
  for (size_t i = 0; i < order.size(); i++) { /* a GPU promises no order */
    size_t j = random_below((unsigned)i + 1);
    order[i] = order[j], order[j] = i;
  }
  for (size_t n : order) {
    unsigned x = (unsigned)(n % (grid.x / (unsigned)cluster)) * (unsigned)cluster;
    n /= grid.x / (unsigned)cluster;
    for (int b = 0; b < cluster; b++) now.blocks[b].index = dim3(x + (unsigned)b, (unsigned)(n % grid.y), (unsigned)(n / grid.y));
    run_cluster();
  }
}

/* Device memory: every buffer ends at an inaccessible guard page. The host cannot access it at all: an operation of the GPU opens
 * the buffers that it accesses, at its first access, which is a fault. */
namespace {
struct buffer {
  char *at, *mapped;
  size_t bytes, all;
  int open;
};
std::vector<buffer> buffers;
int working; /* an operation of the GPU is under way */
struct sigaction before_fault[3];
const int faults[] = {SIGSEGV, SIGBUS, SIGILL};
std::map<const void *, size_t> allowed; /* shared memory per block of a kernel, if it was set */
size_t taken;
enum { SHARED_USUAL = 48 << 10 };

size_t page_size() { return (size_t)sysconf(_SC_PAGESIZE); }

/* A test's own handler would go on with the next test, in the middle of a kernel. (SIGILL: -fsanitize=alignment.) */
void fault(int number, siginfo_t *info, void *) {
  if (number == SIGILL) die("the kernel accessed memory at an address that is not a multiple of the size of the access");
  for (buffer &b : buffers) {
    if (b.open || (char *)info->si_addr < b.mapped || (char *)info->si_addr >= b.mapped + b.all - page_size()) continue;
    b.open = 1;
    if (mprotect(b.mapped, b.all - page_size(), PROT_READ | PROT_WRITE)) die("device memory cannot be opened");
    return;
  }
  die("the kernel read or wrote outside of its memory");
}

size_t capacity() {
  const char *limit = getenv("FINDNA_EMULATED_MEMORY");
  return limit ? (size_t)strtoull(limit, nullptr, 10) : (size_t)8 << 30;
}
}  // namespace

void fd_emulate_work(const std::function<void()> &operation) {
  struct sigaction action = {};
  action.sa_sigaction = fault, action.sa_flags = SA_SIGINFO;
  for (int i = 0; i < 3 && !working; i++) sigaction(faults[i], &action, &before_fault[i]);
  working++;
  operation();
  if (--working) return;
  for (buffer &b : buffers) {
    if (b.open && mprotect(b.mapped, b.all - page_size(), PROT_NONE)) die("device memory cannot be closed");
    b.open = 0;
  }
  for (int i = 0; i < 3; i++) sigaction(faults[i], &before_fault[i], nullptr);
}

cudaError_t cudaGetDeviceCount(int *count) {
  const char *gpus = getenv("FINDNA_EMULATED_GPUS");
  int driver;
  *count = gpus ? atoi(gpus) : 1;
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver < CUDART_VERSION) *count = 0; /* as cudaErrorInsufficientDriver */
  return *count > 0 ? cudaSuccess : 100;
}

cudaError_t cudaDriverGetVersion(int *version) {
  const char *driver = getenv("FINDNA_EMULATED_DRIVER");
  return *version = driver ? atoi(driver) : CUDART_VERSION, cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device) {
  const char *multiprocessors = getenv("FINDNA_EMULATED_MULTIPROCESSORS");
  memset(p, 0, sizeof *p);
  snprintf(p->name, sizeof p->name, "emulated GPU");
  p->uuid.bytes[15] = (unsigned char)(device + 1);
  p->major = capability() / 10;
  p->minor = capability() % 10;
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
  char *mapped = before_guard(all - page);
  if (!mapped) return cudaErrorMemoryAllocation;
  buffer b = {mapped + all - page - used, mapped, bytes, all, 0};
  memset(b.at, POISON, used);
  if (mprotect(mapped, all - page, PROT_NONE)) die("device memory cannot be closed");
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

void fd_emulate_argument(const void *argument, size_t bytes) {
  for (size_t i = 0; i + sizeof(uintptr_t) <= bytes; i += sizeof(uintptr_t)) {
    uintptr_t word;
    int of_device = 0;
    memcpy(&word, (const char *)argument + i, sizeof word);
    for (const buffer &b : buffers) of_device |= word - (uintptr_t)b.mapped < b.all; /* or the end of a buffer */
    /* Two numbers are no address, even where AddressSanitizer has mapped its shadow memory. */
    if (of_device || word >> 32 <= 0x1000 || word >> 47 || (uint32_t)word < 1 << 24) continue;
    if (!msync((void *)(word / page_size() * page_size()), page_size(), MS_ASYNC))
      die("a kernel is given an address of host memory");
  }
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

cudaError_t cudaFuncSetAttribute(const void *kernel, int, int bytes) {
  if ((size_t)bytes > shared_limit()) return fd_emulate_fail(cudaErrorInvalidValue);
  allowed[kernel] = (size_t)bytes;
  return cudaSuccess;
}

size_t fd_emulate_shared_of(const void *kernel) {
  auto found = allowed.find(kernel);
  return found == allowed.end() ? (size_t)SHARED_USUAL : found->second;
}

const char *cudaGetErrorString(cudaError_t error) { return error == cudaErrorMemoryAllocation ? "out of memory" : "error"; }
