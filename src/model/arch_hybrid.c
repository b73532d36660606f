/* Architecture `hybrid`: BERT's layers, then convolutions over their latents with the widths of model.kernels, each followed by
 * ReLU. */
#include <inttypes.h>
#include <stdio.h>

#include "model/bert.h"
#include "model/network.h"

/* Attention masks out padding; convolutions include it, as published. */
static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  const fd_bert encoder = {.prefix = "bert", .layers = (int)config->model.layers, .visible = 1};
  fd_graph *g = &net->graph;
  int taps[FD_KERNELS_MAX], count = fd_config_kernels(config, taps);
  (void)window;
  net->channels = (int)config->model.filters;
  net->positions = (int)config->model.positions;
  fd_value x =
      fd_lookup(g, "bert.embeddings.word_embeddings", ids, FD_BY_ID, (int)config->model.vocabulary, (int)config->model.channels);
  net->words = x;
  x = fd_bert_encode(g, config, &encoder, x);
  for (int i = 0; i < count; i++) {
    char name[FD_NAME_MAX];
    snprintf(name, sizeof name, "conv%d", i + 1);
    x = fd_conv1d(g, name, x, net->channels, taps[i]);
    snprintf(name, sizeof name, "relu%d", i + 1);
    x = fd_activation(g, name, x, FD_ACT_RELU);
  }
  return x;
}

static void describe(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]) {
  int taps[FD_KERNELS_MAX], count = fd_config_kernels(config, taps);
  snprintf(text, FD_NAME_MAX, "%" PRId64 " blocks of %" PRId64 " heads, %d convolution%s of %d filters", config->model.layers,
           config->model.heads, count, count > 1 ? "s" : "", network->channels);
}

const fd_arch fd_arch_hybrid = {.name = "hybrid", .build = build, .describe = describe};
