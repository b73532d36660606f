/* Runs a frozen teacher. */
#include "objective/frozen.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

fd_status fd_frozen_create(fd_frozen **frozen, fd_device *dev, const fd_network *network, const float *weights, unsigned wanted,
                           fd_extent extent) {
  fd_status status = FD_OK;
  const fd_demand demand = {.wanted = wanted};
  size_t bytes = network->params.size * sizeof *weights, all = bytes + fd_network_pass_size(network, dev->form, demand, extent);
  FD_TRY(fd_alloc(frozen, 1, sizeof **frozen, "a frozen teacher"));
  fd_frozen *f = *frozen;
  f->network = network;
  f->dev = dev;
  FD_GO(fd_network_pass(&f->pass, network, dev, demand, extent));
  FD_GO(fd_spaces_create(&f->spaces, dev, fd_pass_spaces(f->pass), extent));
  FD_GO(fd_device_take_weights(dev, &f->params, weights, network->params.size, "a frozen teacher"));
  if (dev->free_memory) dev->free_memory -= all < dev->free_memory ? all : dev->free_memory - 1; /* 0: not known */
done:
  if (status != FD_OK) fd_frozen_destroy(frozen);
  return status;
}

void fd_frozen_destroy(fd_frozen **frozen) {
  fd_frozen *f = *frozen;
  if (!f) return;
  fd_pass_destroy(&f->pass);
  fd_spaces_destroy(&f->spaces);
  fd_device_drop_weights(f->dev, f->params);
  free(f);
  *frozen = NULL;
}

fd_status fd_frozen_take(fd_frozen *f, const fd_view *view) {
  f->input = view->input;
  return fd_spaces_set(&f->spaces, &view->seqs);
}

void fd_frozen_forward(fd_frozen *f) { fd_pass_forward(f->pass, &f->spaces, f->params, f->input); }

fd_mat fd_frozen_output(const fd_frozen *f, fd_out output) { return fd_network_output(f->network, f->pass, output); }

fd_status fd_frozen_identity(const fd_network *network, const float *weights, char hex[FD_SHA256_HEX]) {
  unsigned char digest[FD_SHA256_BYTES];
  fd_sha256 *hash;
  FD_TRY(fd_sha256_begin(&hash));
  for (int i = 0; i < network->params.count; i++) {
    const fd_param *p = &network->params.item[i];
    fd_sha256_add(hash, p->name, strlen(p->name) + 1);
    fd_sha256_add(hash, p->shape, sizeof p->shape);
    fd_sha256_add(hash, weights + p->offset, p->size * sizeof *weights);
  }
  FD_TRY(fd_sha256_end(&hash, digest));
  fd_hex(hex, digest);
  return FD_OK;
}
