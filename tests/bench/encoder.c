/* Measures encoders over ids of the configured shape on train.batch sequences of model.positions tokens: a training step
 * (forward, backward from a given gradient by the latents, AdamW) or a forward pass; or a training step on packed sequences of 61
 * to 72 tokens, 66.5 on average, the lengths of 300 nucleotides in DNABERT-2's words. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "bench.h"
#include "model/network.h"

typedef struct encoder {
  fd_device *dev;
  fd_network *network;
  fd_pass *pass;
  fd_spaces spaces;
  fd_seqs seqs;
  int32_t *ids;
  float *params, *m, *v;
} encoder;

/* Keep equal to `lengths` in torch_encoder.py. */
static int packed_length(int i) { return 61 + 5 * i % 12; }

static fd_status open_encoder(encoder *e, const fd_config *c, int learns, int packed) {
  int tokens = (int)c->model.positions, count = (int)c->train.batch;
  const fd_extent extent = {count * tokens, count, 0};
  const fd_demand demand = {1u << FD_OUT_LATENT, learns ? 1u << FD_OUT_LATENT : 0, learns};
  FD_TRY(fd_device_open(&e->dev, c, 0, 1));
  FD_TRY(fd_network_create(&e->network, c, tokens));
  FD_TRY(fd_network_pass(&e->pass, e->network, e->dev, demand, extent));
  FD_TRY(fd_spaces_create(&e->spaces, e->dev, fd_pass_spaces(e->pass), extent));
  FD_TRY(fd_seqs_create(&e->seqs, e->dev, count, 0));
  e->seqs.count = count;
  for (int i = 0; i < count; i++) e->seqs.start[i + 1] = e->seqs.start[i] + (packed ? packed_length(i) : tokens);
  FD_TRY(fd_spaces_set(&e->spaces, &e->seqs));
  size_t n = e->network->params.size;
  e->ids = calloc((size_t)extent.tokens, sizeof *e->ids);
  for (int i = 0; i < extent.tokens; i++) e->ids[i] = i * 7919 % (int)c->model.vocabulary;
  e->params = calloc(n, sizeof(float));
  if (learns) e->m = calloc(n, sizeof(float)), e->v = calloc(n, sizeof(float));
  fd_params_init(&e->network->params, 1, e->params);
  return FD_OK;
}

static void close_encoder(encoder *e) {
  fd_pass_destroy(&e->pass);
  fd_spaces_destroy(&e->spaces);
  fd_seqs_destroy(&e->seqs, e->dev);
  fd_network_destroy(&e->network);
  fd_device_close(&e->dev);
  free(e->ids), free(e->params), free(e->m), free(e->v);
}

static double memory_megabytes(void) {
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  return (double)use.ru_maxrss * 1024e-6;
}

static void learn(encoder *e) {
  static const fd_adamw h = {1e-4f, 1e-6f, 1e-8f, 0.9f, 0.1f, 0.999f, 0.001f, 0.1f, 0.001f, 1};
  fd_mat d = fd_network_gradient(e->network, e->pass, FD_OUT_LATENT);
  fd_pass_forward(e->pass, &e->spaces, e->params, e->ids);
  for (size_t i = 0; i < (size_t)fd_seqs_rows(&e->seqs) * (size_t)d.stride; i++) ((float *)d.at)[i] = i % 3 ? 1e-3f : -1e-3f;
  fd_pass_backward(e->pass, e->pass->held, NULL);
  e->dev->ops.adamw(e->dev, e->network->params.size, &h, e->pass->held, e->params, e->m, e->v, NULL, 0);
}

static fd_status measure(fd_bench *bench, int learns, int packed) {
  encoder e = {0};
  if (packed && bench->config.model.positions < packed_length(7))
    return fd_fail(FD_USAGE, "bench: model.positions: expected at least %d", packed_length(7));
  FD_TRY(open_encoder(&e, &bench->config, learns, packed));
  for (int warm = 1; warm || fd_bench_next(bench); warm = 0) {
    double start = fd_seconds();
    if (learns) learn(&e);
    else fd_pass_forward(e.pass, &e.spaces, e.params, e.ids);
    FD_TRY(e.dev->sync(e.dev));
    if (!warm) fprintf(bench->out, "%.6f %.1f\n", fd_seconds() - start, memory_megabytes());
  }
  close_encoder(&e);
  return FD_OK;
}

fd_status fd_bench_encoder_step(fd_bench *bench) { return measure(bench, 1, 0); }

fd_status fd_bench_encoder_packed(fd_bench *bench) { return measure(bench, 1, 1); }

fd_status fd_bench_encoder_infer(fd_bench *bench) { return measure(bench, 0, 0); }
