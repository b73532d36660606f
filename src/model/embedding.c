/* Layer kind `embedding`: a linear layer whose [CLS] rows get a learned row each, `cls` [cls, channels], so that the tokens
 * differ. */
#include <stdio.h>

#include "model/layer.h"

enum { WEIGHT, BIAS, CLS };

static fd_status declare(fd_layer *layer, const char *prefix, fd_params *params) {
  char name[FD_NAME_MAX];
  FD_TRY(fd_layer_linear.declare(layer, prefix, params));
  snprintf(name, sizeof name, "%s.cls", prefix);
  return fd_params_add(params, name, layer->cls, layer->out, layer->in, &layer->offset[CLS]);
}

static int saved(const fd_layer *layer) { return fd_layer_linear.saved(layer); }

static void forward(const fd_layer *layer, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat x,
                    fd_mat saved_values, fd_mat y) {
  fd_layer_linear.forward(layer, dev, seqs, params, x, saved_values, y);
  if (seqs->cls) dev->ops.cls_add(dev, seqs, layer->out, params + layer->offset[CLS], y);
}

static void backward(const fd_layer *layer, fd_device *dev, const fd_seqs *seqs, const float *params, fd_mat x,
                     fd_mat saved_values, fd_mat dy, fd_mat dx, float *grads) {
  float *dcls = grads + layer->offset[CLS];
  fd_layer_linear.backward(layer, dev, seqs, params, x, saved_values, dy, dx, grads);
  if (seqs->cls) dev->ops.cls_add_backward(dev, seqs, layer->out, dy, dcls);
  else dev->ops.zero(dev, (size_t)layer->cls * (size_t)layer->out * sizeof(float), dcls);
}

const fd_layer_kind fd_layer_embedding = {"embedding", declare, saved, forward, backward};
