/* Part of emulate.cc: what compute capability 9.0 adds, which is warpgroup products, clusters of blocks, mbarriers and bulk
 * copies of chunks. */
namespace {

/* An mbarrier in shared memory: completed phases; bytes pending in the current one, in units of 16 (negative if more have landed
 * than were announced yet); arrivals per phase, and those still missing. */
struct mbarrier {
  unsigned phases;
  int16_t units;
  uint8_t arrivals, missing;
};
static_assert(sizeof(mbarrier) == 8, "as on a GPU");

/* Ends the phase of an mbarrier once all arrivals and bytes are there. */
void pass(mbarrier &g) {
  if (g.missing || g.units) return;
  g.missing = g.arrivals;
  g.phases++;
}

mbarrier &mbarrier_of(int block, char *at) {
  if ((uintptr_t)at % sizeof(mbarrier) || !shared_by(now.blocks[block], at, sizeof(mbarrier)))
    die("an mbarrier outside shared memory");
  mbarrier &g = *(mbarrier *)at;
  if (!g.arrivals || g.arrivals == POISON) die("an mbarrier that was not initialized");
  return g;
}

/* A box of rows of 128 bytes, with the 128-byte swizzling of the address, and zeros beyond the part. */
void copy_box(const bulk &b) {
  const fd_tensor_map &m = b.map;
  for (int r = 0; r < FD_BOX_ROWS; r++)
    for (int c = 0; c < FD_BOX_COLUMNS; c++) {
      int inside = b.row + r < m.rows && b.column + c < m.stride && b.part < m.parts;
      size_t at = (size_t)(b.to - now.blocks[b.block].shared_at) + (size_t)(r * FD_BOX_COLUMNS + c) * 2;
      uint16_t value =
          inside ? m.at[((size_t)b.part * (size_t)m.rows + (size_t)(b.row + r)) * (size_t)m.stride + (size_t)(b.column + c)] : 0;
      memcpy(now.blocks[b.block].shared_at + (at ^ (at >> 7 & 7) << 4), &value, sizeof value);
    }
}

int land() {
  if (now.bulks.empty()) return 0;
  size_t n = random_below((unsigned)now.bulks.size());
  bulk b = now.bulks[n];
  now.bulks.erase(now.bulks.begin() + (long)n);
  if (b.box) copy_box(b);
  else memcpy(b.to, b.from, b.bytes);
  mbarrier &g = mbarrier_of(b.block, b.mbarrier);
  g.units = (int16_t)(g.units - (int)(b.bytes / 16));
  pass(g);
  return 1;
}

}  // namespace

void fd_warpgroup_publish() { self().unpublished = 0; }
void fd_warpgroup_begin() { self().begun = 1; }
uint32_t fd_shared_offset(fd_address at) { return (uint32_t)(at - own_block().shared_at); }

void fd_emulate_group_multiply(float (*sum)[4], int columns, int add, const uint32_t *registers, uint64_t a, uint64_t b, int a_t,
                               int b_t) {
  fiber &f = self();
  int first = now.running / now.threads * now.threads;
  for (int t = first; t < first + now.threads; t++)
    if (now.fibers[(size_t)t].unpublished) die("a warpgroup reads shared memory that was not published");
  if (!f.begun) die("a group of products that does not begin with fd_warpgroup_begin");
  if (f.product_count == PRODUCTS_MAX) die("more products of a warpgroup under way than the emulator keeps");
  f.products[f.product_count++] = {sum, columns, add, registers, a, b, a_t, b_t, f.product_groups};
}

/* An element of the matrix at a descriptor with 128-byte swizzling, where k or (mn_major) the other index is contiguous. PTX ISA,
 * "Matrix descriptor format" and "Strides": 14 bits each of start address, leading and stride byte offset, in units of 16. */
