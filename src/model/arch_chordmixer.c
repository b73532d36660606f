/* Architecture `chordmixer` (arXiv 2405.08538, section 3.1): embedding, then networks of blocks. */
#include <inttypes.h>
#include <stdio.h>

#include "model/network.h"

static int log2_ceiling(int n) {
  int bits = 0;
  while (bits < 31 && 1 << bits < n) bits++;
  return bits;
}

int fd_network_blocks(const fd_config *config, int window) {
  if (config->model.encoder != FD_ARCH_CHORDMIXER) return 0;
  return config->model.blocks ? (int)config->model.blocks : log2_ceiling(window + (int)config->model.cls);
}

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value x) {
  int networks = (int)config->model.networks, channels = (int)config->model.channels;
  fd_chordmixer_settings block = {.hidden = (int)config->model.hidden,
                                  .track = (int)config->model.track,
                                  .recompute = config->model.recompute,
                                  .dropout = config->task.outputs ? (float)config->task.dropout : 0,
                                  .key = fd_rng_key_of((uint64_t)config->run.seed, FD_RNG_DROPOUT)};
  net->blocks = fd_network_blocks(config, window);
  x = config->model.cls_tokens == FD_CLS_LEARNED ? fd_embedding(&net->graph, "embedding", x, channels, (int)config->model.cls)
                                                 : fd_linear(&net->graph, "embedding", x, channels, 0);
  for (int n = 0; n < networks; n++) {
    for (int b = 0; b < net->blocks; b++) {
      char name[FD_NAME_MAX];
      snprintf(name, sizeof name, "encoder.%d.%d", n, b);
      block.layer++; /* from 1: the embedding is layer 0 */
      x = fd_chordmixer(&net->graph, name, x, &block);
    }
  }
  return x;
}

static void describe(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]) {
  snprintf(text, FD_NAME_MAX, "%" PRId64 " networks of %d blocks", config->model.networks, network->blocks);
}

const fd_arch fd_arch_chordmixer = {.name = "chordmixer", .build = build, .head = fd_symbol_head, .describe = describe};
