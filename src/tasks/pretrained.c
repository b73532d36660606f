/* Opens a checkpoint as an encoder on a device. */
#include "tasks/pretrained.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/options.h"
#include "config/shape.h"
#include "objective/frozen.h"
#include "tasks/words.h"
#include "train/rank_device.h"

fd_status fd_pretrained_open(fd_pretrained *m, const char *path, const fd_use *use, fd_comm *comm) {
  memset(m, 0, sizeof *m);
  FD_TRY(fd_checkpoint_open_weights(comm, path, &m->config, &m->info, &m->weights));
  m->network = m->weights.network;
  m->config.device.kind = use->device;
  m->config.device.threads = use->threads;
  m->config.device.simd = use->simd;
  m->config.device.precision = use->precision;
  FD_TRY(fd_rank_device_open(&m->dev, &m->config, comm));
  if (m->config.model.encoder == FD_ARCH_CHORDMIXER) m->config.model.blocks = m->network->blocks; /* 0 in the config: automatic */
  return m->network->ids ? fd_words_open(&m->tokenizer, &m->config, m->info.folder, 0) : FD_OK;
}

void fd_pretrained_close(fd_pretrained *m) {
  fd_weights_free(&m->weights);
  fd_tokenizer_destroy(&m->tokenizer);
  fd_device_close(&m->dev);
}

int fd_pretrained_unit(const fd_pretrained *m) {
  return m->tokenizer && m->config.model.tokenizer == FD_TOKENIZER_KMER ? (int)m->config.model.kmer : 1;
}

fd_status fd_pretrained_check_window(const fd_pretrained *m, int64_t window) {
  int64_t k = fd_pretrained_unit(m), rest = window % k;
  if (!rest) return FD_OK;
  return fd_fail(FD_USAGE,
                 "--window %" PRId64 ": the model has words of %" PRId64 " nucleotides: the last %" PRId64
                 " of each window would be in none; expected a multiple of %" PRId64,
                 window, k, rest, k);
}

int64_t fd_pretrained_window(const fd_pretrained *m) {
  int64_t k = fd_pretrained_unit(m), window = m->info.window, words = (window + k - 1) / k;
  if (m->network->positions && words > m->network->positions) words = window / k;
  return words ? words * k : k;
}

double fd_pretrained_memory(const fd_pretrained *m) {
  int networks = 0;
  for (int i = 0; i < FD_ARRAYS; i++) networks += m->weights.of[i] != NULL;
  return (double)(m->network->params.size * sizeof(float)) * networks;
}

fd_status fd_pretrained_encoder(const fd_pretrained *m, int which, fd_encoder *encoder) {
  int preferred = m->weights.of[FD_BEST] ? FD_BEST : m->weights.of[FD_TEACHER] ? FD_TEACHER : FD_STUDENT;
  if (which < 0) which = preferred;
  if (!m->weights.of[which])
    return fd_fail(FD_USAGE, "--encoder %s: %s has none; use --encoder %s", fd_array_names[which], m->info.folder,
                   fd_array_names[preferred]);
  *encoder = (fd_encoder){.name = fd_array_names[which],
                          .network = m->network,
                          .params = m->weights.of[which],
                          .dev = m->dev,
                          .tokenizer = m->tokenizer,
                          .cls = (int)m->config.model.cls};
  return FD_OK;
}

/* The options on which the function of a model's weights depends: its shape, and the head of its task. */
static fd_status print_meaning(FILE *out, const fd_config *c) {
  static const char *const of_head[] = {"outputs", "classes", "kind", "features", "hidden", "activation"};
  fd_shape shape;
  FD_TRY(fd_shape_of(&shape, c));
  for (int i = 0; i < shape.count; i++) fprintf(out, "%s\n", shape.item[i].setting);
  for (size_t i = 0; c->task.outputs && i < sizeof of_head / sizeof *of_head; i++) {
    fprintf(out, "task.%s=", of_head[i]);
    fd_option_print(out, c, fd_option_find("task", of_head[i]));
    fprintf(out, "\n");
  }
  return FD_OK;
}

fd_status fd_pretrained_identity(const fd_pretrained *m, const float *weights, char hex[FD_SHA256_HEX],
                                 char tensors[FD_SHA256_HEX]) {
  char *meaning = NULL;
  size_t bytes;
  FILE *out;
  FD_TRY(fd_text_open(&out, &meaning, &bytes));
  fd_status status = print_meaning(out, &m->config), closed = fd_text_close(out, &meaning);
  if (status == FD_OK) status = closed;
  if (status == FD_OK) status = fd_frozen_identity(m->network, weights, meaning, hex);
  if (status == FD_OK) status = fd_frozen_identity(m->network, weights, "", tensors);
  free(meaning);
  return status;
}
