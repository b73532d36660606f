/* A frozen teacher: a network with its own architecture, weights and tokenizer, which runs forward over its own view of a batch
 * and is never trained. It has no gradients and is no part of the training state or of checkpoints; the MANIFEST stores only its
 * SHA-256. Loss terms read its outputs (fd_outputs.frozen). */
#ifndef FD_OBJECTIVE_FROZEN_H
#define FD_OBJECTIVE_FROZEN_H

#include "base/hash.h"
#include "data/view.h"
#include "model/network.h"
#include "objective/features_cache.h"

typedef struct fd_frozen {
  const fd_network *network; /* borrowed */
  fd_device *dev;
  const float *params; /* in the device's memory */
  fd_pass *pass;
  fd_spaces spaces; /* of the current view */
  const void *input;
  fd_features_cache *cache; /* NULL: none */
  int known, ran;           /* the view's features come from the cache; the network has run over the view */
} fd_frozen;

/* Bytes of device memory of such a teacher, where activations are stored as `form` says: the weights, their copies where matrix
 * products read bf16, and the buffers of a pass. */
size_t fd_frozen_memory(const fd_network *network, fd_form form, unsigned wanted, fd_extent extent);

/* A teacher for views of at most `extent`. weights: host memory, the network's layout, borrowed; `wanted`: outputs that terms
 * read, bits 1 << FD_OUT_.... The memory it uses is subtracted from dev->free_memory. */
fd_status fd_frozen_create(fd_frozen **frozen, fd_device *dev, const fd_network *network, const float *weights, unsigned wanted,
                           fd_extent extent) FD_MUST_CHECK;
void fd_frozen_destroy(fd_frozen **frozen);

/* Caches latents from now on, for `keys` keys and views of up to `rows` rows per sequence and `count` sequences per batch; no
 * other output is then available. A key must always stand for the same view. */
fd_status fd_frozen_cache(fd_frozen *frozen, int64_t keys, int rows, int count) FD_MUST_CHECK;

/* Bytes of host memory of that cache. */
double fd_frozen_cache_memory(const fd_network *network, fd_form form, int64_t keys, int rows);

/* Sets the view of the next pass, which must have been sent to the device; borrowed until the next call. */
fd_status fd_frozen_take(fd_frozen *frozen, const fd_view *view) FD_MUST_CHECK;

/* Runs the network in evaluation mode (no dropout or other random draws), unless all features of the view were cached. */
void fd_frozen_forward(fd_frozen *frozen);

/* An output after the forward pass; its rows are those of the output's space in `spaces`. */
fd_mat fd_frozen_output(const fd_frozen *frozen, fd_out output);

/* SHA-256 over the names, shapes and values of all tensors, and over `meaning`: a text of the settings on which the function of
 * these weights depends. */
fd_status fd_frozen_identity(const fd_network *network, const float *weights, const char *meaning,
                             char hex[FD_SHA256_HEX]) FD_MUST_CHECK;

#endif
