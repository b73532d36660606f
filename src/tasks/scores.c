/* Accuracy, macro F1 and Matthews' correlation from predicted classes. */
#include "tasks/scores.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

typedef struct tally {
  double is, said, hit; /* rows of the class; rows predicted as it; both */
} tally;

fd_status fd_scores_of(int count, const int *label, const int *predicted, int classes, fd_scores *scores) {
  tally *class;
  FD_TRY(fd_alloc(&class, (size_t)classes, sizeof *class, "scores"));
  for (int i = 0; i < count; i++) {
    class[label[i]].is++;
    class[predicted[i]].said++;
    class[label[i]].hit += label[i] == predicted[i];
  }
  double n = count, hits = 0, f1 = 0, present = 0, is_said = 0, is2 = 0, said2 = 0;
  for (int c = 0; c < classes; c++) {
    const tally *t = &class[c];
    hits += t->hit;
    is_said += t->is * t->said;
    is2 += t->is * t->is;
    said2 += t->said * t->said;
    if (t->is + t->said == 0) continue;
    f1 += 2 * t->hit / (t->is + t->said);
    present++;
  }
  double below = sqrt(n * n - is2) * sqrt(n * n - said2);
  *scores = (fd_scores){n > 0 ? hits / n : 0, present > 0 ? f1 / present : 0, below > 0 ? (hits * n - is_said) / below : 0};
  free(class);
  return FD_OK;
}

void fd_mean_sd(const double *value, int n, int stride, double *mean, double *sd) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; i++) sum += value[i * stride];
  *mean = sum / n;
  for (int i = 0; i < n; i++) squares += (value[i * stride] - *mean) * (value[i * stride] - *mean);
  *sd = n > 1 ? sqrt(squares / (n - 1)) : 0;
}
