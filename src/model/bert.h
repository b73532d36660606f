/* BERT's embeddings and layers (post-LN, learned positions), with the published tensor names: the parts of encoders and
 * decoders. */
#ifndef FD_MODEL_BERT_H
#define FD_MODEL_BERT_H

#include "model/nodes.h"

typedef struct fd_bert {
  const char *prefix; /* of the tensor names: "bert" */
  int layers;
  /* Attention masks out hidden tokens: rows of all tokens then yield the same values as packed visible rows (a test checks it).
   */
  int visible;
  int number; /* of the first layer, for random draws; uses layers + 1 numbers */
} fd_bert;

/* Adds token types and positions to the rows of words, of any space of tokens, and passes them through the layers; the width
 * stays the same. */
fd_value fd_bert_encode(fd_graph *graph, const fd_config *config, const fd_bert *bert, fd_value words);

#endif
