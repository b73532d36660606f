/* How much each layer of a student and a frozen teacher's features have in common, on evaluation windows.
 *
 * The cosine of the loss is there for the last layer only, whose projection is trained to it. Layers of any width are compared by
 * linear CKA (Kornblith et al., "Similarity of Neural Network Representations Revisited", 2019): 1 where one is the other turned,
 * stretched as a whole and moved, 0 where they have nothing in common; with the unbiased estimator of HSIC (Song et al., 2012, as
 * Nguyen et al., 2021, use it), so that few rows and many columns do not look alike by chance. It may lie a little below 0.
 *
 * A row is a visible group of letters: of a layer the mean over its letters, of the teacher its features as the loss sees them.
 */
#ifndef FD_TRAIN_ALIGNMENT_H
#define FD_TRAIN_ALIGNMENT_H

#include "train/trainer.h"

enum { FD_ALIGNMENT_ROWS = 512, FD_ALIGNMENT_LEAST = 16 /* rows; of fewer nothing is said */ };

typedef struct fd_alignment fd_alignment;

/* For an evaluation of so many windows: of the first FD_ALIGNMENT_ROWS of them, of each as many visible groups as make so many
 * rows in all, spread over it. */
fd_status fd_alignment_create(fd_alignment **alignment, const fd_trainer *trainer, int64_t windows) FD_MUST_CHECK;
void fd_alignment_destroy(fd_alignment **alignment);

/* Takes the rows of windows first .. first + count - 1, the trainer's held-out batch, after the forward passes of both. */
fd_status fd_alignment_add(fd_alignment *alignment, const fd_trainer *trainer, int64_t first, int count) FD_MUST_CHECK;

/* cka[network->layers], NAN where it is not defined, and the number of rows; the same on all ranks. Collective. */
fd_status fd_alignment_measure(fd_alignment *alignment, const fd_trainer *trainer, double *cka, int *rows) FD_MUST_CHECK;

/* Features of rows, `stride` floats apart. */
typedef struct fd_features_of {
  float *at;
  size_t stride;
  int width;
} fd_features_of;

/* gram[rows, rows]: inner products of the features, which are moved to mean 0, of different rows; zeros between a row and
 * itself. */
void fd_alignment_gram(int rows, fd_features_of features, double *gram);

/* Linear CKA of two sets of features from their inner products; NAN where one says nothing, or of fewer than 4 rows. */
double fd_alignment_cka(int rows, const double *a, const double *b);

#endif
