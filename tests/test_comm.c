/* The reproducible reduction, with threads as ranks, so that 1 to 64 of them run anywhere: bits against the explicit balanced
 * tree, buffers in use, and bytes sent. */
#include "check.h"
#include "draws.h"

#include <pthread.h>
#include <unistd.h>

#include "comm/comm.h"
#include "train/gradients.h"
#include "train/rank_device.h"
#include "train/synchrony.h"

enum { RANKS_MAX = 64 };

/* A world of threads: holds the data that ranks send, between two barriers. */
typedef struct world {
  int size;
  pthread_barrier_t barrier;
  const void *sent[RANKS_MAX];
  size_t bytes[RANKS_MAX];
} world;

typedef struct thread_comm {
  fd_comm comm;
  world *world;
} thread_comm;

static fd_status exchange(fd_comm *comm, int peer, const void *send, size_t send_bytes, void *receive, size_t receive_bytes) {
  world *w = ((thread_comm *)(void *)comm)->world;
  comm->bytes_sent += send_bytes;
  w->sent[comm->rank] = send, w->bytes[comm->rank] = send_bytes;
  pthread_barrier_wait(&w->barrier);
  int good = w->bytes[peer] == receive_bytes; /* else MPI would wait, or cut the message off */
  memcpy(receive, w->sent[peer], receive_bytes);
  pthread_barrier_wait(&w->barrier);
  return good ? FD_OK : FD_LOST;
}

static fd_status sum_u64(fd_comm *comm, uint64_t *data, size_t count) {
  world *w = ((thread_comm *)(void *)comm)->world;
  uint64_t *sum = calloc(count, sizeof *sum);
  w->sent[comm->rank] = data;
  pthread_barrier_wait(&w->barrier);
  for (int r = 0; r < w->size; r++)
    for (size_t i = 0; i < count; i++) sum[i] += ((const uint64_t *)w->sent[r])[i];
  pthread_barrier_wait(&w->barrier);
  memcpy(data, sum, count * sizeof *sum);
  free(sum);
  return FD_OK;
}

static fd_status broadcast(fd_comm *comm, void *data, size_t bytes, int root) {
  world *w = ((thread_comm *)(void *)comm)->world;
  if (comm->rank == root) w->sent[root] = data;
  pthread_barrier_wait(&w->barrier);
  if (comm->rank != root) memcpy(data, w->sent[root], bytes);
  pthread_barrier_wait(&w->barrier);
  return FD_OK;
}

static fd_status barrier(fd_comm *comm) {
  pthread_barrier_wait(&((thread_comm *)(void *)comm)->world->barrier);
  return FD_OK;
}

/* A link that executes its requests at once, on CPUs. */
typedef struct thread_link {
  fd_link link; /* first */
  fd_comm *comm;
  fd_device *dev;
} thread_link;

static thread_link *of(fd_link *link) { return (thread_link *)(void *)link; }

static fd_status at_once(fd_link *link) {
  (void)link;
  return FD_OK;
}

static fd_status link_exchange(fd_link *link, int peer, const float *send, size_t send_count, float *receive,
                               size_t receive_count) {
  return exchange(of(link)->comm, peer, send, send_count * sizeof *send, receive, receive_count * sizeof *receive);
}

static fd_status link_add(fd_link *link, size_t count, const float *a, const float *b, float *out) {
  of(link)->dev->ops.add(of(link)->dev, count, a, b, out);
  return FD_OK;
}

static fd_status link_progress(fd_link *link, int *idle) {
  (void)link;
  *idle = 1;
  return FD_OK;
}

static void link_close(fd_link *link) { free(link); }

static fd_status open_link(fd_link **link, fd_comm *comm, fd_device *dev) {
  thread_link *l = calloc(1, sizeof *l);
  *l = (thread_link){.link = {.name = "threads",
                              .rank = comm->rank,
                              .size = comm->size,
                              .follow = at_once,
                              .exchange = link_exchange,
                              .add = link_add,
                              .progress = link_progress,
                              .lead = at_once,
                              .close = link_close},
                     .comm = comm,
                     .dev = dev};
  *link = &l->link;
  return FD_OK;
}

static const fd_comm_ops thread_ops = {
    .name = "threads", .exchange = exchange, .broadcast = broadcast, .sum_u64 = sum_u64, .barrier = barrier, .link = open_link};

/* Runs `work` as every rank of a world. */
typedef struct job {
  thread_comm comm;
  void (*work)(fd_comm *comm, void *context);
  void *context;
  pthread_t thread;
} job;

