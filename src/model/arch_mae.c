/* Architecture `mae` (BarcodeMAE): an encoder BERT over the visible words only, and a decoder BERT over all words, with a learned
 * row for each hidden word, that predicts the hidden words. */
#include <inttypes.h>
#include <stdio.h>

#include "model/bert.h"
#include "model/network.h"

enum { SPECIAL = 2 /* ids of special tokens: [MASK], [UNK] */ };

static fd_value build(fd_network *net, const fd_config *config, int window, fd_value ids) {
  const fd_bert encoder = {.prefix = "bert", .layers = (int)config->model.layers};
  fd_graph *g = &net->graph;
  (void)window;
  net->positions = (int)config->model.positions;
  fd_value x =
      fd_lookup(g, "bert.embeddings.word_embeddings", ids, FD_BY_ID, (int)config->model.vocabulary, (int)config->model.channels);
  return fd_bert_encode(g, config, &encoder, fd_select_rows(g, "visible", x, FD_VISIBLE));
}

/* Passes the latents of the visible words, and a learned row for each hidden word, through the decoder: rows of all words. */
static fd_value decode(fd_graph *g, const fd_config *config, fd_value latent) {
  const fd_bert decoder = {
      .prefix = "decoder", .layers = (int)config->model.decoder_layers, .number = (int)config->model.layers + 1};
  const fd_value hidden = {FD_NO_VALUE, FD_HIDDEN, 0};
  fd_value x = fd_linear(g, "decoder.projection", latent, latent.width, 0);
  fd_value mask = fd_lookup(g, "decoder.mask", hidden, FD_BY_TYPE, 1, latent.width);
  x = fd_add(g, "decoder.input", fd_scatter_rows(g, "decoder.visible", x), fd_scatter_rows(g, "decoder.hidden", mask));
  return fd_bert_encode(g, config, &decoder, x);
}

/* Logits of the hidden words; of all words where visible words have a weight in the loss; none for fine-tuning. */
static fd_value head(fd_network *net, const fd_config *config, fd_value latent) {
  fd_graph *g = &net->graph;
  int words = (int)config->model.vocabulary - SPECIAL;
  if (config->task.outputs) return FD_NONE;
  net->first_word = SPECIAL;
  fd_value x = decode(g, config, latent);
  if (config->objective.hidden_weight == 1) {
    x = fd_select_rows(g, "decoder.rows", x, FD_HIDDEN);
    net->out[FD_OUT_HIDDEN] = fd_linear(g, "decoder.classifier", x, words, 1);
    return FD_NONE;
  }
  fd_value logits = fd_linear(g, "decoder.classifier", x, words, 1);
  net->out[FD_OUT_HIDDEN] = fd_select_rows(g, "decoder.hidden_logits", logits, FD_HIDDEN);
  net->out[FD_OUT_VISIBLE] = fd_select_rows(g, "decoder.visible_logits", logits, FD_VISIBLE);
  return logits;
}

static void describe(const fd_network *network, const fd_config *config, char text[FD_NAME_MAX]) {
  int n = snprintf(text, FD_NAME_MAX, "%" PRId64 " blocks of %" PRId64 " heads", config->model.layers, config->model.heads);
  (void)network;
  if (!config->task.outputs)
    snprintf(text + n, FD_NAME_MAX - (size_t)n, ", %" PRId64 " in the decoder", config->model.decoder_layers);
}

const fd_arch fd_arch_mae = {.name = "mae", .build = build, .head = head, .describe = describe};
