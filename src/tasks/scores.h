/* Scores of classifications for any number of classes: accuracy, macro F1, Matthews' correlation, ROC curves and average
 * precision. */
#ifndef FD_TASKS_SCORES_H
#define FD_TASKS_SCORES_H

#include "base/error.h"

/* f1: unweighted mean of 2 tp / (2 tp + fp + fn) over the classes that occur among the labels or the predictions.
 * mcc: Gorodkin's R_K (Matthews' correlation for two classes); 0 for 0 / 0. balanced: mean recall over the classes that occur
 * among the labels. */
typedef struct fd_scores {
  double accuracy, f1, mcc, balanced;
} fd_scores;

/* label, predicted: [count], 0 .. classes-1. */
fd_status fd_scores_of(int count, const int *label, const int *predicted, int classes, fd_scores *scores) FD_MUST_CHECK;

/* roc: area under the ROC curve: the share of pairs of a row of the class and a row of another class in which the class is
 * likelier for the former; ties count half. precision: average precision, the area under the precision-recall curve: the sum of
 * (R_n - R_{n-1}) P_n over the distinct probabilities, from the largest down; at random it is the share of the class. For two
 * classes those of class 1, for more the means over the classes, each against the rest. The rows are ranked by the class's
 * probability, the softmax of all their logits, of which a class's own logit says little. */
typedef struct fd_areas {
  double roc, precision;
} fd_areas;

/* logit: [count, classes]. Rows with a label from `classes` on, which the classifier does not know, are left out: as negatives
 * they would count for or against it depending on the order of the classes. A class that has all rows or none is left out; NAN if
 * no class remains. A logit that is NaN is FD_NUMERIC. */
fd_status fd_areas_of(int count, const int *label, const double *logit, int classes, fd_areas *areas) FD_MUST_CHECK;

/* The class with the largest score in each row; a tie goes to the smaller class. score: [count, classes], none NaN. */
void fd_likeliest(int count, const double *score, int classes, int *predicted);

/* confusion[t * classes + p]: rows of class t that are predicted as p. */
void fd_confusion(int count, const int *label, const int *predicted, int classes, int *confusion);

/* A point of a ROC curve: the shares of the other classes' rows and of the class's rows whose probability is at least a
 * threshold. */
typedef struct fd_roc_point {
  double false_positive, true_positive;
} fd_roc_point;
enum { FD_ROC_POINTS = 256 };

/* The curve of one class against the rest, from (0, 0) to (1, 1), with its area; rows of equal probability make one step. The
 * curve is thinned to points at least 0.01 apart (false plus true positive rate); rows are left out as by fd_areas_of. *points is
 * 0 and *area NAN if the class has all rows or none. A logit that is NaN is FD_NUMERIC. */
fd_status fd_roc(int count, const int *label, const double *logit, int classes, int class, fd_roc_point curve[FD_ROC_POINTS],
                 int *points, double *area) FD_MUST_CHECK;

/* Mean and sample standard deviation (NAN for a single value, which has none) of n values `stride` doubles apart. */
void fd_mean_sd(const double *value, int n, int stride, double *mean, double *sd);

#endif
