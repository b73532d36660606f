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
                      .cls = (int)config->model.cls,
                      .recompute = config->model.recompute};
  snprintf(layer->name, sizeof layer->name, "%s", prefix);
  return kind->declare(layer, prefix, &net->params);
}

static fd_status add_projection(fd_network *net, const fd_config *config) {
  if (!fd_config_projects(config)) return FD_OK;
  net->projection = (fd_task_head){.outputs = (int)config->objective.prototypes,
                                   .features = (int)config->objective.projection_of,
                                   .channels = net->channels,
                                   .width = net->channels,
                                   .hidden = (int)config->model.hidden};
  return fd_task_head_declare(&net->projection, "projection", &net->params);
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
  const fd_layer_kind *embedding = config->model.cls_tokens == FD_CLS_LEARNED ? &fd_layer_embedding : &fd_layer_linear;
  FD_GO(add_layer(net, embedding, FD_SYMBOLS, net->channels, config, "embedding"));
  for (int n = 0; n < networks; n++) {
    for (int b = 0; b < net->blocks; b++) {
      char prefix[32];
      snprintf(prefix, sizeof prefix, "encoder.%d.%d", n, b);
      FD_GO(add_layer(net, &fd_layer_chordmixer, net->channels, net->channels, config, prefix));
    }
  }
  FD_GO(add_layer(net, &fd_layer_linear, net->channels, FD_SYMBOLS, config, "head"));
  FD_GO(add_projection(net, config));
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
static size_t bytes_per_row(const fd_network *net, fd_form form, int keep) {
  size_t channels = fd_form_row(form, net->channels), bytes = FD_SYMBOLS * sizeof(float) + 2 * channels;
  if (keep && net->dropout > 0) bytes += 2 * channels;
  for (int i = 1; keep && i < net->layers; i++) bytes += channels + fd_form_row(form, net->layer[i].kind->saved(&net->layer[i]));
  return bytes;
}

size_t fd_network_core(const fd_network *network) {
  for (int i = 0; i < network->params.count; i++)
    if (fd_param_is_of(&network->params.item[i], "projection") || fd_param_is_of(&network->params.item[i], "task"))
      return network->params.item[i].offset;
  return network->params.size;
}

size_t fd_activations_size(const fd_network *network, fd_form form, int rows, int keep) {
  return bytes_per_row(network, form, keep) * (size_t)rows;
}

/* The next `width` values of each row from the pool. */
static fd_mat take(char **at, fd_form form, int width, int rows) {
  fd_mat m = fd_form_mat(form, *at, width);
  *at += fd_form_row(form, width) * (size_t)rows;
  return m;
}

fd_status fd_activations_create(fd_activations **acts, const fd_network *network, fd_device *dev, int rows, int keep) {
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(acts, 1, sizeof **acts, "activations"));
  fd_activations *a = *acts;
  fd_form form = dev->form;
  int channels = network->channels;
  a->dev = dev;
  a->rows_max = rows;
  a->keep = keep;
  a->layers = network->layers;
  FD_GO(fd_alloc(&a->x, (size_t)a->layers, sizeof *a->x, "activations"));
  FD_GO(fd_alloc(&a->saved, (size_t)a->layers, sizeof *a->saved, "activations"));
  FD_GO(dev->alloc(dev, &a->pool, fd_activations_size(network, form, rows, keep),
                   keep ? "activations of a micro-batch (smaller train.batch / train.virtual_ranks needs less)" : "activations"));
  char *at = a->pool;
  for (int i = 0; i < 2; i++) a->gradient[i] = take(&at, form, channels, rows);
  for (int i = 0; i < 2 && keep && network->dropout > 0; i++) a->dropped[i] = take(&at, form, channels, rows);
  for (int i = 1; i < a->layers; i++) {
    int saved = network->layer[i].kind->saved(&network->layer[i]);
    a->x[i] = keep ? take(&at, form, channels, rows) : a->gradient[i % 2];
    if (keep && saved) a->saved[i] = take(&at, form, saved, rows);
  }
  a->logits = (float *)(void *)at; /* last: the others keep the alignment of the pool */
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
  return network->dropout > 0 && acts->dropout && network->layer[layer].kind == &fd_layer_chordmixer;
}

void fd_network_forward(const fd_network *network, fd_device *dev, const fd_seqs *seqs, const float *params, const float *x,
                        fd_activations *acts) {
  for (int i = 0; i < network->layers; i++) {
    const fd_layer *layer = &network->layer[i];
    fd_mat y = i + 1 < network->layers ? acts->x[i + 1] : fd_dense(acts->logits, FD_SYMBOLS);
    layer->kind->forward(layer, dev, seqs, params, i ? acts->x[i] : fd_dense(x, FD_SYMBOLS), acts->saved[i], y);
    if (drops(network, acts, i))
      dev->ops.dropout_forward(dev, seqs, network->channels, network->dropout, network->dropout_key, i, acts->x[i], y);
    fd_device_check(dev, "forward pass", layer->name, fd_seqs_rows(seqs), layer->out, y);
  }
}

void fd_network_backward(const fd_network *network, fd_device *dev, const fd_seqs *seqs, const float *params, const float *x,
                         fd_activations *acts, const float *dlogits, fd_mat dlatent, float *grads,
                         const fd_backward_watch *watch) {
  fd_mat dy = fd_dense(dlogits, FD_SYMBOLS);
  for (int i = network->layers - 1; i >= 0; i--) {
    const fd_layer *layer = &network->layer[i];
    fd_mat dx = i ? acts->gradient[i % 2] : (fd_mat){0};
    int rows = fd_seqs_rows(seqs), dropped = drops(network, acts, i);
    if (dropped) {
      dev->ops.dropout_backward(dev, seqs, network->channels, network->dropout, network->dropout_key, i, dy, acts->dropped[0],
                                acts->dropped[1]);
      dy = acts->dropped[0];
    }
    layer->kind->backward(layer, dev, seqs, params, i ? acts->x[i] : fd_dense(x, FD_SYMBOLS), acts->saved[i], dy, dx, grads);
    if (dropped) dev->ops.add_rows(dev, rows, dx, acts->dropped[1], dx);
    if (dlatent.at && i == network->layers - 1) dev->ops.add_rows(dev, rows, dx, dlatent, dx);
    fd_device_check(dev, "backward pass", layer->name, rows, layer->in, dx);
    if (watch) watch->ready(watch->context, layer->offset[0]);
    dy = dx;
  }
}
