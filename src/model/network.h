/* A network: a list of layers over packed sequences, from one-hot rows to latents and logits (spec section 3). */
#ifndef FD_MODEL_NETWORK_H
#define FD_MODEL_NETWORK_H

#include "config/config.h"
#include "device/device.h"
#include "model/layer.h"
#include "model/params.h"
#include "model/task_head.h"

typedef struct fd_network {
  int layers; /* the last one is the head */
  fd_layer *layer;
  fd_params params;
  fd_task_head projection; /* when the self-distillation term has one (projection.h) */
  fd_task_head task;       /* behind the latents, when there is a task */
  float dropout;           /* of the blocks' outputs, in passes that ask for it */
  fd_rng_key dropout_key;
  int channels; /* of a latent row */
  int blocks;   /* per ChordMixer network */
} fd_network;

/* What a forward pass leaves: device memory, grown on demand. */
typedef struct fd_activations {
  fd_device *dev;
  int rows_max, keep; /* capacity; whether everything needed by the backward pass is kept */
  int layers;
  fd_mat *x, *saved;  /* input of each layer; what its backward pass needs */
  char *pool;         /* the memory behind them */
  fd_mat latent;      /* [rows, channels]: input of the head */
  float *logits;      /* [rows, 5] */
  fd_mat gradient[2]; /* [rows, channels] each, for the backward pass (keep only) */
  fd_mat dropped[2];  /* the same, with dropout */
  int dropout;        /* whether blocks' outputs are thinned out in the next passes: by the draws of their sequences */
} fd_activations;

/* Builds the layers for windows of `window` nucleotides (the number of blocks depends on it unless the config says). */
fd_status fd_network_create(fd_network **network, const fd_config *config, int window) FD_MUST_CHECK;
void fd_network_destroy(fd_network **network);

/* Activations for up to `rows` tokens; with `keep` for a backward pass, else with two alternating buffers. */
fd_status fd_activations_create(fd_activations **acts, const fd_network *network, fd_device *dev, int rows,
                                int keep) FD_MUST_CHECK;
void fd_activations_destroy(fd_activations **acts);

/* Floats of the encoder and its head: the parameters without those of a projection and of a task's head, which stand behind them.
 */
size_t fd_network_core(const fd_network *network);

/* Bytes of device memory that these activations take on a device that stores them so. */
size_t fd_activations_size(const fd_network *network, fd_form form, int rows, int keep);

/* x: [rows, 5] -> acts->latent, acts->logits. `params` is one flat buffer in the network's layout. */
void fd_network_forward(const fd_network *network, fd_device *dev, const fd_seqs *seqs, const float *params, const float *x,
                        fd_activations *acts);

/* Who is told during a backward pass that the gradient is complete from an offset on. */
typedef struct fd_backward_watch {
  void *context;
  void (*ready)(void *context, size_t from);
} fd_backward_watch;

/* Gradient of the loss by the parameters, written whole to `grads`, from its gradients by the logits and (when there are any) by
 * the latents; after fd_network_forward with `keep` on the same x. `watch` may be NULL. */
void fd_network_backward(const fd_network *network, fd_device *dev, const fd_seqs *seqs, const float *params, const float *x,
                         fd_activations *acts, const float *dlogits, fd_mat dlatent, float *grads,
                         const fd_backward_watch *watch);

#endif
