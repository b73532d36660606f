/* Features of labelled sequences from a frozen encoder: pooled latents, without augmentation or padding, of any length. */
#ifndef FD_TASKS_FEATURES_H
#define FD_TASKS_FEATURES_H

#include "comm/comm.h"
#include "data/table.h"
#include "tasks/encoder.h"

/* Names of the kinds of fd_features, ending with NULL. tokens: mean over the nucleotides' latents (the paper's V), without [CLS]
 * rows. cls: mean over the latents of the [CLS] rows appended to the sequence (Q). both: both means of the sequence with its
 * [CLS] rows, concatenated. max: the largest value of each channel over the nucleotides' latents. For an encoder over ids: the
 * mean over all tokens, including special ones, as the models' authors compute it, and the latent of its own [CLS] token. */
extern const char *const fd_features_names[];

/* The kinds of a frozen encoder's features that a command offers: the first three. */
#define FD_FEATURES_WORDS "tokens|cls|both"

/* Width of a row of features. */
int fd_features_width(const fd_network *network, fd_features kind);

/* [CLS] rows to append to a sequence for this kind. */
int fd_features_cls(const fd_encoder *encoder, fd_features kind);

/* FD_USAGE if the encoder has no such features. */
fd_status fd_features_check(const fd_encoder *encoder, fd_features kind) FD_MUST_CHECK;

/* Features of sequence i of a finished pass with latents: out [width]. */
void fd_features_pool(const fd_encoding *encoding, int i, fd_features kind, float *out);

/* Features of a table: out [table->rows, width] on every rank. Collective: each rank computes a share of the rows; the result has
 * the same bits for any number of ranks. */
fd_status fd_features_compute(const fd_encoder *encoder, fd_features kind, const fd_table *table, fd_comm *comm,
                              float *out) FD_MUST_CHECK;

#endif
