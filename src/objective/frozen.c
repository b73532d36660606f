/* Runs a frozen teacher. */
#include "objective/frozen.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

size_t fd_frozen_memory(const fd_network *network, fd_form form, unsigned wanted, fd_extent extent) {
  const fd_demand demand = {.wanted = wanted};
  size_t copies = form.type == FD_BF16 ? fd_params_copies(&network->params, NULL, form) : 0;
  return network->params.size * sizeof(float) + copies + fd_network_pass_size(network, form, demand, extent);
}

static size_t row_of(const fd_network *network, fd_form form) {
  fd_value latent = network->out[FD_OUT_LATENT];
  return fd_graph_dense(&network->graph, latent) ? (size_t)latent.width * sizeof(float) : fd_form_row(form, latent.width);
}

double fd_frozen_cache_memory(const fd_network *network, fd_form form, int64_t keys, int rows) {
  return fd_features_cache_memory(&(fd_features_shape){keys, rows, row_of(network, form)});
}

fd_status fd_frozen_cache(fd_frozen *f, int64_t keys, int rows, int count) {
  const fd_features_shape shape = {keys, rows, row_of(f->network, f->dev->form)};
  return fd_features_cache_create(&f->cache, f->dev, &shape, count);
}

fd_status fd_frozen_create(fd_frozen **frozen, fd_device *dev, const fd_network *network, const float *weights, unsigned wanted,
                           fd_extent extent) {
  fd_status status = FD_OK;
  const fd_demand demand = {.wanted = wanted};
  size_t all = fd_frozen_memory(network, dev->form, wanted, extent);
  FD_TRY(fd_alloc(frozen, 1, sizeof **frozen, "a frozen teacher"));
  fd_frozen *f = *frozen;
  f->network = network;
  f->dev = dev;
  FD_GO(fd_network_pass(&f->pass, network, dev, demand, extent));
  FD_GO(fd_spaces_create(&f->spaces, dev, fd_pass_spaces(f->pass), extent));
  FD_GO(fd_device_take_weights(dev, &f->params, weights, network->params.size, "a frozen teacher"));
  if (dev->free_memory) dev->free_memory -= all < dev->free_memory ? all : dev->free_memory - 1; /* 0 would mean unknown */
done:
  if (status != FD_OK) fd_frozen_destroy(frozen);
  return status;
}

void fd_frozen_destroy(fd_frozen **frozen) {
  fd_frozen *f = *frozen;
  if (!f) return;
  fd_features_cache_destroy(&f->cache);
  fd_pass_destroy(&f->pass);
  fd_spaces_destroy(&f->spaces);
  fd_device_drop_weights(f->dev, f->params);
  free(f);
  *frozen = NULL;
}

fd_status fd_frozen_take(fd_frozen *f, const fd_view *view) {
  f->input = view->input;
  if (f->cache) { /* first caches the latents of the last pass, then overwrites them with cached ones of this view */
    void *latents = fd_network_output(f->network, f->pass, FD_OUT_LATENT).at;
    if (f->ran) FD_TRY(fd_features_cache_keep(f->cache, latents));
    f->ran = 0;
    FD_TRY(fd_features_cache_take(f->cache, view, latents, &f->known));
  }
  return fd_spaces_set(&f->spaces, &view->seqs);
}

void fd_frozen_forward(fd_frozen *f) {
  if (f->known) return;
  fd_pass_forward(f->pass, &f->spaces, f->params, f->input);
  f->ran = 1;
}

fd_mat fd_frozen_output(const fd_frozen *f, fd_out output) { return fd_network_output(f->network, f->pass, output); }

fd_status fd_frozen_identity(const fd_network *network, const float *weights, const char *meaning, char hex[FD_SHA256_HEX]) {
  unsigned char digest[FD_SHA256_BYTES];
  fd_sha256 *hash;
  FD_TRY(fd_sha256_begin(&hash));
  for (int i = 0; i < network->params.count; i++) {
    const fd_param *p = &network->params.item[i];
    fd_sha256_add(hash, p->name, strlen(p->name) + 1);
    fd_sha256_add(hash, p->shape, sizeof p->shape);
    fd_sha256_add(hash, weights + p->offset, p->size * sizeof *weights);
  }
  fd_sha256_add(hash, meaning, strlen(meaning));
  FD_TRY(fd_sha256_end(&hash, digest));
  fd_hex(hex, digest);
  return FD_OK;
}
