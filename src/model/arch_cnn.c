/* Architecture `cnn`: embedded tokens, then convolutions with the widths of model.kernels, each followed by batch normalization
 * and ReLU. */
#include <stdio.h>

#include "model/network.h"

static const float epsilon = 1e-5f;

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  fd_graph *g = &net->graph;
  int taps[FD_KERNELS_MAX], count = fd_config_kernels(config, taps);
  (void)window;
  net->channels = (int)config->model.filters;
  fd_value x = fd_lookup(g, "embedding", ids, FD_BY_ID, (int)config->model.vocabulary, (int)config->model.channels);
  net->words = x;
  for (int i = 0; i < count; i++) {
    char name[FD_NAME_MAX];
    snprintf(name, sizeof name, "conv%d", i + 1);
    x = fd_conv1d(g, name, x, net->channels, taps[i]);
    snprintf(name, sizeof name, "bn%d", i + 1);
    x = fd_batch_norm(g, name, x, epsilon);
    snprintf(name, sizeof name, "relu%d", i + 1);
    x = fd_activation(g, name, x, FD_ACT_RELU);
  }
  return x;
}

static void describe(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]) {
  int taps[FD_KERNELS_MAX], count = fd_config_kernels(config, taps);
  snprintf(text, FD_NAME_MAX, "%d convolution%s of %d filters", count, count > 1 ? "s" : "", network->channels);
}

const fd_arch fd_arch_cnn = {.name = "cnn", .build = build, .describe = describe};
