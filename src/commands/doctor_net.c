/* Times gradient sums over the ranks of a job, and for comparison the computation of a step. */
#include "commands/doctor_net.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/sort.h"
#include "model/network.h"
#include "train/rank_device.h"
#include "train/trainer.h"

enum { ROUNDS = 7, SMALL_ROUNDS = 200 };

/* Median time in seconds of summing `count` floats over the ranks, in the same way as training does. */
static fd_status time_sums(fd_comm *comm, fd_device *dev, fd_link *link, int fast, float *data, float *scratch, size_t count,
                           double *seconds) {
  double took[ROUNDS];
  for (int i = -1; i < ROUNDS; i++) { /* the first one is a warm-up */
    FD_TRY(comm->ops->barrier(comm));
    double start = fd_seconds();
    FD_TRY(link->follow(link));
    FD_TRY(fast ? link->sum(link, data, count) : fd_link_tree_sum(link, data, count, scratch));
    for (int idle = 0; !idle;) FD_TRY(link->progress(link, &idle));
    FD_TRY(link->lead(link));
    FD_TRY(dev->sync(dev));
    if (i >= 0) took[i] = fd_seconds() - start;
  }
  fd_sort(took, ROUNDS);
  *seconds = took[ROUNDS / 2];
  return FD_OK;
}

/* Time in seconds on this rank of the teacher's forward pass and the student's forward and backward pass over one micro-batch of
 * `rows` tokens. */
static fd_status time_micro_batch(fd_device *dev, const fd_network *net, int sequences, int cls, int rows, float *params,
                                  float *gradient, double *seconds) {
  fd_status status = FD_OK;
  const fd_demand learn = {1u << FD_OUT_LOGITS, 1u << FD_OUT_LOGITS, 0}, look = {1u << FD_OUT_LOGITS, 0, 0};
  fd_pass *student = NULL, *teacher = NULL;
  const fd_extent extent = {rows, sequences, cls};
  fd_spaces spaces = {0};
  fd_seqs seqs = {0};
  float *x = NULL;
  FD_GO(fd_network_pass(&student, net, dev, learn, extent));
  FD_GO(fd_network_pass(&teacher, net, dev, look, extent));
  FD_GO(fd_spaces_create(&spaces, dev, fd_pass_spaces(student), extent));
  FD_GO(fd_seqs_create(&seqs, dev, sequences, cls));
  FD_GO(dev->alloc(dev, &x, (size_t)rows * FD_SYMBOLS * sizeof *x, "timing"));
  seqs.count = sequences;
  for (int i = 0; i <= sequences; i++) seqs.start[i] = i * (rows / sequences);
  FD_GO(fd_seqs_send(&seqs, dev));
  FD_GO(fd_spaces_set(&spaces, &seqs));
  dev->ops.zero(dev, (size_t)rows * FD_SYMBOLS * sizeof *x, x);
  for (int i = 0; i < 2; i++) { /* the first one is a warm-up */
    double from = fd_seconds();
    fd_pass_forward(teacher, &spaces, params, x);
    fd_pass_forward(student, &spaces, params, x);
    fd_pass_clear(student);
    fd_pass_backward(student, gradient, NULL);
    FD_GO(dev->sync(dev));
    *seconds = fd_seconds() - from;
  }
done:
  fd_spaces_destroy(&spaces);
  fd_pass_destroy(&student);
  fd_pass_destroy(&teacher);
  dev->release(dev, x);
  fd_seqs_destroy(&seqs, dev);
  return status;
}

/* Replaces *value by the largest one of all ranks. */
static fd_status slowest(fd_comm *comm, double *value) {
  double all[comm->size];
  all[comm->rank] = *value;
  FD_TRY(fd_comm_gather_rows(comm, all, 1));
  for (int r = 0; r < comm->size; r++)
    if (all[r] > *value) *value = all[r];
  return FD_OK;
}

typedef struct timings {
  double latency, exact, fast, computing; /* seconds */
} timings;

static int hosts_of(const fd_comm *comm) {
  int hosts = 0;
  for (int r = 0; r < comm->size; r++) {
    int known = 0;
    for (int other = 0; other < r; other++) known |= !strcmp(fd_comm_host(comm, r), fd_comm_host(comm, other));
    hosts += !known;
  }
  return hosts;
}