static void *run_job(void *argument) {
  job *j = argument;
  j->work(&j->comm.comm, j->context);
  return NULL;
}

/* Returns the largest number of bytes that a rank sent. */
static uint64_t run_world(int size, void (*work)(fd_comm *, void *), void *context) {
  static job jobs[RANKS_MAX];
  world w = {.size = size};
  uint64_t most = 0;
  pthread_barrier_init(&w.barrier, NULL, (unsigned)size);
  for (int r = 0; r < size; r++) {
    jobs[r] = (job){{{.rank = r, .size = size, .local_rank = r, .local_size = size, .ops = &thread_ops}, &w}, work, context, 0};
    assert_int_equal(pthread_create(&jobs[r].thread, NULL, run_job, &jobs[r]), 0);
  }
  for (int r = 0; r < size; r++) {
    pthread_join(jobs[r].thread, NULL);
    if (jobs[r].comm.comm.bytes_sent > most) most = jobs[r].comm.comm.bytes_sent;
  }
  pthread_barrier_destroy(&w.barrier);
  return most;
}

/* A value of micro-batch m such that sums depend on their order. */
static float value_of(int m, size_t i) {
  uint32_t word[4];
  fd_philox(word, drawn_key(11), (uint64_t)m, i);
  return (fd_unit(word[0]) - 0.5f) * ldexpf(1, (int)(word[1] % 24));
}

/* The balanced tree, written out. */
static float plain_tree(int first, int count, size_t i) {
  return count == 1 ? value_of(first, i) : plain_tree(first, count / 2, i) + plain_tree(first + count / 2, count / 2, i);
}

typedef struct reduction {
  size_t count;
  float *result[RANKS_MAX];
  int failed[RANKS_MAX];
} reduction;

static void tree_sum(fd_comm *comm, void *context) {
  reduction *r = context;
  float *scratch = malloc((r->count / 2 + 1) * sizeof *scratch);
  fd_device *dev = NULL;
  fd_link *link = NULL;
  fd_config config;
  fd_config_defaults(&config);
  config.device.threads = 1;
  double half[2], pair[3] = {comm->rank, 1, 0.5};
  for (size_t i = 0; i < r->count; i++) r->result[comm->rank][i] = value_of(comm->rank, i);
  r->failed[comm->rank] = fd_device_open(&dev, &config, 0, 1) != FD_OK || open_link(&link, comm, dev) != FD_OK ||
                          fd_link_tree_sum(link, r->result[comm->rank], r->count, scratch) != FD_OK;
  uint64_t sent = comm->bytes_sent;
  r->failed[comm->rank] |= fd_comm_tree_sum_f64(comm, pair, 3, half) != FD_OK;
  r->failed[comm->rank] |= pair[0] != comm->size * (comm->size - 1) / 2.0 || pair[1] != comm->size || pair[2] != comm->size * 0.5;
  comm->bytes_sent = sent;
  if (link) link->close(link);
  fd_device_close(&dev);
  free(scratch);
}

/* Every rank ends with the bits of the tree, whatever the remainder of the halving; each sends as many bytes as in a ring. */
static void tree_sums(void **state) {
  (void)state;
  static const size_t counts[] = {1, 2, 3, 5, 7, 64, 65, 127, 1000, 4097};
  for (int size = 1; size <= RANKS_MAX; size *= 2)
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
      reduction r = {.count = counts[c]};
      for (int k = 0; k < size; k++) r.result[k] = malloc(counts[c] * sizeof(float));
      uint64_t most = run_world(size, tree_sum, &r);
      for (int k = 0; k < size; k++) {
        assert_false(r.failed[k]);
        for (size_t i = 0; i < counts[c]; i++) assert_true(r.result[k][i] == plain_tree(0, size, i));
        free(r.result[k]);
      }
      double ring = 2.0 * (size - 1) / size * (double)counts[c] * sizeof(float), rounding = 2.0 * RANKS_MAX * sizeof(float);
      assert_true((double)most <= ring + rounding);
      if (counts[c] >= 1000) assert_true((double)most >= ring - rounding);
    }
}

/* Other numbers of ranks have no balanced tree: refused before anything is sent. */
static void trees_of_powers_of_two(void **state) {
  (void)state;
  float data[8] = {0}, scratch[5];
  for (int size = 3; size <= RANKS_MAX; size++) {
    fd_link link = {.size = size};
    if ((size & (size - 1)) == 0) continue;
    assert_int_equal(fd_link_tree_sum(&link, data, 8, scratch), FD_CONFIG);
  }
}

enum { MICRO_BATCHES = 64, SIZE = 203, STATISTICS = 5 };

