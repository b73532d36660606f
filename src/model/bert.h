/* BERT's embeddings and layers (post-LN, learned positions), with their published names of tensors: what encoders and decoders
 * are made of. */
#ifndef FD_MODEL_BERT_H
#define FD_MODEL_BERT_H

#include "model/nodes.h"

typedef struct fd_bert {
  const char *prefix; /* of its tensors: "bert" */
  int layers;
  int visible; /* attention looks only at tokens that are not hidden: rows of all tokens then give what packed visible rows do (a
                  test) */
  float attention; /* dropout of attention's probabilities, in training */
  int number;      /* of its first layer, for what is drawn; layers + 1 numbers are its own */
} fd_bert;

/* The rows of words, of any space of tokens, with their types and positions, through the layers: as many columns. */
fd_value fd_bert_encode(fd_graph *graph, const fd_config *config, const fd_bert *bert, fd_value words);

#endif