static float described(uint64_t d, int mn_major, int i, int k) {
  uint32_t start = (uint32_t)(d & 0x3fff) << 4, leading = (uint32_t)(d >> 16 & 0x3fff) << 4,
           stride = (uint32_t)(d >> 32 & 0x3fff) << 4;
  if (d >> 62 != 1) die("a matrix descriptor without 128-byte swizzling");
  uint32_t at = mn_major ? start + (uint32_t)(i / 64) * leading + (uint32_t)(k / 8) * stride + (uint32_t)(k % 8) * 128 +
                               (uint32_t)(i % 64) * 2
                         : start + (uint32_t)(i / 8) * stride + (uint32_t)(i % 8) * 128 + (uint32_t)k * 2;
  at ^= (at >> 7 & 7) << 4;
  uint16_t bits;
  if (at + 2 > now.shared) die("a matrix descriptor that leads outside shared memory");
  memcpy(&bits, own_block().shared_at + at, sizeof bits);
  return __uint_as_float((uint32_t)bits << 16);
}

/* A warp's 16 rows of product n. The 64-column instruction adds in another order than the wider ones: the ISA guarantees no
 * order, and code that recomputes a value must use the same instruction. */
static void multiply_rows(fiber *lanes, unsigned n) {
  const product p = lanes[0].products[n];
  static float a[16][16], b[16][256]; /* too large for the stacks of fibers */
  int row = now.running / WARP % 4 * 16;
  for (int l = 0; l < WARP && p.registers; l++)
    for (int e = 0; e < 8; e++) a[fd_a_row(l, e)][fd_a_k(l, e)] = bf16(lanes[l].products[n].registers[e / 2], e % 2);
  for (int k = 0; k < 16; k++) {
    for (int i = 0; i < 16 && !p.registers; i++) a[i][k] = described(p.a, p.a_t, row + i, k);
    for (int j = 0; j < p.columns; j++) b[k][j] = described(p.b, p.b_t, j, k);
  }
  for (int i = 0; i < 16; i++) {
    float sum[256] = {0};
    for (int n = 0; n < 16; n++)
      for (int j = 0, k = p.columns == 64 ? 15 - n : n; j < p.columns; j++) sum[j] += a[i][k] * b[k][j];
    for (int j = 0; j < p.columns; j++) {
      int l = i % 8 * 4 + j % 8 / 2;
      float *to = &lanes[l].products[n].sum[j / 8][i / 8 * 2 + j % 2];
      *to = (p.add ? *to : 0) + sum[j];
    }
  }
}

/* Computes a warp's products, except those of the `newest` latest groups, which may still be in flight. */
static void finish(int newest) {
  fiber *lanes = &now.fibers[(size_t)(now.running / WARP * WARP)];
  unsigned done = 0, count = lanes[0].product_count;
  for (int l = 1; l < WARP; l++)
    if (lanes[l].product_count != count || lanes[l].product_groups != lanes[0].product_groups)
      die("lanes of a warp that do not issue the same products");
  for (; done < count && lanes[0].products[done].group + (unsigned)newest < lanes[0].product_groups; done++)
    multiply_rows(lanes, done);
  for (int l = 0; l < WARP; l++) {
    memmove(lanes[l].products, lanes[l].products + done, (count - done) * sizeof(product));
    lanes[l].product_count -= done;
  }
}

/* Products are computed as late as they may be, or at once: memory or registers written too early or too late yield wrong
 * results. */
void fd_warpgroup_commit() {
  self().product_groups++, self().begun = 0;
  meet("", 0, [](warp &, int) {
    if (random_below(4) == 0) finish(0);
  });
}

void fd_emulate_group_wait(int newest) {
  meet(&newest, sizeof newest, [](warp &w, int which) {
    int groups;
    memcpy(&groups, w.slot[which][0], sizeof groups);
    for (int l = 1; l < WARP; l++)
      if (memcmp(w.slot[which][l], &groups, sizeof groups)) die("lanes of a warp that do not wait for the same groups");
    finish(groups);
  });
}

void fd_cluster_arrive() {
  fiber &f = self();
  if (f.unpublished_mbarriers) die("mbarriers that were not published");
  if (f.at_cluster) die("a thread that arrives twice at its cluster's barrier");
  f.at_cluster = 1, f.cluster_round = now.all.complete;
  if ((int)++now.all.arrived == now.size * now.threads) now.all.arrived = 0, now.all.complete++;
}