typedef struct accumulation {
  float sum[RANKS_MAX][SIZE];
  double statistics[RANKS_MAX][STATISTICS];
  int buffers[RANKS_MAX];
} accumulation;

static void accumulate(fd_comm *comm, void *context) {
  accumulation *a = context;
  fd_config config;
  fd_device *dev;
  fd_gradients *g;
  fd_link *link;
  int mine = MICRO_BATCHES / comm->size;
  float *sum = NULL;
  double *statistics = NULL;
  fd_config_defaults(&config);
  config.device.threads = 1;
  if (fd_device_open(&dev, &config, 0, 1) != FD_OK || fd_rank_link_open(&link, &config, comm, dev) != FD_OK) return;
  const fd_gradients_shape shape = {.leaves = mine, .size = SIZE, .statistics = STATISTICS, .bucket = 40};
  if (fd_gradients_create(&g, dev, comm, link, &shape) != FD_OK) return;
  for (int step = 0; step < 2; step++) { /* the second step reuses the buffers */
    for (int m = 0; m < mine; m++) {
      float *leaf = fd_gradients_leaf(g, &statistics);
      for (size_t i = 0; i < SIZE; i++) leaf[i] = value_of(comm->rank * mine + m, i);
      for (size_t i = 0; i < STATISTICS; i++) statistics[i] = (double)value_of(comm->rank * mine + m, 1000 + i);
      for (size_t from = SIZE; m % 3 && from >= 31;)
        fd_gradients_ready(g, from -= 31); /* in pieces, as the backward pass of layers ends */
      fd_gradients_add(g);
    }
    if (fd_gradients_finish(g, &sum, &statistics) != FD_OK) return;
  }
  memcpy(a->sum[comm->rank], sum, sizeof a->sum[0]);
  memcpy(a->statistics[comm->rank], statistics, sizeof a->statistics[0]);
  a->buffers[comm->rank] = fd_gradients_buffers(g);
  fd_gradients_destroy(&g);
  if (link) link->close(link);
  fd_device_close(&dev);
}

/* 64 micro-batches on 1 to 64 ranks: the same bits, log2(V / ranks) + 2 buffers at most, the bytes of a ring sent. */
static void gradients(void **state) {
  (void)state;
  static accumulation a, one;
  run_world(1, accumulate, &one);
  for (size_t i = 0; i < SIZE; i++) assert_true(one.sum[0][i] == plain_tree(0, MICRO_BATCHES, i));
  for (int size = 1; size <= RANKS_MAX; size *= 2) {
    memset(&a, 0xff, sizeof a);
    uint64_t most = run_world(size, accumulate, &a);
    for (int r = 0; r < size; r++) {
      assert_memory_equal(a.sum[r], one.sum[0], sizeof one.sum[0]);
      assert_memory_equal(a.statistics[r], one.statistics[0], sizeof one.statistics[0]);
      assert_true(a.buffers[r] <= log2((double)MICRO_BATCHES / size) + 2);
    }
    double ring = 2.0 * (size - 1) / size * (SIZE * sizeof(float) + STATISTICS * sizeof(double));
    assert_true((double)most <= 2 * (ring + 2.0 * RANKS_MAX * sizeof(double)));
  }
}

static void agree(fd_comm *comm, void *context) {
  int *seen = context;
  seen[comm->rank] = (int)fd_comm_agree(comm, comm->rank == 5 ? FD_DATA : comm->rank == 6 ? FD_IO : FD_OK);
}

static void all_ranks_learn_of_a_failure(void **state) {
  (void)state;
  int seen[RANKS_MAX] = {0};
  run_world(4, agree, seen);
  for (int r = 0; r < 4; r++) assert_int_equal(seen[r], FD_OK);
  run_world(8, agree, seen);
  for (int r = 0; r < 8; r++) assert_int_equal(seen[r], FD_IO);
}

/* Captures what is written to standard error between the two calls. */
static int old_stderr;

static void listen(void) {
  FILE *file = tmpfile();
  old_stderr = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  fclose(file);
}

static void heard(char text[4096]) {
  ssize_t n = pread(STDERR_FILENO, text, 4095, 0);
  text[n > 0 ? n : 0] = '\0';
  dup2(old_stderr, STDERR_FILENO);
  close(old_stderr);
}

/* Words of the ranks with their lengths, and the results of comparing them. */
typedef struct words {
  const char *of[RANKS_MAX];
  size_t bytes[RANKS_MAX];
  int seen[RANKS_MAX];
} words;

