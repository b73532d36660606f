/* Data of a report's figures of test rows, as JSON next to the scores: confusion matrix, ROC curves and embeddings in a plane. */
#ifndef FD_TASKS_FIGURES_H
#define FD_TASKS_FIGURES_H

#include <jansson.h>

#include "data/table.h"

/* The test rows and their predictions. All borrowed. */
typedef struct fd_figures {
  const char *name; /* of the network or method */
  int64_t seed;
  const fd_table *test; /* with labels (classes) or values */
  int classes;          /* 0: values */
  const double *score;  /* [rows, classes], logits; or predicted values [rows] */
  const double *plane;  /* [rows, 2]; NULL: none */
  const double *share;  /* [2] of the variance, along the plane's axes */
  const char *axes;     /* description of the rows that the plane's axes were fitted on */
} fd_figures;

/* {"name", "seed", "confusion", "roc", "pca"} or {"name", "seed", "scatter"}: rows of the confusion matrix are true classes;
 * "roc" has one curve per class (for two classes only that of class 1); if there are many rows, only every n-th is a point. *json
 * is released with json_decref. */
fd_status fd_figures_json(const fd_figures *figures, json_t **json) FD_MUST_CHECK;

#endif
