/* Architecture `bert`: BERT's encoder, with the published tensor names. */
#include "model/bert.h"
#include "model/network.h"

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  const fd_bert encoder = {.prefix = "bert", .layers = (int)config->model.layers};
  (void)window;
  net->positions = (int)config->model.positions;
  fd_value x = fd_lookup(&net->graph, "bert.embeddings.word_embeddings", ids, FD_BY_ID, (int)config->model.vocabulary,
                         (int)config->model.channels);
  net->words = x;
  return fd_bert_encode(&net->graph, config, &encoder, x);
}

static fd_value head(fd_network *net, const fd_config *config, fd_value latent) {
  fd_lm_head_names names = {"cls.predictions.transform.dense", "cls.predictions.transform.act",
                            "cls.predictions.transform.LayerNorm", "cls.predictions.decoder", "cls.predictions"};
  if (fd_config_lm_head(config) == FD_LM_HEAD_OWN) names.bias = names.decoder; /* the bias is untied as well */
  return fd_lm_head(net, config, latent, &names);
}

const fd_arch fd_arch_bert = {.name = "bert", .build = build, .head = head, .describe = fd_describe_blocks};