static void compare_words(fd_comm *comm, void *context) {
  words *w = context;
  w->seen[comm->rank] = (int)fd_comm_same(comm, FD_CONFIG, "hats", w->of[comm->rank], w->bytes[comm->rank], "wear one");
}

static void check_words(int size, words *w, fd_status expected, const char *line) {
  char text[4096];
  listen();
  run_world(size, compare_words, w);
  heard(text);
  for (int r = 0; r < size; r++) assert_int_equal(w->seen[r], expected);
  if (line ? !strstr(text, line) : *text) fail_msg("said: %s\nexpected: %s", text, line ? line : "nothing");
}

#define WORDS(text) text, sizeof text

/* The first rank that differs from the majority is named, with its first differing word, also when one list is a prefix of the
 * other. */
static void differing_ranks_are_named(void **state) {
  (void)state;
  words w = {0};
  const struct {
    int rank;
    const char *text;
    size_t bytes;
    const char *line;
  } cases[] = {
      {-1, NULL, 0, NULL},
      {2, WORDS("a\0b\0d"), "not have the same hats: rank 2 (this machine) has 'd', rank 0 (this machine) has 'c'; wear one"},
      {0, WORDS("a\0b\0d"), "rank 0 (this machine) has 'd', rank 1 (this machine) has 'c'"},
      {3, WORDS("a\0b"), "rank 3 (this machine) has nothing more, rank 0 (this machine) has 'c'"},
      {1, WORDS("a\0b\0c\0d"), "rank 1 (this machine) has 'd', rank 0 (this machine) has nothing more"},
      {1, WORDS("a\0bc"), "rank 1 (this machine) has 'bc', rank 0 (this machine) has 'b'"},
      {1, WORDS(""), "rank 1 (this machine) has '', rank 0 (this machine) has 'a'"},
      {1, "", 0, "rank 1 (this machine) has nothing more, rank 0 (this machine) has 'a'"},
      {1, WORDS("a\0b\0c\nx"), "has 'c"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int r = 0; r < 4; r++) w.of[r] = "a\0b\0c", w.bytes[r] = 6;
    if (cases[i].rank >= 0) w.of[cases[i].rank] = cases[i].text, w.bytes[cases[i].rank] = cases[i].bytes;
    check_words(4, &w, cases[i].line ? FD_CONFIG : FD_OK, cases[i].line);
  }
  for (int r = 0; r < 2; r++) w.of[r] = r ? "x" : "y", w.bytes[r] = 2;
  check_words(2, &w, FD_CONFIG, "rank 1 (this machine) has 'x', rank 0 (this machine) has 'y'");
}

typedef struct opening {
  int simd[RANKS_MAX];
  fd_status seen[RANKS_MAX];
} opening;

static void open_device(fd_comm *comm, void *context) {
  opening *o = context;
  fd_config config;
  fd_device *dev;
  fd_config_defaults(&config);
  config.device.threads = 1;
  config.device.simd = o->simd[comm->rank];
  o->seen[comm->rank] = fd_rank_device_open(&dev, &config, comm);
  fd_device_close(&dev);
}

/* As on machines with different processors: each rank has its own kernels. */
static void mixed_kernels_are_refused(void **state) {
  (void)state;
  opening o = {0};
  char text[4096], usable[128];
  fd_device_simd(usable, sizeof usable);
  if (!strstr(usable, "avx2")) {
    print_message("skipped - mixed kernels: this processor or build has only the generic ones\n");
    skip();
  }
  for (int mixed = 0; mixed < 2; mixed++) {
    for (int r = 0; r < 4; r++) o.simd[r] = mixed && r == 3 ? FD_SIMD_GENERIC : FD_SIMD_AVX2;
    listen();
    run_world(4, open_device, &o);
    heard(text);
    for (int r = 0; r < 4; r++) assert_int_equal(o.seen[r], mixed ? FD_CONFIG : FD_OK);
  }
  if (!strstr(text, "same kernels: rank 3 (this machine) has 'generic', rank 0 (this machine) has 'avx2'; device.simd=avx"))
    fail_msg("said: %s", text);
}

enum { TRIALS = 1000 };

/* The results of a trial on each rank. */
typedef struct flips {
  fd_status status[RANKS_MAX][TRIALS];
  int differs[RANKS_MAX][TRIALS][RANKS_MAX];
  fd_status equal[RANKS_MAX];
} flips;

