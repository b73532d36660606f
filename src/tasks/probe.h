/* The linear probe: logistic regression on frozen features, with an untrained encoder and k-mer counts as baselines.
 *
 * A seed determines the split of the training rows on which lambda (and k) are chosen by loss; the model is then refitted on all
 * training rows and scored once on the test rows. Features are whitened with the statistics of the training rows.
 *
 * More than FD_CLASSES_EXACT classes count as many: they are fitted in epochs (softmax.h), whose number is chosen instead of
 * lambda, and have no ROC curves, as logits of thousands of classes for every test row would not fit in memory. */
#ifndef FD_TASKS_PROBE_H
#define FD_TASKS_PROBE_H

#include "tasks/features.h"
#include "tasks/kmer.h"
#include "tasks/logistic.h"
#include "tasks/softmax.h"

enum {
  FD_PROBE_SEEDS = 64,
  FD_PROBE_ITEMS = 2 * 4 + 1 /* three encoders and the untrained network, each joined with k-mers, too; k-mers */,
  FD_PROBE_LAMBDAS = 5
};

/* The candidates for lambda: the penalty lambda / 2 |w|^2 is added to the mean loss per row, on features of variance 1. */
extern const double fd_probe_lambdas[FD_PROBE_LAMBDAS];

typedef struct fd_probe_options {
  fd_features features;
  int seeds;        /* splits by the seeds 0 .. seeds-1 */
  double selection; /* held-out share of the training rows */
  int untrained;    /* add an untrained encoder, initialised with the seeds run_seed + 0, 1, ... */
  uint64_t run_seed;
  int kmers;  /* add the k-mer baseline */
  int joined; /* probe each encoder and the untrained network a second time, their features joined with k-mer counts */
  int ks, k[FD_KMER_MAX]; /* candidates for k, of both */
} fd_probe_options;

/* Scores of one seed of one item. Every member has 8 bytes, so that ranks can sum the bits. */
typedef struct fd_probe_score {
  double accuracy, f1, mcc, auroc, auprc; /* both areas: NAN if the test rows have one class only */
  double lambda, selection_loss;          /* the chosen lambda, and its mean loss on the held-out rows */
  double k, dims;                         /* k of k-mers, joined or not, else 0; features after whitening */
  double epochs;                          /* many classes: chosen instead of lambda, which is 0 */
} fd_probe_score;

typedef struct fd_probe_item {
  char name[32];        /* teacher, student, untrained, kmer, teacher+kmer, ... */
  const char *features; /* tokens, cls, both, kmer */
  fd_probe_score score[FD_PROBE_SEEDS];
  /* Results of the first seed, on the first rank: */
  double *test;    /* [test rows, classes] logits; NULL for many classes */
  double *plane;   /* [test rows, 2] on the training rows' principal components; k-mers: NULL */
  double share[2]; /* of the training rows' variance along these components */
} fd_probe_item;

typedef struct fd_probe_result {
  int items, seeds;
  fd_probe_item item[FD_PROBE_ITEMS];
} fd_probe_result;

/* The inputs of a probe. All borrowed. `untrained` holds network, dev and cls of the untrained encoder. */
typedef struct fd_probe_task {
  fd_comm *comm;
  const fd_table *train, *test;
  int encoders;
  const fd_encoder *encoder;
  const fd_encoder *untrained; /* params are ignored */
  fd_device *cpu;              /* fits many classes */
  int unknown;                 /* test rows may have the label train->classes, which no training row has */
} fd_probe_task;

/* Runs the probe; the result is released with fd_probe_result_free, after failures too. Collective: the fits are distributed over
 * the ranks, and every rank gets the same scores for any number of ranks. Training rows of one class only and test labels that no
 * training row has are FD_DATA. */
fd_status fd_probe_run(const fd_probe_options *options, const fd_probe_task *task, fd_probe_result *result) FD_MUST_CHECK;

void fd_probe_result_free(fd_probe_result *result);

/* The split of a seed: a permutation of the rows 0 .. rows-1, whose first *held_out rows are held out; the others are fitted. */
fd_status fd_probe_split(int rows, uint64_t seed, double share, int *order, int *held_out) FD_MUST_CHECK;

/* Chooses lambda by loss on the held-out share of the training rows; among equals the larger one. The test rows are not used. */
fd_status fd_probe_select(const fd_design *train, const int *label, int classes, const int *order, int held_out, double *lambda,
                          double *loss) FD_MUST_CHECK;

#endif