static void print(const fd_comm *comm, size_t count, const timings *t) {
  double bytes = (double)count * sizeof(float), wire = 2.0 * (comm->size - 1) / comm->size * bytes,
         share = t->exact / (t->exact + t->computing);
  int hosts = hosts_of(comm);
  printf("network\n");
  printf("  %-16s %d on %d host%s\n", "ranks", comm->size, hosts, hosts > 1 ? "s" : "");
  printf("  %-16s %.1f us (all-reduce of one number)\n", "latency", t->latency * 1e6);
  printf("  %-16s %.1f MB: each rank sends 2 (n-1)/n of it, %.1f MB, a step\n", "gradient", bytes * 1e-6, wire * 1e-6);
  printf("  %-16s %.2f ms, %.2f GB/s a rank\n", "reproducible sum", t->exact * 1e3, wire / t->exact * 1e-9);
  printf("  %-16s %.2f ms, %.2f GB/s a rank\n", "fast sum", t->fast * 1e3, wire / t->fast * 1e-9);
  printf("  %-16s %.2f ms a step on the slowest rank\n", "computing", t->computing * 1e3);
  printf("  %-16s %.1f %% of a step%s\n", "the sum takes", 100 * share,
         share < 0.1 ? "" : ": a larger train.batch, fewer ranks or a faster network would help");
}

static fd_status time_network(fd_comm *comm, fd_device *dev, fd_link *link, float *data, float *scratch, size_t count,
                              timings *t) {
  uint64_t one = 1;
  FD_TRY(time_sums(comm, dev, link, 0, data, scratch, count, &t->exact));
  FD_TRY(time_sums(comm, dev, link, 1, data, scratch, count, &t->fast));
  FD_TRY(comm->ops->barrier(comm));
  double start = fd_seconds();
  for (int i = 0; i < SMALL_ROUNDS; i++) FD_TRY(comm->ops->sum_u64(comm, &one, 1));
  t->latency = (fd_seconds() - start) / SMALL_ROUNDS;
  return FD_OK;
}

fd_status fd_doctor_net(fd_comm *comm, const fd_config *c, int window) {
  fd_status status = FD_OK;
  fd_device *dev = NULL;
  fd_link *link = NULL;
  fd_network *net = NULL;
  float *params = NULL, *gradient = NULL, *scratch = NULL;
  timings t = {0};
  int rows;
  if (comm->size < 2)
    return fd_fail(FD_USAGE, "findna doctor --net: needs several ranks: mpirun -n 2 findna doctor --net (or srun)");
  if (fd_config_reads_ids(c))
    return fd_fail(FD_USAGE, "findna doctor --net: times a micro-batch of nucleotides; this encoder reads ids of a tokenizer");
  FD_TRY(fd_trainer_check_ranks(c, comm->size));
  FD_TRY(fd_trainer_rows(c, window, &rows));
  FD_GO(fd_rank_device_open(&dev, c, comm));
  FD_GO(fd_network_create(&net, c, window));
  size_t n = net->params.size;
  FD_GO(dev->alloc(dev, &params, n * sizeof *params, "timing"));
  FD_GO(dev->alloc(dev, &gradient, n * sizeof *gradient, "timing"));
  FD_GO(dev->alloc(dev, &scratch, (n / 2 + 1) * sizeof *scratch, "timing"));
  FD_GO(fd_rank_link_open(&link, c, comm, dev));
  dev->ops.zero(dev, n * sizeof *params, params);
  dev->ops.zero(dev, n * sizeof *gradient, gradient);
  fd_comm_phase(comm, -1, "the timing of a micro-batch");
  FD_GO(time_micro_batch(dev, net, rows / (window + (int)c->model.cls), (int)c->model.cls, rows, params, gradient, &t.computing));
  t.computing *= (double)(c->train.virtual_ranks / comm->size);
  FD_GO(slowest(comm, &t.computing));
  fd_comm_phase(comm, -1, "the timing of sums");
  FD_GO(time_network(comm, dev, link, gradient, scratch, n, &t));
  if (comm->rank == 0) print(comm, n, &t);
done:
  if (link) link->close(link);
  if (dev) dev->release(dev, params), dev->release(dev, gradient), dev->release(dev, scratch);
  fd_network_destroy(&net);
  fd_device_close(&dev);
  return status;
}