/* Flips one bit of one array of one rank, compares, and flips it back. */
static void flip_and_check(fd_comm *comm, void *context) {
  flips *f = context;
  fd_config config;
  fd_device *dev;
  fd_network *network;
  fd_state *state;
  int unused[RANKS_MAX];
  fd_config_defaults(&config);
  config.device.threads = 1;
  config.model.channels = 12, config.model.hidden = 16, config.model.track = 3, config.model.networks = 1;
  config.task.outputs = 2; /* with a teacher: a state with all arrays */
  if (fd_device_open(&dev, &config, 0, 1) != FD_OK || fd_network_create(&network, &config, 40) != FD_OK ||
      fd_state_create(&state, &config, network, dev) != FD_OK)
    return;
  f->equal[comm->rank] = fd_synchrony_check(comm, state, unused);
  for (int t = 0; t < TRIALS; t++) {
    uint32_t word[4], bits;
    fd_philox(word, drawn_key(5), (uint64_t)t, 0);
    int victim = (int)fd_below(word[0], (uint32_t)comm->size), array = t % FD_ARRAYS;
    float *at = state->array[array] + fd_below(word[1], (uint32_t)state->size[array]), kept = *at;
    if (comm->rank == victim) {
      memcpy(&bits, at, sizeof bits);
      bits ^= 1u << (word[2] & 31);
      memcpy(at, &bits, sizeof bits);
    }
    f->status[comm->rank][t] = fd_synchrony_check(comm, state, f->differs[comm->rank][t]);
    if (comm->rank == victim) *at = kept;
  }
  fd_state_destroy(&state);
  fd_network_destroy(&network);
  fd_device_close(&dev);
}

/* All of 1,000 flipped bits are found on all ranks, and with more than two ranks the right one is named. */
static void a_flipped_bit_is_found(void **state) {
  (void)state;
  static flips f;
  for (int size = 2; size <= 8; size *= 2) {
    memset(&f, 0, sizeof f);
    run_world(size, flip_and_check, &f);
    for (int r = 0; r < size; r++) {
      assert_int_equal(f.equal[r], FD_OK);
      for (int t = 0; t < TRIALS; t++) {
        uint32_t word[4];
        fd_philox(word, drawn_key(5), (uint64_t)t, 0);
        int victim = (int)fd_below(word[0], (uint32_t)size);
        assert_int_equal(f.status[r][t], FD_LOST);
        for (int k = 0; k < size; k++) assert_int_equal(f.differs[r][t][k], size == 2 || k == victim);
      }
    }
  }
}

/* Each counter of a state, which rank 1 changes and restores in turn. */
enum { COUNTERS = 7 };

typedef struct counts {
  fd_status equal[RANKS_MAX], status[RANKS_MAX][COUNTERS];
} counts;

static void change_and_check(fd_comm *comm, void *context) {
  counts *c = context;
  float weight = 1;
  fd_config config;
  fd_device *dev;
  int unused[RANKS_MAX];
  fd_config_defaults(&config);
  config.device.threads = 1;
  if (fd_device_open(&dev, &config, 0, 1) != FD_OK) return;
  const fd_state state = {.dev = dev,
                          .array = {[FD_STUDENT] = &weight},
                          .size = {[FD_STUDENT] = 1},
                          .step = 9,
                          .updates = 8,
                          .skipped = 1,
                          .best_step = 6,
                          .best_score = -0.5,
                          .draws = 72};
  c->equal[comm->rank] = fd_synchrony_check(comm, &state, unused);
  for (int i = 0; i < COUNTERS; i++) {
    fd_state changed = state;
    int64_t *const counter[] = {&changed.step, &changed.updates, &changed.skipped, &changed.bad_in_row, &changed.best_step};
    if (comm->rank == 1 && i < 5) ++*counter[i];
    if (comm->rank == 1 && i == 5) changed.best_score = -0.25;
    if (comm->rank == 1 && i == 6) changed.draws++;
    c->status[comm->rank][i] = fd_synchrony_check(comm, &changed, unused);
  }
  fd_device_close(&dev);
}

static void a_changed_counter_is_found(void **state) {
  (void)state;
  static counts c;
  run_world(2, change_and_check, &c);
  for (int r = 0; r < 2; r++) {
    assert_int_equal(c.equal[r], FD_OK);
    for (int i = 0; i < COUNTERS; i++) assert_int_equal(c.status[r][i], FD_LOST);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tree_sums),
      cmocka_unit_test(trees_of_powers_of_two),
      cmocka_unit_test(gradients),
      cmocka_unit_test(all_ranks_learn_of_a_failure),
      cmocka_unit_test(a_flipped_bit_is_found),
      cmocka_unit_test(a_changed_counter_is_found),
      cmocka_unit_test(differing_ranks_are_named),
      cmocka_unit_test(mixed_kernels_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
