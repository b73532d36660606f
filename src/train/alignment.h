/* Similarity between each layer of a student and the features of a frozen teacher, on evaluation windows.
 *
 * The cosine of the loss exists for the last layer only, whose projection is trained for it. Layers of any width are compared by
 * linear CKA (Kornblith et al., "Similarity of Neural Network Representations Revisited", 2019): 1 for features that are equal up
 * to rotation, isotropic scaling and translation, 0 for unrelated features; with the unbiased estimator of HSIC (Song et al.,
 * 2012, as used by Nguyen et al., 2021), so that features with few rows and many columns do not appear similar by chance. The
 * value may be slightly below 0.
 *
 * A row is a visible group of letters: for a layer the mean over the letters of the group, for the teacher its features as used
 * in the loss. */
#ifndef FD_TRAIN_ALIGNMENT_H
#define FD_TRAIN_ALIGNMENT_H

#include "train/trainer.h"

enum { FD_ALIGNMENT_ROWS = 512, FD_ALIGNMENT_LEAST = 16 /* rows; fewer are not reported */ };

typedef struct fd_alignment fd_alignment;

/* For an evaluation of `windows` windows. Uses at most the first FD_ALIGNMENT_ROWS of them, and from each window the same number
 * of visible groups, evenly spaced, up to FD_ALIGNMENT_ROWS rows in total. */
fd_status fd_alignment_create(fd_alignment **alignment, const fd_trainer *trainer, int64_t windows) FD_MUST_CHECK;
void fd_alignment_destroy(fd_alignment **alignment);

/* Collects the rows of windows first .. first + count - 1, the trainer's held-out batch, after the forward passes of student and
 * teacher. */
fd_status fd_alignment_add(fd_alignment *alignment, const fd_trainer *trainer, int64_t first, int count) FD_MUST_CHECK;

/* Computes cka[network->layers], NAN where undefined, and the number of rows; the same on all ranks. Collective. */
fd_status fd_alignment_measure(fd_alignment *alignment, const fd_trainer *trainer, double *cka, int *rows) FD_MUST_CHECK;

/* Features of rows, `stride` floats apart. */
typedef struct fd_features_of {
  float *at;
  size_t stride;
  int width;
} fd_features_of;

/* gram[rows, rows]: inner products of the rows of features, with a zero diagonal. Centres the features in place first. */
void fd_alignment_gram(int rows, fd_features_of features, double *gram);

/* Linear CKA of two sets of features from their inner products; NAN if one set has no variance, or with fewer than 4 rows. */
double fd_alignment_cka(int rows, const double *a, const double *b);

#endif
