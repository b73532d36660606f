/* What a frozen encoder says about labelled sequences: pooled latent rows, unaugmented, of any length without padding. */
#ifndef FD_TASKS_FEATURES_H
#define FD_TASKS_FEATURES_H

#include "comm/comm.h"
#include "data/table.h"
#include "tasks/encoder.h"

/* The kinds of fd_features. tokens: mean over the nucleotides' latents (the paper's V); no [CLS] rows are appended. cls: mean
 * over the latents of the [CLS] rows appended to the sequence (Q). both: the two means of the sequence with its [CLS] rows, one
 * after the other. max: the largest value of each channel over the nucleotides' latents. Their names end with NULL.
 * Of an encoder over ids: the mean over its tokens, special ones too, as their authors do, and the latent of its own [CLS] token.
 */
extern const char *const fd_features_names[];

/* Width of a row of features. */
int fd_features_width(const fd_network *network, fd_features kind);

/* [CLS] rows that the encoder's sequences need for this kind. */
int fd_features_cls(const fd_encoder *encoder, fd_features kind);

/* FD_USAGE when the encoder has no such features. */
fd_status fd_features_check(const fd_encoder *encoder, fd_features kind) FD_MUST_CHECK;

/* The features of sequence i of a pass that was run with latents: out [width]. */
void fd_features_pool(const fd_encoding *encoding, int i, fd_features kind, float *out);

/* out [table->rows, width] on every rank. Collective: each rank computes a share of the rows; the result has the same bits for
 * any number of ranks. */
fd_status fd_features_compute(const fd_encoder *encoder, fd_features kind, const fd_table *table, fd_comm *comm,
                              float *out) FD_MUST_CHECK;

#endif
