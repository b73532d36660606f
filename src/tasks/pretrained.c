/* From a checkpoint to an encoder on a device. */
#include "tasks/pretrained.h"

#include <stdlib.h>
#include <string.h>

#include "tasks/words.h"
#include "train/rank_device.h"

fd_status fd_pretrained_open(fd_pretrained *m, const char *path, const fd_use *use, fd_comm *comm) {
  memset(m, 0, sizeof *m);
  FD_TRY(fd_checkpoint_open_weights(comm, path, &m->config, &m->info, &m->student, &m->teacher));
  m->config.device.kind = use->device;
  m->config.device.threads = use->threads;
  m->config.device.simd = use->simd;
  m->config.device.precision = FD_PRECISION_AUTO;
  FD_TRY(fd_rank_device_open(&m->dev, &m->config, comm));
  FD_TRY(fd_network_create(&m->network, &m->config, m->info.window));
  if (m->config.model.encoder == FD_ARCH_CHORDMIXER) m->config.model.blocks = m->network->blocks; /* as many as it has */
  return m->network->ids ? fd_words_open(&m->tokenizer, &m->config, m->info.folder) : FD_OK;
}

void fd_pretrained_close(fd_pretrained *m) {
  fd_network_destroy(&m->network);
  fd_tokenizer_destroy(&m->tokenizer);
  fd_device_close(&m->dev);
  free(m->student);
  free(m->teacher);
  m->student = m->teacher = NULL;
}

double fd_pretrained_memory(const fd_pretrained *m) {
  return (double)(m->network->params.size * sizeof(float)) * (m->teacher ? 2 : 1);
}

fd_status fd_pretrained_encoder(const fd_pretrained *m, int which, fd_encoder *encoder) {
  int teacher = which == FD_ENCODER_TEACHER || (which < 0 && m->teacher);
  if (teacher && !m->teacher)
    return fd_fail(FD_USAGE, "--encoder teacher: %s has no teacher; use --encoder student", m->info.folder);
  *encoder = (fd_encoder){.name = teacher ? "teacher" : "student",
                          .network = m->network,
                          .params = teacher ? m->teacher : m->student,
                          .dev = m->dev,
                          .tokenizer = m->tokenizer,
                          .cls = (int)m->config.model.cls};
  return FD_OK;
}
