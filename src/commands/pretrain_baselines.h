/* Count-based baselines of a pretraining: what a model must beat to have learned more than frequencies. */
#ifndef FD_COMMANDS_PRETRAIN_BASELINES_H
#define FD_COMMANDS_PRETRAIN_BASELINES_H

#include "data/hide.h"
#include "output/metrics.h"

/* All borrowed. */
typedef struct fd_baselines {
  const fd_config *config;
  const fd_windows *train, *held_out;
  fd_hider *hider; /* of a model that hides tokens */
  fd_metrics *metrics;
} fd_baselines;

/* Root only: fits tables of counts on the training windows (of nucleotides: eval.contexts; of words: word_tables.h), scores them
 * on the masked positions of the held-out windows (at most eval.windows), and writes each to the log and as `context` to the
 * metrics: loss in nats, accuracy as a share. */
fd_status fd_pretrain_baselines(const fd_baselines *baselines) FD_MUST_CHECK;

#endif
