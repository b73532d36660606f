/* What a report draws of test rows: confusion matrix, ROC curves and embeddings in a plane, as JSON beside the scores. */
#ifndef FD_TASKS_FIGURES_H
#define FD_TASKS_FIGURES_H

#include <jansson.h>

#include "data/table.h"

/* What is known of the test rows. All borrowed. */
typedef struct fd_figures {
  const char *name; /* of the network or method */
  int64_t seed;
  const fd_table *test; /* with labels (classes) or values */
  int classes;          /* 0: values */
  const double *score;  /* [rows, classes], larger is likelier; or the predicted values [rows] */
  const double *plane;  /* [rows, 2]; NULL: none */
  const double *share;  /* [2] of the variance */
  const char *axes;     /* the rows that the plane's axes were fitted on, in words */
} fd_figures;

/* {"name", "seed", "confusion", "roc", "pca"} or {"name", "seed", "scatter"}: rows of the confusion are true classes; "roc" has
 * one curve for each class (of two classes, that of class 1); of many rows every n-th is a point. *json is released with
 * json_decref.
 */
fd_status fd_figures_json(const fd_figures *figures, json_t **json) FD_MUST_CHECK;

#endif
