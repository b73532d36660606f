/* The training objective: a weighted sum of loss terms over the outputs of student and teacher. A new term is one line in
 * terms.def and one file. */
#ifndef FD_OBJECTIVE_OBJECTIVE_H
#define FD_OBJECTIVE_OBJECTIVE_H

#include "data/batch.h"
#include "model/network.h"

/* The inputs of the terms for one micro-batch. */
typedef struct fd_outputs {
  const fd_batch *batch;
  const fd_spaces *spaces;
  const fd_network *network;
  const fd_pass *student, *teacher; /* after their forward passes; teacher: the moving average, or NULL */
  const struct fd_frozen *frozen;   /* a frozen teacher after its forward pass (frozen.h), or NULL */
  const float *centre;              /* device, [rows, width]: fd_objective_rows, fd_objective_width */
  int width;                        /* of the centre: 5, the channels or the prototypes */
  float *logp, *prob;               /* NULL, or [count, rows, width] for a trace */
} fd_outputs;

/* The rows in which student and teacher are compared: the last seqs->cls rows of each sequence. */
typedef struct fd_compared {
  const fd_seqs *seqs;
  fd_mat student, teacher; /* [rows, width] */
} fd_compared;

/* Counts over the whole batch of all ranks, by which sums are divided. */
typedef struct fd_totals {
  double sequences, masked, visible; /* masked or hidden from the encoder; visible to it and with a target */
  double aligned;                    /* rows compared with a frozen teacher's features */
} fd_totals;

typedef struct fd_term {
  const char *name;
  double (*weight)(const fd_config *config);
  fd_out (*reads)(const fd_config *config); /* the student's output that the term reads and differentiates by */
  /* The number by which the term's sum over the batch is divided. */
  double (*divisor)(const fd_config *config, const fd_totals *totals);
  /* mnm, cl, soft and distil add scale * the gradient by that output to `gradient`; task, hidden and visible set it: each output
   * has one such term, which runs first. Sets *sum (device) to the term's sum over this micro-batch. */
  void (*run)(const fd_config *config, fd_device *dev, const fd_outputs *outputs, float scale, fd_mat gradient, double *sum);
} fd_term;

/* The terms of terms.def, by index. */
enum {
#define TERM(name) FD_TERM_##name,
#include "objective/terms.def"
#undef TERM
  FD_TERMS
};
extern const fd_term *const fd_terms[FD_TERMS];

#define TERM(name) extern const fd_term fd_term_##name;
#include "objective/terms.def"
#undef TERM

/* Rows of the centre: the rows per sequence that the [CLS] term compares. */
int fd_objective_rows(const fd_config *config);

/* Columns of the centre: the width of the rows that the [CLS] term compares. */
int fd_objective_width(const fd_config *config);

/* The student's outputs that terms of positive weight read: bits 1 << FD_OUT_... */
unsigned fd_objective_reads(const fd_config *config);

/* The output that the [CLS] term compares. */
fd_out fd_objective_space(const fd_config *config);

/* The rows that the [CLS] term compares, after the forward passes; zeros without a teacher. */
fd_compared fd_objective_compare(const fd_config *config, const fd_outputs *outputs);

/* Cross-entropy of the words of an output (FD_OUT_HIDDEN, FD_OUT_VISIBLE): its gradient is written to `gradient`, its sum to
 * *sum. */
void fd_objective_words(fd_device *dev, const fd_outputs *outputs, fd_out output, float scale, fd_mat gradient, double *sum);

/* Runs all terms of positive weight: sums[FD_TERMS] (device, zero before) get the terms' sums over this micro-batch, and the
 * student's outputs the gradients of the whole loss (zero before: fd_pass_clear). */
void fd_objective_run(const fd_config *config, fd_device *dev, const fd_outputs *outputs, const fd_totals *totals, double *sums);

/* The loss from the terms' sums over the batch: sets values[i] = sum / divisor and returns their weighted sum. */
double fd_objective_loss(const fd_config *config, const fd_totals *totals, const double *sums, double *values);

#endif
