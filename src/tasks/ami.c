/* Adjusted mutual information. */
#include "tasks/ami.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "base/guard.h"
#include "base/memory.h"

/* The distinct cluster sizes of one assignment, and the number of clusters of each size. */
typedef struct sizes {
  int clusters;            /* that are not empty */
  int *of;                 /* [largest cluster number + 1] size of each cluster */
  int kinds, *size, *many; /* distinct sizes, ascending; clusters of each size */
} sizes;

static int ascending(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

static fd_status count_sizes(int count, const int *cluster, sizes *s) {
  int most = 0;
  for (int i = 0; i < count; i++)
    if (cluster[i] > most) most = cluster[i];
  FD_TRY(fd_alloc(&s->of, (size_t)most + 1, sizeof *s->of, "clusters"));
  FD_TRY(fd_alloc(&s->size, (size_t)most + 1, sizeof *s->size, "clusters"));
  FD_TRY(fd_alloc(&s->many, (size_t)most + 1, sizeof *s->many, "clusters"));
  for (int i = 0; i < count; i++) s->of[cluster[i]]++;
  for (int c = 0; c <= most; c++)
    if (s->of[c]) s->size[s->clusters++] = s->of[c];
  qsort(s->size, (size_t)s->clusters, sizeof *s->size, ascending);
  for (int c = 0; c < s->clusters; c++) {
    if (!s->kinds || s->size[s->kinds - 1] != s->size[c]) s->size[s->kinds++] = s->size[c];
    s->many[s->kinds - 1]++;
  }
  return FD_OK;
}

static void free_sizes(sizes *s) {
  free(s->of);
  free(s->size);
  free(s->many);
}

static double entropy(const sizes *s, double n) {
  double h = 0;
  for (int k = 0; k < s->kinds; k++) h -= s->many[k] * (s->size[k] / n) * log(s->size[k] / n);
  return h;
}

typedef struct pair {
  int class, cluster;
} pair;

static int by_pair(const void *a, const void *b) {
  const pair *x = a, *y = b;
  return x->class != y->class ? (x->class > y->class) - (x->class < y->class)
                              : (x->cluster > y->cluster) - (x->cluster < y->cluster);
}

static fd_status mutual_information(int count, const int *class, const int *cluster, const sizes *a, const sizes *b, double *mi) {
  pair *all;
  double n = count;
  FD_TRY(fd_alloc(&all, (size_t)count, sizeof *all, "clusters"));
  for (int i = 0; i < count; i++) all[i] = (pair){class[i], cluster[i]};
  qsort(all, (size_t)count, sizeof *all, by_pair);
  *mi = 0;
  for (int first = 0, end; first < count; first = end) {
    for (end = first; end < count && !by_pair(&all[first], &all[end]);) end++;
    double both = end - first;
    *mi += both / n * log(n * both / ((double)a->of[all[first].class] * (double)b->of[all[first].cluster]));
  }
  free(all);
  return FD_OK;
}

/* A term of E[I]: the expectation over the hypergeometric number of rows shared by a class of size x and a cluster of size y. */
static double expected_of(double x, double y, double n) {
  double fixed = lgamma(x + 1) + lgamma(y + 1) + lgamma(n - x + 1) + lgamma(n - y + 1) - lgamma(n + 1), sum = 0;
  for (double k = fmax(1, x + y - n); k <= fmin(x, y); k++) {
    double log_p = fixed - lgamma(k + 1) - lgamma(x - k + 1) - lgamma(y - k + 1) - lgamma(n - x - y + k + 1);
    sum += k / n * log(n * k / (x * y)) * exp(log_p);
  }
  return sum;
}

static fd_status expected_information(const sizes *a, const sizes *b, double n, double *expected) {
  *expected = 0;
  for (int i = 0; i < a->kinds; i++) {
    FD_TRY(fd_guard_go_on());
    for (int j = 0; j < b->kinds; j++)
      *expected += (double)a->many[i] * (double)b->many[j] * expected_of(a->size[i], b->size[j], n);
  }
  return FD_OK;
}

fd_status fd_ami(int count, const int *class, const int *cluster, double *ami) {
  sizes a = {0}, b = {0};
  double mi, expected, n = count;
  fd_status status = FD_OK;
  *ami = 1;
  FD_GO(count_sizes(count, class, &a));
  FD_GO(count_sizes(count, cluster, &b));
  if (a.clusters == b.clusters && (a.clusters <= 1 || a.clusters == count)) goto done;
  FD_GO(mutual_information(count, class, cluster, &a, &b, &mi));
  FD_GO(expected_information(&a, &b, n, &expected));
  double range = (entropy(&a, n) + entropy(&b, n)) / 2 - expected;
  *ami = (mi - expected) / (range < 0 ? fmin(range, -DBL_EPSILON) : fmax(range, DBL_EPSILON));
done:
  free_sizes(&a);
  free_sizes(&b);
  return status;
}
