/* Layer kind `linear`: the head, and the embedding unless its [CLS] tokens are learned. */
#include <stdio.h>

#include "model/layer.h"

enum { WEIGHT, BIAS };

static fd_status declare(fd_layer *layer, const char *prefix, fd_params *params) {
  char name[FD_NAME_MAX];
  snprintf(name, sizeof name, "%s.weight", prefix);
  FD_TRY(fd_params_add(params, name, layer->out, layer->in, layer->in, &layer->offset[WEIGHT]));
  snprintf(name, sizeof name, "%s.bias", prefix);
  return fd_params_add(params, name, layer->out, 0, layer->in, &layer->offset[BIAS]);
}

static int saved(const fd_layer *layer) {
  (void)layer;
  return 0;
}

static void forward(const fd_layer *layer, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat x,
                    fd_mat saved_values, fd_mat y) {
  (void)saved_values;
  dev->ops.linear_forward(dev, fd_seqs_rows(seqs), layer->in, layer->out, x, params + layer->offset[WEIGHT],
                          params + layer->offset[BIAS], y);
}

static void backward(const fd_layer *layer, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat x,
                     fd_mat saved_values, fd_mat dy, fd_mat dx, float *grads) {
  (void)saved_values;
  dev->ops.linear_backward(dev, fd_seqs_rows(seqs), seqs->parts, layer->in, layer->out, x, params + layer->offset[WEIGHT], dy, dx,
                           grads + layer->offset[WEIGHT], grads + layer->offset[BIAS]);
}

const fd_layer_kind fd_layer_linear = {"linear", declare, saved, forward, backward};
