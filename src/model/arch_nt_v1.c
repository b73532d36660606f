/* Architecture `nt_v1`: Nucleotide Transformer (ESM with learned positions and token dropout), with the published tensor names. */
#include "model/esm.h"

enum { MASK = 2 /* id of <mask> in the published vocabulary */ };

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  fd_graph *g = &net->graph;
  int channels = (int)config->model.channels;
  (void)window;
  net->positions = (int)config->model.positions;
  fd_value x = fd_lookup(g, "esm.embeddings.word_embeddings", ids, FD_BY_ID, (int)config->model.vocabulary, channels);
  net->words = x;
  x = fd_token_dropout(g, "esm.embeddings.words", x, ids, MASK);
  fd_value at =
      fd_lookup(g, "esm.embeddings.position_embeddings", x, FD_BY_LATER_POSITION, net->positions + FD_LATER, channels);
  x = fd_add(g, "esm.embeddings", x, at);
  const fd_esm esm = {0, FD_POSITIONS_NONE, FD_NONE};
  return fd_esm_encode(g, config, &esm, x);
}

const fd_arch fd_arch_nt_v1 = {.name = "nt_v1", .build = build, .head = fd_esm_head, .describe = fd_describe_blocks};
