/* L2-regularised logistic regression, solved to convergence in double precision. */
#ifndef FD_TASKS_LOGISTIC_H
#define FD_TASKS_LOGISTIC_H

#include <stdint.h>

#include "base/error.h"

/* Rows of features, borrowed: dense, or sparse with the same `shift` to subtract from every row, so that standardised counts stay
 * sparse. */
typedef struct fd_design {
  int rows, dims;
  const double *dense;  /* [rows, dims]; NULL: sparse */
  const int64_t *start; /* [rows + 1] into column and value */
  const int *column;
  const float *value;
  const double *shift; /* [dims] */
} fd_design;

/* Two classes share one output (the log odds of class 1), more classes have one output each (softmax). An output has `dims`
 * weights and a bias. */
typedef struct fd_logistic {
  int classes, dims, outputs;
  double *weight; /* [outputs, dims + 1] */
} fd_logistic;

fd_status fd_logistic_create(fd_logistic **model, int classes, int dims) FD_MUST_CHECK;
void fd_logistic_free(fd_logistic **model);

/* Minimises, over the rows row[0..count-1] (NULL: the first `count` rows), the mean negative log likelihood + lambda / 2 * the
 * sum of squared weights (biases are not penalised), starting from the model's weights; lambda > 0. *gradient (may be NULL)
 * receives the largest absolute entry of the final gradient; a warning is printed if it is not within 1e-6. Features that are not
 * finite are FD_NUMERIC. */
fd_status fd_logistic_fit(fd_logistic *model, const fd_design *x, const int *label, const int *row, int count, double lambda,
                          double *gradient) FD_MUST_CHECK;

/* Mean negative log likelihood (nats) over rows. */
fd_status fd_logistic_loss(const fd_logistic *model, const fd_design *x, const int *label, const int *row, int count,
                           double *loss) FD_MUST_CHECK;

/* Logits of every row's classes: score [x->rows, classes]; for two classes 0 and the log odds of class 1. */
fd_status fd_logistic_predict(const fd_logistic *model, const fd_design *x, double *score) FD_MUST_CHECK;

#endif
