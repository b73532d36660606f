/* How good predicted classes are: accuracy, macro F1, Matthews' correlation and ROC curves, for any number of classes. */
#ifndef FD_TASKS_SCORES_H
#define FD_TASKS_SCORES_H

#include "base/error.h"

/* f1: unweighted mean over the classes that occur among the labels or the predictions, 2 tp / (2 tp + fp + fn) each.
 * mcc: Gorodkin's R_K (Matthews' correlation for two classes); 0 where it is 0 / 0. balanced: mean over the classes that occur
 * among the labels of the share of their rows that are predicted right. */
typedef struct fd_scores {
  double accuracy, f1, mcc, balanced;
} fd_scores;

/* label, predicted: [count], 0 .. classes-1. */
fd_status fd_scores_of(int count, const int *label, const int *predicted, int classes, fd_scores *scores) FD_MUST_CHECK;

/* Area under the ROC curve: the share of pairs of a row of the class and one that is not where the former has the larger score;
 * ties count half. With more than two classes the mean over the classes (each against the rest); of two, that of class 1. score:
 * [count, classes]. A class that has all rows or none
 * is left out; NAN when there is no other. A score that is NaN is FD_NUMERIC. */
fd_status fd_auroc(int count, const int *label, const double *score, int classes, double *area) FD_MUST_CHECK;

/* The class with the largest score of each row; a tie goes to the smaller one. score: [count, classes], none NaN. */
void fd_likeliest(int count, const double *score, int classes, int *predicted);

/* confusion[t * classes + p]: rows of class t that are predicted as p. */
void fd_confusion(int count, const int *label, const int *predicted, int classes, int *confusion);

/* A point of a ROC curve: the share of the other rows, and of the class's rows, whose score is at least a threshold. */
typedef struct fd_roc_point {
  double false_positive, true_positive;
} fd_roc_point;
enum { FD_ROC_POINTS = 256 };

/* The curve of one class against the rest, from (0, 0) to (1, 1), with its area; rows of the same score make one step. Of a curve
 * of more points those are kept that lie at least 1/100 of the way from the last one. *points is 0 and *area NAN where the class
 * has all rows or none. A score that is NaN is FD_NUMERIC. */
fd_status fd_roc(int count, const int *label, const double *score, int classes, int class, fd_roc_point curve[FD_ROC_POINTS],
                 int *points, double *area) FD_MUST_CHECK;

/* Mean and sample standard deviation (0 for a single value) of n values `stride` doubles apart. */
void fd_mean_sd(const double *value, int n, int stride, double *mean, double *sd);

#endif
