/* Opens and prepares the model whose features a student is aligned with. */
#include "tasks/features_teacher.h"

#include "base/log.h"
#include "tasks/words.h"

static fd_status check_words(const fd_features_teacher *t, const char *path) {
  const fd_config *c = &t->model.config;
  int letters = c->model.tokenizer == FD_TOKENIZER_NT6    ? FD_GROUP
                : c->model.tokenizer == FD_TOKENIZER_KMER ? (int)c->model.kmer
                                                          : 0;
  if (!t->model.network->ids || !letters)
    return fd_fail(FD_CONFIG,
                   "--teacher %s: does not read words of a fixed length; expected a model with tokenizer nt6, or kmer with %d "
                   "letters",
                   path, FD_GROUP);
  if (letters == FD_GROUP) return FD_OK;
  return fd_fail(FD_CONFIG, "--teacher %s: its words have %d letters, and %d are hidden together; expected the same", path,
                 letters, FD_GROUP);
}

/* The encoder of a masked autoencoder reads visible words only: its embedding of [MASK] is what it was at random. */
static fd_status check_view(const fd_features_teacher *t, const char *path, const fd_config *student) {
  if (t->model.config.model.encoder != FD_ARCH_MAE || student->teacher.sees == FD_SEES_CLEAN) return FD_OK;
  return fd_fail(
      FD_CONFIG,
      "--teacher %s: the encoder of a masked autoencoder (mae) never saw [MASK]; use teacher.sees=clean, with which it "
      "reads all nucleotides",
      path);
}

fd_status fd_features_teacher_open(fd_features_teacher *t, const char *path, const fd_config *student, fd_comm *comm) {
  FD_TRY(fd_pretrained_open(&t->model, path, &(fd_use){.threads = 1}, comm));
  FD_TRY(fd_pretrained_encoder(&t->model, -1, &t->encoder));
  FD_TRY(check_words(t, path));
  FD_TRY(check_view(t, path, student));
  FD_TRY(fd_words_open(&t->tokenizer, &t->model.config, t->model.info.folder, 1));
  return fd_pretrained_identity(&t->model, t->encoder.params, t->id, t->tensors);
}

static fd_extent extent_of(const fd_features_teacher *t, int count, int window) {
  return (fd_extent){count * (int)fd_tokenizer_most(t->tokenizer, window), count, 0};
}

size_t fd_features_teacher_memory(const fd_features_teacher *t, fd_form form, int count, int window) {
  return fd_frozen_memory(t->encoder.network, form, 1u << FD_OUT_LATENT, extent_of(t, count, window));
}

double fd_features_teacher_cache_memory(const fd_features_teacher *t, fd_form form, int64_t keys, int window) {
  return fd_frozen_cache_memory(t->encoder.network, form, keys, extent_of(t, 1, window).tokens);
}

fd_status fd_features_teacher_begin(fd_features_teacher *t, fd_device *dev, int count, int window, int64_t keys) {
  int64_t most = fd_tokenizer_most(t->tokenizer, window);
  int positions = t->encoder.network->positions;
  if (positions && most > positions)
    return fd_fail(FD_CONFIG, "--teacher: windows of %d nucleotides are %lld words, and it has %d positions", window,
                   (long long)most, positions);
  FD_TRY(
      fd_frozen_create(&t->frozen, dev, t->encoder.network, t->encoder.params, 1u << FD_OUT_LATENT, extent_of(t, count, window)));
  if (keys) FD_TRY(fd_frozen_cache(t->frozen, keys, (int)most, count));
  fd_info("teacher: the %s of %s (%.12s...), %.3g million parameters, %d features of each word", t->encoder.name,
          t->model.info.folder, t->id, 1e-6 * (double)t->encoder.network->params.size, t->encoder.network->channels);
  return FD_OK;
}

void fd_features_teacher_close(fd_features_teacher *t) {
  fd_frozen_destroy(&t->frozen);
  fd_tokenizer_destroy(&t->tokenizer);
  fd_pretrained_close(&t->model);
}
