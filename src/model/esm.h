/* ESM's layers (pre-LN) and language-model head, with the published tensor names: the parts of Nucleotide Transformer's encoders. */
#ifndef FD_MODEL_ESM_H
#define FD_MODEL_ESM_H

#include "model/network.h"

typedef struct fd_esm {
  int gated;          /* W_2 (SiLU(a) * b), [a; b] = W_1 x, without biases; else W_2 GELU(W_1 x) */
  fd_positions kind;  /* of attention */
  fd_value positions; /* for attention, as in fd_attend */
} fd_esm;

/* Passes rows of words through the layers and the last normalization; the width stays the same. */
fd_value fd_esm_encode(fd_graph *graph, const fd_config *config, const fd_esm *esm, fd_value words);

/* The logits of masked words from latents: fd_arch.head. */
fd_value fd_esm_head(fd_network *network, const fd_config *config, fd_value latent);

#endif
