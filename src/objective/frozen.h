/* A frozen teacher: a network with an architecture, weights and a tokenizer of its own, which is run forward over its own view of
 * a batch and never learns. It stands outside of the state, of gradients and of checkpoints, whose MANIFEST keeps its SHA-256
 * alone. Loss terms read its outputs (fd_outputs.frozen). */
#ifndef FD_OBJECTIVE_FROZEN_H
#define FD_OBJECTIVE_FROZEN_H

#include "base/hash.h"
#include "data/view.h"
#include "model/network.h"
#include "objective/features_cache.h"

typedef struct fd_frozen {
  const fd_network *network; /* borrowed */
  fd_device *dev;
  const float *params; /* for the device */
  fd_pass *pass;
  fd_spaces spaces; /* of the view that was taken last */
  const void *input;
  fd_features_cache *cache; /* NULL: none */
  int known, ran;           /* the view's features are the cache's; the network has run over the view */
} fd_frozen;

/* Bytes of device memory that such a teacher takes on a device that stores activations so: weights, with copies of these where
 * products read bf16, and a pass. */
size_t fd_frozen_memory(const fd_network *network, fd_form form, unsigned wanted, fd_extent extent);

/* A teacher for views up to an extent. weights: host memory, the network's layout, borrowed; `wanted`: outputs that terms read,
 * bits 1 << FD_OUT_.... What it takes is no longer counted as free on the device. */
fd_status fd_frozen_create(fd_frozen **frozen, fd_device *dev, const fd_network *network, const float *weights, unsigned wanted,
                           fd_extent extent) FD_MUST_CHECK;
void fd_frozen_destroy(fd_frozen **frozen);

/* From now on latents are kept for so many keys of views of up to `rows` rows a sequence, `count` sequences a batch; no other
 * output is then there. A key's view must be the same one always. */
fd_status fd_frozen_cache(fd_frozen *frozen, int64_t keys, int rows, int count) FD_MUST_CHECK;

/* What that takes of the host's memory. */
double fd_frozen_cache_memory(const fd_network *network, fd_form form, int64_t keys, int rows);

/* Takes a view, which was sent; borrowed until the next. */
fd_status fd_frozen_take(fd_frozen *frozen, const fd_view *view) FD_MUST_CHECK;

/* Runs the network as it is evaluated: nothing is drawn. Unless all features of the view were kept. */
void fd_frozen_forward(fd_frozen *frozen);

/* An output, after the forward pass; its rows are those of `spaces` of that output's space. */
fd_mat fd_frozen_output(const fd_frozen *frozen, fd_out output);

/* SHA-256 over names, shapes and values of all tensors. */
fd_status fd_frozen_identity(const fd_network *network, const float *weights, char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

#endif
