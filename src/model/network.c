/* A network as a list of layers: embedding, networks x blocks of the encoder, head. */
#include "model/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static int log2_ceiling(int n) {
  int bits = 0;
  while (bits < 31 && 1 << bits < n) bits++;
  return bits;
}

static fd_status add_layer(fd_network *net, const fd_layer_kind *kind, int in, int out, const fd_config *config,
                           const char *prefix) {
  fd_layer *layer = &net->layer[net->layers++];
  *layer = (fd_layer){.kind = kind,
                      .in = in,
                      .out = out,
                      .hidden = (int)config->model.hidden,
                      .track = (int)config->model.track,
                      .recompute = config->model.recompute};
  return kind->declare(layer, prefix, &net->params);
}

fd_status fd_network_create(fd_network **network, const fd_config *config, int window) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(network, 1, sizeof **network, "network"));
  fd_network *net = *network;
  int networks = (int)config->model.networks;
  net->channels = (int)config->model.channels;
  net->dropout = config->task.outputs ? (float)config->task.dropout : 0;
  net->dropout_key = fd_rng_key_of((uint64_t)config->run.seed, FD_RNG_DROPOUT);
  net->blocks = config->model.blocks ? (int)config->model.blocks : log2_ceiling(window + (int)config->model.cls);
  FD_GO(fd_alloc(&net->layer, (size_t)(networks * net->blocks) + 2, sizeof *net->layer, "network"));
  FD_GO(add_layer(net, &fd_layer_linear, FD_SYMBOLS, net->channels, config, "embedding"));
  for (int n = 0; n < networks; n++) {
    for (int b = 0; b < net->blocks; b++) {
      char prefix[32];
      snprintf(prefix, sizeof prefix, "encoder.%d.%d", n, b);
      FD_GO(add_layer(net, &fd_layer_chordmixer, net->channels, net->channels, config, prefix));
    }
  }
  FD_GO(add_layer(net, &fd_layer_linear, net->channels, FD_SYMBOLS, config, "head"));
  FD_GO(fd_task_head_create(&net->task, config, &net->params));
done:
  if (status != FD_OK) fd_network_destroy(network);
  return status;
}

void fd_network_destroy(fd_network **network) {
  if (!*network) return;
  fd_params_free(&(*network)->params);
  free((*network)->layer);
  free(*network);
  *network = NULL;
}

/* Buffers of one row: without `keep` two that alternate, else the input of every layer after the first, what it saves, and two
 * gradients (four with dropout). Both have the logits. */
static size_t floats_per_row(const fd_network *net, int keep) {
  size_t channels = (size_t)net->channels, floats = FD_SYMBOLS + 2 * channels;
  if (keep && net->dropout > 0) floats += 2 * channels;
  for (int i = 1; keep && i < net->layers; i++) floats += channels + net->layer[i].kind->saved(&net->layer[i]);
  return floats;
}

size_t fd_network_core(const fd_network *network) {
  for (int i = 0; i < network->params.count; i++)
    if (!strncmp(network->params.item[i].name, "task.", 5)) return network->params.item[i].offset;
  return network->params.size;
}

size_t fd_activations_size(const fd_network *network, int rows, int keep) { return floats_per_row(network, keep) * (size_t)rows; }

fd_status fd_activations_create(fd_activations **acts, const fd_network *network, fd_device *dev, int rows, int keep) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(acts, 1, sizeof **acts, "activations"));
  fd_activations *a = *acts;
  size_t n = (size_t)rows, channels = (size_t)network->channels;
  a->dev = dev;
  a->rows_max = rows;
  a->keep = keep;
  a->layers = network->layers;
  FD_GO(fd_alloc(&a->x, (size_t)a->layers, sizeof *a->x, "activations"));
  FD_GO(fd_alloc(&a->saved, (size_t)a->layers, sizeof *a->saved, "activations"));
  FD_GO(dev->alloc(dev, &a->pool, floats_per_row(network, keep) * n * sizeof(float),
                   keep ? "activations of a micro-batch (smaller train.batch / train.virtual_ranks needs less)" : "activations"));
  float *at = a->pool;
  a->gradient[0] = at;
  a->gradient[1] = at + channels * n;
  at += 2 * channels * n;
  for (int i = 0; i < 2 && keep && network->dropout > 0; i++, at += channels * n) a->dropped[i] = at;
  a->logits = at;
  at += FD_SYMBOLS * n;
  for (int i = 1; i < a->layers; i++) {
    size_t saved = keep ? network->layer[i].kind->saved(&network->layer[i]) : 0;
    a->x[i] = keep ? at : a->gradient[i % 2];
    at += keep ? channels * n : 0;
    a->saved[i] = saved ? at : NULL;
    at += saved * n;
  }
  a->latent = a->x[a->layers - 1];
done:
  if (status != FD_OK) fd_activations_destroy(acts);
  return status;
}

void fd_activations_destroy(fd_activations **acts) {
  fd_activations *a = *acts;
  if (!a) return;
  a->dev->release(a->dev, a->pool);
  free(a->x);
  free(a->saved);
  free(a);
  *acts = NULL;
}

/* Whether a layer's output is thinned out in this pass. */
static int drops(const fd_network *network, const fd_activations *acts, int layer) {
  return network->dropout > 0 && acts->draws && network->layer[layer].kind == &fd_layer_chordmixer;
}

void fd_network_forward(const fd_network *network, fd_device *dev, const fd_seqs *seqs, const float *params, const float *x,
                        fd_activations *acts) {
  for (int i = 0; i < network->layers; i++) {
    const fd_layer *layer = &network->layer[i];
    float *y = i + 1 < network->layers ? acts->x[i + 1] : acts->logits;
    layer->kind->forward(layer, dev, seqs, params, i ? acts->x[i] : x, acts->saved[i], y);
    if (drops(network, acts, i))
      dev->ops.dropout_forward(dev, seqs, network->channels, network->dropout, network->dropout_key, acts->draws, i, acts->x[i],
                               y);
  }
}

void fd_network_backward(const fd_network *network, fd_device *dev, const fd_seqs *seqs, const float *params, const float *x,
                         fd_activations *acts, const float *dlogits, const float *dlatent, float *grads) {
  const float *dy = dlogits;
  for (int i = network->layers - 1; i >= 0; i--) {
    const fd_layer *layer = &network->layer[i];
    float *dx = i ? acts->gradient[i % 2] : NULL;
    size_t size = (size_t)fd_seqs_rows(seqs) * (size_t)network->channels;
    int dropped = drops(network, acts, i);
    if (dropped) {
      dev->ops.dropout_backward(dev, seqs, network->channels, network->dropout, network->dropout_key, acts->draws, i, dy,
                                acts->dropped[0], acts->dropped[1]);
      dy = acts->dropped[0];
    }
    layer->kind->backward(layer, dev, seqs, params, i ? acts->x[i] : x, acts->saved[i], dy, dx, grads);
    if (dropped) dev->ops.add(dev, size, dx, acts->dropped[1], dx);
    if (dlatent && i == network->layers - 1) dev->ops.add(dev, size, dx, dlatent, dx);
    dy = dx;
  }
}
