/* The linear probe: a logistic regression on frozen features, beside an untrained encoder and k-mer counts.
 *
 * A seed makes the split of the training rows on which lambda (and k) are chosen by loss; the model is then fitted again on all
 * training rows from there, and only then sees the test rows, once. Features are whitened by the training rows.
 *
 * More than FD_CLASSES_EXACT classes are many: they are fitted in epochs (softmax.h), whose number is chosen in the place of
 * lambda, and have no ROC curves: odds of thousands of classes for each test row would not fit. */
#ifndef FD_TASKS_PROBE_H
#define FD_TASKS_PROBE_H

#include "tasks/features.h"
#include "tasks/kmer.h"
#include "tasks/logistic.h"
#include "tasks/scores.h"
#include "tasks/softmax.h"

enum {
  FD_PROBE_SEEDS = 64,
  FD_PROBE_ITEMS = 2 * 3 + 2 /* three encoders, each joined with k-mers, too; untrained, k-mers */,
  FD_PROBE_LAMBDAS = 5
};

/* What lambda is chosen from: the penalty lambda / 2 |w|^2 beside the mean loss of a row, on features of variance 1. */
extern const double fd_probe_lambdas[FD_PROBE_LAMBDAS];

typedef struct fd_probe_options {
  fd_features features;
  int seeds;        /* 0 .. seeds-1 make the splits */
  double selection; /* share of the training rows that choose */
  int untrained;    /* add an encoder with start values of the seeds run_seed + 0, 1, ... */
  uint64_t run_seed;
  int kmers;              /* add the k-mer baseline */
  int joined;             /* probe each encoder a second time, its features joined with k-mer counts */
  int ks, k[FD_KMER_MAX]; /* k to choose from, for both */
} fd_probe_options;

/* One seed of one item. Every member has 8 bytes, so that ranks can add their bits. */
typedef struct fd_probe_score {
  double accuracy, f1, mcc, auroc; /* auroc: NAN where the test rows have one class */
  double lambda, selection_loss;   /* the choice, and its mean loss on the rows that chose */
  double k, dims;                  /* k of k-mers, joined or not, else 0; features after whitening */
  double epochs;                   /* of many classes: the choice in the place of lambda, which is 0 */
} fd_probe_score;

typedef struct fd_probe_item {
  char name[32];        /* teacher, student, untrained, kmer, teacher+kmer, ... */
  const char *features; /* tokens, cls, both, kmer */
  fd_probe_score score[FD_PROBE_SEEDS];
  /* Of the first seed, on the rank that did it (the first); NULL of many classes: */
  double *test;    /* [test rows, classes] log odds */
  double *plane;   /* [test rows, 2] principal components, of the training rows; k-mers: NULL */
  double share[2]; /* of the training rows' variance that they have */
} fd_probe_item;

typedef struct fd_probe_result {
  int items, seeds;
  fd_probe_item item[FD_PROBE_ITEMS];
} fd_probe_result;

/* Everything that a probe looks at. All borrowed. `untrained` gives network, dev and cls of the untrained encoder. */
typedef struct fd_probe_task {
  fd_comm *comm;
  const fd_table *train, *test;
  int encoders;
  const fd_encoder *encoder;
  const fd_encoder *untrained; /* params are ignored */
  fd_device *cpu;              /* that fits many classes */
  int unknown;                 /* test rows may have the label train->classes: of no training row */
} fd_probe_task;

/* Runs the probe; the result, released with fd_probe_result_free in any case, begins as zeroes. Collective; the fits are shared
 * out over the ranks, and every rank gets the same result for any number of them. Training rows of one class only, and test
 * labels beyond them, are FD_DATA. */
fd_status fd_probe_run(const fd_probe_options *options, const fd_probe_task *task, fd_probe_result *result) FD_MUST_CHECK;

void fd_probe_result_free(fd_probe_result *result);

/* The split of a seed: an order of the rows 0 .. rows-1; its first *held_out choose, the others fit. */
fd_status fd_probe_split(int rows, uint64_t seed, double share, int *order, int *held_out) FD_MUST_CHECK;

/* Chooses lambda by loss on the held-out share of the training rows; the larger one when equal. The test rows are not known here.
 */
fd_status fd_probe_select(const fd_design *train, const int *label, int classes, const int *order, int held_out, double *lambda,
                          double *loss) FD_MUST_CHECK;

#endif
