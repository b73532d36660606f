/* Runs an encoder over a table and pools its latents. */
#include "tasks/features.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"

enum { TOKENS_PER_PASS = 1 << 13 }; /* as many sequences at a time as fit; a longer one goes alone */

/* The buffers of one table's passes. */
typedef struct extractor {
  const fd_encoder *encoder;
  const fd_table *table;
  fd_features kind;
  int cls, width, tokens_max;
  int *start;      /* of the packed sequences; host */
  uint8_t *tokens; /* host */
  float *latent;   /* host */
  fd_activations *acts;
  uint8_t *device_tokens;
  float *params, *x; /* device */
} extractor;

int fd_features_width(const fd_network *network, fd_features kind) {
  return network->channels * (kind == FD_FEATURES_BOTH ? 2 : 1);
}

static int64_t length_of(const fd_table *table, int row) { return table->start[row + 1] - table->start[row]; }

static fd_status open_extractor(extractor *e, int first, int last) {
  fd_device *dev = e->encoder->dev;
  size_t channels = (size_t)e->encoder->network->channels, weights = e->encoder->network->params.size * sizeof(float);
  int64_t longest = TOKENS_PER_PASS;
  for (int row = first; row < last; row++)
    if (length_of(e->table, row) + e->cls > longest) longest = length_of(e->table, row) + e->cls;
  if (longest > INT_MAX / 8)
    return fd_fail(FD_DATA, "a sequence of %lld nucleotides is too long for the probe", (long long)longest);
  size_t tokens = (size_t)longest;
  e->tokens_max = (int)longest;
  FD_TRY(fd_alloc(&e->start, TOKENS_PER_PASS + 2, sizeof *e->start, "features"));
  FD_TRY(fd_alloc(&e->tokens, tokens, 1, "features"));
  FD_TRY(fd_alloc(&e->latent, tokens * channels, sizeof *e->latent, "features"));
  FD_TRY(fd_activations_create(&e->acts, e->encoder->network, dev, e->tokens_max, 0));
  FD_TRY(dev->alloc(dev, &e->device_tokens, tokens, "features"));
  FD_TRY(dev->alloc(dev, &e->x, tokens * FD_SYMBOLS * sizeof(float), "features"));
  FD_TRY(dev->alloc(dev, &e->params, weights, "an encoder's weights"));
  return dev->copy(dev, e->params, e->encoder->params, weights);
}

static void close_extractor(extractor *e) {
  fd_device *dev = e->encoder->dev;
  dev->release(dev, e->params);
  dev->release(dev, e->x);
  dev->release(dev, e->device_tokens);
  fd_activations_destroy(&e->acts);
  free(e->latent);
  free(e->tokens);
  free(e->start);
}

/* Packs rows from `first` on, before `last`, while they fit; returns how many. */
static int pack(extractor *e, int first, int last) {
  int count = 0, used = 0;
  for (int row = first; row < last && count <= TOKENS_PER_PASS; row++, count++) {
    int length = (int)length_of(e->table, row);
    if (used + length + e->cls > (count ? TOKENS_PER_PASS : e->tokens_max)) break;
    memcpy(e->tokens + used, e->table->symbols + e->table->start[row], (size_t)length);
    memset(e->tokens + used + length, FD_ZERO, (size_t)e->cls);
    used += length + e->cls;
    e->start[count + 1] = used;
  }
  return count;
}

/* out = mean over rows first .. last-1 of the latents, summed in double. */
static void mean_latent(const extractor *e, int first, int last, float *out) {
  int channels = e->encoder->network->channels;
  for (int c = 0; c < channels; c++) {
    double sum = 0;
    for (int r = first; r < last; r++) sum += e->latent[(size_t)r * (size_t)channels + (size_t)c];
    out[c] = (float)(sum / (last - first));
  }
}

static fd_status run_pass(extractor *e, int count, float *out) {
  fd_device *dev = e->encoder->dev;
  fd_seqs seqs = {count, e->cls, e->start};
  size_t rows = (size_t)fd_seqs_rows(&seqs), channels = (size_t)e->encoder->network->channels;
  FD_TRY(dev->copy(dev, e->device_tokens, e->tokens, rows));
  dev->ops.expand(dev, &seqs, e->device_tokens, 0, (fd_rng_key){{0, 0}}, NULL, 0, e->x);
  fd_network_forward(e->encoder->network, dev, &seqs, e->params, e->x, e->acts);
  FD_TRY(dev->sync(dev));
  FD_TRY(dev->copy(dev, e->latent, e->acts->latent, rows * channels * sizeof(float)));
  for (int i = 0; i < count; i++, out += e->width) {
    int first = e->start[i], last = e->start[i + 1], cls = last - e->cls;
    if (e->kind != FD_FEATURES_CLS) mean_latent(e, first, cls, out);
    if (e->kind != FD_FEATURES_TOKENS) mean_latent(e, cls, last, e->kind == FD_FEATURES_BOTH ? out + channels : out);
  }
  return FD_OK;
}

static fd_status compute_share(extractor *e, int first, int last, float *out) {
  fd_status status = FD_OK;
  FD_GO(open_extractor(e, first, last));
  for (int row = first; row < last;) {
    int count = pack(e, row, last);
    FD_GO(run_pass(e, count, out + (size_t)row * (size_t)e->width));
    row += count;
    fd_progress(0, "features of the %s encoder: %d of %d sequences", e->encoder->name, row - first, last - first);
  }
done:
  close_extractor(e);
  return status;
}

fd_status fd_features_compute(const fd_encoder *encoder, fd_features kind, const fd_table *table, fd_comm *comm, float *out) {
  extractor e = {.encoder = encoder, .table = table, .kind = kind, .width = fd_features_width(encoder->network, kind)};
  e.cls = kind == FD_FEATURES_TOKENS ? 0 : encoder->cls;
  size_t count = (size_t)table->rows * (size_t)e.width, pairs = (count + 1) / 2;
  float *shared;
  FD_TRY(fd_alloc(&shared, pairs, 2 * sizeof *shared, "features"));
  int first = (int)((int64_t)table->rows * comm->rank / comm->size),
      last = (int)((int64_t)table->rows * (comm->rank + 1) / comm->size);
  fd_status status = compute_share(&e, first, last, shared);
  /* Every value is zero on all ranks but one: the sum of the bits is the value. */
  if (status == FD_OK) status = comm->ops->sum_u64(comm, (uint64_t *)(void *)shared, pairs);
  memcpy(out, shared, count * sizeof *out);
  free(shared);
  return status;
}
