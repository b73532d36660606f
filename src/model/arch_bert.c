/* Architecture `bert`: BERT's encoder, with its published names of tensors. */
#include "model/bert.h"
#include "model/network.h"

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  const fd_bert encoder = {.prefix = "bert", .layers = (int)config->model.layers};
  (void)window;
  net->positions = (int)config->model.positions;
  fd_value x = fd_lookup(&net->graph, "bert.embeddings.word_embeddings", ids, FD_BY_ID, (int)config->model.vocabulary,
                         (int)config->model.channels);
  return fd_bert_encode(&net->graph, config, &encoder, x);
}

const fd_arch fd_arch_bert = {.name = "bert", .ids = 1, .build = build};
