/* A layer: parameters, a forward and a backward function. A new kind is one line in layers.def and one file. */
#ifndef FD_MODEL_LAYER_H
#define FD_MODEL_LAYER_H

#include "device/device.h"
#include "model/params.h"

typedef struct fd_layer fd_layer;

typedef struct fd_layer_kind {
  const char *name;
  /* Declares the parameters under `prefix` and remembers their offsets. */
  fd_status (*declare)(fd_layer *layer, const char *prefix, fd_params *params);
  /* Values a token that the forward pass saves for the backward pass, besides its input. */
  int (*saved)(const fd_layer *layer);
  /* x: [rows, in] -> y: [rows, out]; there is no `saved` when nothing is to be saved. */
  void (*forward)(const fd_layer *layer, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat x, fd_mat saved,
                  fd_mat y);
  /* dy -> dx (unless not wanted) and all gradients of the layer; saved as the forward pass had it. */
  void (*backward)(const fd_layer *layer, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat x, fd_mat saved,
                   fd_mat dy, fd_mat dx, float *grads);
} fd_layer_kind;

struct fd_layer {
  const fd_layer_kind *kind;
  char name[32]; /* the parameters' prefix */
  int in, out, hidden, track, cls;
  int recompute;    /* save nothing that can be computed again */
  size_t offset[4]; /* of its parameters */
};

/* The kinds of layers.def: fd_layer_linear, fd_layer_embedding, fd_layer_chordmixer. */
#define LAYER(name) extern const fd_layer_kind fd_layer_##name;
#include "model/layers.def"
#undef LAYER

#endif
