/* What a pretrained model expects at each nucleotide of a sequence, from all the others around it. */
#ifndef FD_TASKS_TRACK_H
#define FD_TASKS_TRACK_H

#include <stdio.h>

#include "comm/comm.h"
#include "data/sequences.h"
#include "tasks/encoder.h"

/* Windows of `window` nucleotides, half a window apart; the middle half of each is scored (at the ends of the sequence: all there
 * is). In a pass every `every`-th of these nucleotides is masked, so each is scored once in `every` passes. */
typedef struct fd_track_options {
  int window, every;
  int both_strands;                              /* probabilities are the mean with the reverse complement's */
  enum { FD_TRACK_LOGP, FD_TRACK_ENTROPY } kind; /* log p of the nucleotide that is there; entropy of p over A, C, G, T; nats */
  double tau;                                    /* temperature of the masked-nucleotide logits (objective.mnm_tau) */
  int bce;                                       /* as in score.h */
} fd_track_options;

/* Writes a bedGraph line for every A, C, G, T of the sequences to `out`, which the caller checks; both are the root's, NULL
 * elsewhere. Collective; the same bits for any number of ranks. */
fd_status fd_track_run(const fd_track_options *options, const fd_encoder *encoder, fd_comm *comm, fd_sequences *sequences,
                       FILE *out) FD_MUST_CHECK;

#endif