void fd_cluster_wait() {
  fiber &f = self();
  if (!f.at_cluster) die("a thread that waits at its cluster's barrier without having arrived");
  while (now.all.complete == f.cluster_round) wait_while(&now.all.complete, f.cluster_round);
  f.at_cluster = 0;
}

void fd_mbarrier_init(fd_address at, int arrivals) {
  if ((uintptr_t)at % sizeof(mbarrier) || !shared_by(own_block(), at, sizeof(mbarrier))) die("an mbarrier outside shared memory");
  if (arrivals < 1 || arrivals >= POISON) die("more arrivals at an mbarrier than the emulator counts");
  *(mbarrier *)at = {0, 0, (uint8_t)arrivals, (uint8_t)arrivals};
  self().unpublished_mbarriers = 1;
}

void fd_mbarrier_publish() { self().unpublished_mbarriers = 0; }

static void arrive(int block, fd_address at, int bytes) {
  mbarrier &g = mbarrier_of(block, at);
  if (!g.missing) die("more arrivals at an mbarrier than it was initialized for");
  g.units = (int16_t)(g.units + bytes / 16);
  g.missing--;
  pass(g);
}

void fd_mbarrier_expect(fd_address at, int bytes) { arrive(now.running / now.threads, at, bytes); }

/* The same address in another block of the cluster, which must still be running. */
static char *there(fd_address at, int rank) {
  if (rank < 0 || rank >= now.size) die("a block that is not in the cluster");
  if (now.blocks[rank].done == now.threads) die("a write to a block that has ended");
  if (self().at_cluster) die("a write to another block after arriving at the cluster's barrier");
  return now.blocks[rank].shared_at + (at - own_block().shared_at);
}

/* At random, lets the other threads run before this one continues. */
void fd_mbarrier_arrive(fd_address at, int rank) {
  arrive(rank, there(at, rank), 0);
  if (random_below(2)) step_aside();
}

void fd_mbarrier_wait(fd_address at, int parity) {
  mbarrier &g = mbarrier_of(now.running / now.threads, at);
  while (g.phases % 2 == (unsigned)parity) wait_while(&g.phases, g.phases);
}

/* Starts a copy to the blocks of a cluster whose bits are set. */
static void start(bulk b, fd_address to, fd_address at, int blocks) {
  if (!shared_by(own_block(), to, b.bytes)) die("a copy outside shared memory");
  for (b.block = 0; blocks >> b.block; b.block++) {
    if (!(blocks >> b.block & 1)) continue;
    b.to = there(to, b.block), b.mbarrier = there(at, b.block);
    for (const bulk &other : now.bulks)
      if (other.to < b.to + b.bytes && b.to < other.to + other.bytes) die("two overlapping copies are in flight");
    memset(b.to, POISON, b.bytes); /* a read of the old contents, or before the copy has landed, yields NaN */
    now.bulks.push_back(b);
  }
}

void fd_copy_cluster(fd_address to, const void *from, int bytes, fd_address at, int blocks) {
  if ((uintptr_t)to % 16 || (uintptr_t)from % 16 || bytes % 16 || bytes < 16) die("a copy that is not in pieces of 16 bytes");
  bulk b = {};
  b.from = from, b.bytes = (size_t)bytes;
  start(b, to, at, blocks);
}

void fd_copy_box(fd_address to, const fd_tensor_map *map, int column, int row, int part, fd_address at, int blocks) {
  if (fd_shared_offset(to) % 1024) die("a box that is not aligned to its swizzling");
  if ((uintptr_t)map->at % 16 || map->stride % 8) die("a tensor map of rows that are not in pieces of 16 bytes");
  if (map->stride < 1 || map->rows < 1 || map->parts < 1) die("a tensor map of nothing");
  bulk b = {};
  b.bytes = FD_BOX_BYTES, b.box = 1, b.map = *map, b.column = column, b.row = row, b.part = part;
  start(b, to, at, blocks);
}
