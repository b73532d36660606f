/* Computes accuracy, macro F1 and Matthews' correlation from predicted classes, and ROC curves from their scores. */
#include "tasks/scores.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

typedef struct tally {
  double is, said, hit; /* rows of the class; rows predicted as the class; rows that are both */
} tally;

fd_status fd_scores_of(int count, const int *label, const int *predicted, int classes, fd_scores *scores) {
  tally *class;
  FD_TRY(fd_alloc(&class, (size_t)classes, sizeof *class, "scores"));
  for (int i = 0; i < count; i++) {
    class[label[i]].is++;
    class[predicted[i]].said++;
    class[label[i]].hit += label[i] == predicted[i];
  }
  double n = count, hits = 0, f1 = 0, present = 0, recalls = 0, truths = 0, is_said = 0, is2 = 0, said2 = 0;
  for (int c = 0; c < classes; c++) {
    const tally *t = &class[c];
    hits += t->hit;
    is_said += t->is * t->said;
    is2 += t->is * t->is;
    said2 += t->said * t->said;
    if (t->is > 0) recalls += t->hit / t->is, truths++;
    if (t->is + t->said == 0) continue;
    f1 += 2 * t->hit / (t->is + t->said);
    present++;
  }
  double below = sqrt(n * n - is2) * sqrt(n * n - said2);
  *scores = (fd_scores){n > 0 ? hits / n : 0, present > 0 ? f1 / present : 0, below > 0 ? (hits * n - is_said) / below : 0,
                        truths > 0 ? recalls / truths : 0};
  free(class);
  return FD_OK;
}

typedef struct ranked {
  double score;
  int positive;
} ranked;

static int by_score(const void *a, const void *b) {
  double x = ((const ranked *)a)->score, y = ((const ranked *)b)->score;
  return (x > y) - (x < y);
}

/* Area of one class against the rest from the sum of the positives' ranks, with mean ranks for ties; NAN if the class has all
 * rows or none. */
static double roc_area(const ranked *rows, int count) {
  double positives = 0, ranks = 0;
  for (int i = 0, end; i < count; i = end) {
    double here = rows[i].positive;
    for (end = i + 1; end < count && rows[end].score == rows[i].score; end++) here += rows[end].positive;
    ranks += here * (i + 1 + end) / 2;
    positives += here;
  }
  return (ranks - positives * (positives + 1) / 2) / (positives * (count - positives));
}

/* Average precision of one class, which has a row, against the rest. */
static double average_precision(const ranked *rows, int count) {
  double positives = 0, sum = 0;
  for (int i = count - 1, end; i >= 0; i = end) { /* from the largest score down */
    double here = rows[i].positive;
    for (end = i - 1; end >= 0 && rows[end].score == rows[i].score; end--) here += rows[end].positive;
    positives += here;
    sum += here * positives / (count - 1 - end);
  }
  return sum / positives;
}

/* The log odds of a class, z[class] - log(sum of exp(z) of the others): for two classes the difference. Infinite logits that are
 * equal give 0. */
static double log_odds(const double *z, int classes, int class) {
  double most = -INFINITY, sum = 0;
  for (int c = 0; c < classes; c++) {
    if (isnan(z[c])) return NAN;
    if (c != class && z[c] > most) most = z[c];
  }
  if (isinf(most)) return z[class] > most ? INFINITY : z[class] < most ? -INFINITY : 0;
  for (int c = 0; c < classes; c++)
    if (c != class) sum += exp(z[c] - most);
  return (z[class] - most) - log(sum);
}

/* Sorts the rows of the classes by a class's log odds, ascending, and counts them. NaN, which has no order, is refused. */
static fd_status rank_class(ranked *rows, int count, const int *label, const double *logit, int classes, int class, int *kept) {
  *kept = 0;
  for (int i = 0; i < count; i++) {
    ranked one = {log_odds(logit + (size_t)i * (size_t)classes, classes, class), label[i] == class};
    if (isnan(one.score)) return fd_fail(FD_NUMERIC, "row %d: a logit is not a number", i + 1);
    if (label[i] < classes) rows[(*kept)++] = one;
  }
  qsort(rows, (size_t)*kept, sizeof *rows, by_score);
  return FD_OK;
}

fd_status fd_areas_of(int count, const int *label, const double *logit, int classes, fd_areas *areas) {
  ranked *rows;
  fd_status status = FD_OK;
  FD_TRY(fd_alloc(&rows, (size_t)count, sizeof *rows, "scores"));
  int first = classes == 2 ? 1 : 0, counted = 0, kept;
  *areas = (fd_areas){0, 0};
  for (int c = first; c < classes; c++) {
    FD_GO(rank_class(rows, count, label, logit, classes, c, &kept));
    double roc = roc_area(rows, kept);
    if (isnan(roc)) continue;
    areas->roc += roc, areas->precision += average_precision(rows, kept);
    counted++;
  }
  areas->roc /= counted, areas->precision /= counted; /* 0 / 0 is NAN */
done:
  free(rows);
  return status;
}

void fd_likeliest(int count, const double *score, int classes, int *predicted) {
  for (int i = 0; i < count; i++, score += classes) {
    predicted[i] = 0;
    for (int c = 1; c < classes; c++)
      if (score[c] > score[predicted[i]]) predicted[i] = c;
  }
}

void fd_confusion(int count, const int *label, const int *predicted, int classes, int *confusion) {
  for (int i = 0; i < classes * classes; i++) confusion[i] = 0;
  for (int i = 0; i < count; i++) confusion[label[i] * classes + predicted[i]]++;
}

fd_status fd_roc(int count, const int *label, const double *logit, int classes, int class, fd_roc_point curve[FD_ROC_POINTS],
                 int *points, double *area) {
  static const double apart = 0.01; /* on a path of length 2: at most 202 points */
  ranked *rows;
  double positives = 0, above = 0, hits = 0;
  fd_roc_point here = {0, 0};
  fd_status status = FD_OK;
  *points = 0;
  *area = NAN;
  FD_TRY(fd_alloc(&rows, (size_t)count, sizeof *rows, "a ROC curve"));
  FD_GO(rank_class(rows, count, label, logit, classes, class, &count));
  *area = roc_area(rows, count);
  for (int i = 0; i < count; i++) positives += rows[i].positive;
  if (isnan(*area)) goto done;
  curve[(*points)++] = here;
  for (int i = count - 1, end; i >= 0; i = end) { /* from the largest score down */
    above++, hits += rows[i].positive;
    for (end = i - 1; end >= 0 && rows[end].score == rows[i].score; end--) above++, hits += rows[end].positive;
    here = (fd_roc_point){(above - hits) / (count - positives), hits / positives};
    const fd_roc_point *last = &curve[*points - 1];
    if (end < 0 || here.false_positive - last->false_positive + here.true_positive - last->true_positive >= apart)
      curve[(*points)++] = here;
  }
done:
  free(rows);
  return status;
}

void fd_mean_sd(const double *value, int n, int stride, double *mean, double *sd) {
  double sum = 0, squares = 0;
  for (int i = 0; i < n; i++) sum += value[i * stride];
  *mean = sum / n;
  for (int i = 0; i < n; i++) squares += (value[i * stride] - *mean) * (value[i * stride] - *mean);
  *sd = n > 1 ? sqrt(squares / (n - 1)) : NAN;
}
