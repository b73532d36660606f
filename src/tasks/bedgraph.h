/* bedGraph tracks of a pretrained model's predictions for each nucleotide of a sequence from the nucleotides around it. */
#ifndef FD_TASKS_BEDGRAPH_H
#define FD_TASKS_BEDGRAPH_H

#include <stdio.h>

#include "comm/comm.h"
#include "data/sequences.h"
#include "tasks/encoder.h"

/* Windows of `window` nucleotides overlap by half; the middle half of each is scored, and at the ends of the sequence also the
 * outer quarter. A pass masks every `every`-th of these nucleotides, so that `every` passes score each of them once. */
typedef struct fd_bedgraph_options {
  int window, every;
  int both_strands; /* average the probabilities with the reverse complement's */
  enum {
    FD_BEDGRAPH_LOGP,
    FD_BEDGRAPH_ENTROPY
  } kind;     /* log p of the nucleotide that is there; entropy of p over A, C, G, T; nats */
  double tau; /* temperature of the masked-nucleotide logits (objective.mnm_tau) */
  int bce;    /* as in score.h */
} fd_bedgraph_options;

/* Writes a bedGraph line for every A, C, G, T of the sequences to `out`, whose errors the caller checks; `sequences` and `out`
 * are used on the root only, NULL elsewhere. Collective; the same bits for any number of ranks. */
fd_status fd_bedgraph_run(const fd_bedgraph_options *options, const fd_encoder *encoder, fd_comm *comm, fd_sequences *sequences,
                          FILE *out) FD_MUST_CHECK;

#endif
