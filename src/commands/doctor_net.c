/* Times the sums over the ranks of a job, and the computing of a step beside them. */
#include "commands/doctor_net.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "model/network.h"
#include "train/trainer.h"

enum { ROUNDS = 7, SMALL_ROUNDS = 200 };

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Median seconds of a sum of `count` floats, the same way as the training's. */
static fd_status time_sums(fd_comm *comm, int fast, float *data, float *scratch, size_t count, double *seconds) {
  double took[ROUNDS];
  for (int i = -1; i < ROUNDS; i++) { /* the first one is a warm-up */
    FD_TRY(comm->ops->barrier(comm));
    double start = fd_seconds();
    FD_TRY(fast ? comm->ops->sum_f32(comm, data, count) : fd_comm_tree_sum_f32(comm, data, count, scratch));
    if (i >= 0) took[i] = fd_seconds() - start;
  }
  qsort(took, ROUNDS, sizeof *took, ascending);
  *seconds = took[ROUNDS / 2];
  return FD_OK;
}

/* Seconds of this rank for teacher, student and backward pass of one micro-batch. */
static fd_status time_micro_batch(fd_device *dev, const fd_network *net, int sequences, int tokens, int cls, float *params,
                                  float *gradient, double *seconds) {
  fd_status status = FD_OK;
  fd_activations *student = NULL, *teacher = NULL;
  int rows = sequences * tokens, *start = NULL;
  float *x = NULL, *dlogits = NULL;
  FD_GO(fd_activations_create(&student, net, dev, rows, 1));
  FD_GO(fd_activations_create(&teacher, net, dev, rows, 0));
  FD_GO(fd_alloc(&start, (size_t)sequences + 1, sizeof *start, "timing"));
  FD_GO(dev->alloc(dev, &x, (size_t)rows * FD_SYMBOLS * sizeof *x, "timing"));
  FD_GO(dev->alloc(dev, &dlogits, (size_t)rows * FD_SYMBOLS * sizeof *x, "timing"));
  for (int i = 0; i <= sequences; i++) start[i] = i * tokens;
  fd_seqs seqs = {sequences, cls, start};
  dev->ops.zero(dev, (size_t)rows * FD_SYMBOLS, x);
  dev->ops.zero(dev, (size_t)rows * FD_SYMBOLS, dlogits);
  for (int i = 0; i < 2; i++) { /* the first one is a warm-up */
    double from = fd_seconds();
    fd_network_forward(net, dev, &seqs, params, x, teacher);
    fd_network_forward(net, dev, &seqs, params, x, student);
    fd_network_backward(net, dev, &seqs, params, x, student, dlogits, NULL, gradient);
    FD_GO(dev->sync(dev));
    *seconds = fd_seconds() - from;
  }
done:
  fd_activations_destroy(&student);
  fd_activations_destroy(&teacher);
  if (dev) dev->release(dev, x), dev->release(dev, dlogits);
  free(start);
  return status;
}

/* The largest value over the ranks: each fills its place beside zeros, so adding the bits gathers them. */
static fd_status slowest(fd_comm *comm, double *value) {
  double all[comm->size];
  for (int r = 0; r < comm->size; r++) all[r] = r == comm->rank ? *value : 0;
  FD_TRY(comm->ops->sum_u64(comm, (uint64_t *)(void *)all, (size_t)comm->size));
  for (int r = 0; r < comm->size; r++)
    if (all[r] > *value) *value = all[r];
  return FD_OK;
}

static void print(const fd_comm *comm, size_t count, double latency, double exact, double fast, double computing) {
  double bytes = (double)count * sizeof(float), wire = 2.0 * (comm->size - 1) / comm->size * bytes;
  int hosts = 0;
  for (int r = 0; r < comm->size; r++) {
    int known = 0;
    for (int other = 0; other < r && comm->host; other++) known |= !strcmp(comm->host[r], comm->host[other]);
    hosts += !known;
  }
  printf("network\n");
  printf("  %-16s %d on %d host%s\n", "ranks", comm->size, hosts, hosts > 1 ? "s" : "");
  printf("  %-16s %.1f us (a sum of one number)\n", "latency", latency * 1e6);
  printf("  %-16s %.1f MB: each rank sends 2 (n-1)/n of it, %.1f MB, a step\n", "gradient", bytes * 1e-6, wire * 1e-6);
  printf("  %-16s %.2f ms, %.2f GB/s a rank\n", "reproducible sum", exact * 1e3, wire / exact * 1e-9);
  printf("  %-16s %.2f ms, %.2f GB/s a rank\n", "fast sum", fast * 1e3, wire / fast * 1e-9);
  printf("  %-16s %.2f ms a step on the slowest rank\n", "computing", computing * 1e3);
  double share = exact / (exact + computing);
  printf("  %-16s %.1f %% of a step%s\n", "the sum takes", 100 * share,
         share < 0.1 ? "" : ": a larger train.batch, fewer ranks or a faster network would pay");
}

fd_status fd_doctor_net(fd_comm *comm, const fd_config *c, int window) {
  fd_status status = FD_OK;
  fd_device *dev = NULL;
  fd_network *net = NULL;
  float *params = NULL, *gradient = NULL, *scratch = NULL;
  uint64_t one = 1;
  double exact, fast, computing = 0, latency;
  if (comm->size < 2)
    return fd_fail(FD_USAGE, "findna doctor --net: needs several ranks: mpirun -n 2 findna doctor --net (or srun)");
  FD_TRY(fd_trainer_check_ranks(c, comm->size));
  int own = (int)(c->train.virtual_ranks / comm->size), size = (int)(c->train.batch / c->train.virtual_ranks),
      cls = (int)c->model.cls;
  FD_GO(fd_device_open(&dev, c, comm->local_size));
  FD_GO(fd_network_create(&net, c, window));
  size_t n = net->params.size;
  FD_GO(dev->alloc(dev, &params, n * sizeof *params, "timing"));
  FD_GO(dev->alloc(dev, &gradient, n * sizeof *gradient, "timing"));
  FD_GO(fd_alloc(&scratch, n / 2 + 1, sizeof *scratch, "timing"));
  dev->ops.zero(dev, n, params);
  fd_comm_phase(comm, -1, "the timing of a micro-batch");
  FD_GO(time_micro_batch(dev, net, size, window + cls, cls, params, gradient, &computing));
  computing *= own;
  fd_comm_phase(comm, -1, "the timing of sums");
  FD_GO(time_sums(comm, 0, gradient, scratch, n, &exact));
  FD_GO(time_sums(comm, 1, gradient, scratch, n, &fast));
  FD_GO(comm->ops->barrier(comm));
  latency = fd_seconds();
  for (int i = 0; i < SMALL_ROUNDS; i++) FD_GO(comm->ops->sum_u64(comm, &one, 1));
  latency = (fd_seconds() - latency) / SMALL_ROUNDS;
  FD_GO(slowest(comm, &computing));
  if (comm->rank == 0) print(comm, n, latency, exact, fast, computing);
done:
  if (dev) dev->release(dev, params), dev->release(dev, gradient);
  free(scratch);
  fd_network_destroy(&net);
  fd_device_close(&dev);
  return status;
}
