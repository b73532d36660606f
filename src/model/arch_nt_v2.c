/* Architecture `nt_v2`: Nucleotide Transformer v2 (ESM with gated feed-forward layers), with the published tensor names. */
#include "model/esm.h"

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  fd_graph *g = &net->graph;
  int channels = (int)config->model.channels;
  (void)window;
  fd_value x = fd_lookup(g, "esm.embeddings.word_embeddings", ids, FD_BY_ID, (int)config->model.vocabulary, channels);
  net->words = x;
  const fd_esm esm = {1, FD_POSITIONS_ROTARY, fd_rotary_table(g, "rotary", channels / (int)config->model.heads)};
  return fd_esm_encode(g, config, &esm, x);
}

const fd_arch fd_arch_nt_v2 = {.name = "nt_v2", .build = build, .head = fd_esm_head, .describe = fd_describe_blocks};
