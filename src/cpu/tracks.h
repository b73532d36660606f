/* The rotation of a ChordMixer block: its channels are divided into tracks, each of which moves by its own number of tokens. */
#ifndef FD_CPU_TRACKS_H
#define FD_CPU_TRACKS_H

#include "device/tensors.h"

/* For `count` tokens from row `first` on, with shift as fd_mixer_shift gives it: y[t - shift] = x[t - shift] + (m[t] + b2). The
 * rows of m, the first of which is that of `first`, are `ld` floats apart; those of x and y have as many floats as the block has
 * channels. Each element of y is written for exactly one row of m. */
void fd_cpu_scatter_tracks(const fd_seqs *seqs, const fd_mixer *block, int first, int count, const float *m, size_t ld,
                           const float *x, float *y);

/* For the same tokens dm[t] = dy[t - shift]: the backward pass of this rotation. The first row of dm is that of `first`. */
void fd_cpu_gather_tracks(const fd_seqs *seqs, const fd_mixer *block, int first, int count, const float *dy, float *dm);

#endif
