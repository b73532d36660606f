/* Layer kind `chordmixer`: one block of a ChordMixer network (spec section 3). */
#include <stdio.h>

#include "model/layer.h"

enum { FC1_WEIGHT, FC1_BIAS, FC2_WEIGHT, FC2_BIAS };

static fd_status declare(fd_layer *layer, const char *prefix, fd_params *params) {
  static const char *const names[4] = {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"};
  const int rows[4] = {layer->hidden, layer->hidden, layer->out, layer->out}, columns[4] = {layer->in, 0, layer->hidden, 0};
  for (int i = 0; i < 4; i++) {
    char name[FD_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s", prefix, names[i]);
    FD_TRY(fd_params_add(params, name, rows[i], columns[i], i < FC2_WEIGHT ? layer->in : layer->hidden, &layer->offset[i]));
  }
  return FD_OK;
}

static int saved(const fd_layer *layer) { return layer->recompute ? 0 : layer->hidden; }

static fd_mixer block_of(const fd_layer *layer, const float *params) {
  return (fd_mixer){layer->in,
                    layer->hidden,
                    layer->track,
                    params + layer->offset[FC1_WEIGHT],
                    params + layer->offset[FC1_BIAS],
                    params + layer->offset[FC2_WEIGHT],
                    params + layer->offset[FC2_BIAS]};
}

static void forward(const fd_layer *layer, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat x,
                    fd_mat preactivation, fd_mat y) {
  fd_mixer block = block_of(layer, params);
  dev->ops.mixer_forward(dev, seqs, &block, x, preactivation, y);
}

static void backward(const fd_layer *layer, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat x,
                     fd_mat preactivation, fd_mat dy, fd_mat dx, float *grads) {
  fd_mixer block = block_of(layer, params);
  fd_mixer_grads g = {grads + layer->offset[FC1_WEIGHT], grads + layer->offset[FC1_BIAS], grads + layer->offset[FC2_WEIGHT],
                      grads + layer->offset[FC2_BIAS]};
  dev->ops.mixer_backward(dev, seqs, &block, x, preactivation, dy, dx, &g);
}

const fd_layer_kind fd_layer_chordmixer = {"chordmixer", declare, saved, forward, backward};
